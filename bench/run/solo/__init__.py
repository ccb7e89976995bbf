"""The deploy with nothing beside it, watched from all sides."""
