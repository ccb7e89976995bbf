"""Pure conclusions from stored runs."""
