"""Synthetic production data at the speed of COPY."""

GENERATOR_VERSION = "1"
"""Changes whenever the same seed and rows would give other bytes."""
