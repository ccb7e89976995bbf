"""Synthetic production data at the speed of COPY."""
