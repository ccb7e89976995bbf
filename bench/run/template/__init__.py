"""The state before the deploy: what it is made of, how it is kept, and its copies."""
