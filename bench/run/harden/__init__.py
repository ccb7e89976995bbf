"""The safe version of a suite: written, proved to come to the same, and measured beside the original."""
