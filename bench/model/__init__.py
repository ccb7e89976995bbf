"""Frozen data, standard library only: what was read, measured and concluded."""
