"""Advice from a plan's own numbers: rules that name the node, what it did and the way out."""
