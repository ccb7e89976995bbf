"""The application's traffic: its classes, the generator's processes, and who waited for the migration."""
