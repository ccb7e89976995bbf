"""What a quantity will be at a size that was not measured: an interval, or why that is not known."""
