"""The engine: rows of any data set, from streams of random bits to COPY."""
