"""The deploy under the traffic of the application and beside hazards."""
