"""Runs as pictures, pages and text."""
