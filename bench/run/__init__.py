"""The rehearsal, step by step."""
