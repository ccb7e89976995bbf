"""Dangers by kind: each module finds some in what a rehearsal measured, and knows nothing of the others."""
