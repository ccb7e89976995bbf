"""What SQL text says by itself: where statements end, what they are, which names they have."""
