"""What a statement did: locks, counters, plans."""
