"""Proofs on clones: what a rollback, a crash, a second run or another role really does."""
