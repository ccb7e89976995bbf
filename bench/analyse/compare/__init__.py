"""Two runs compared: what got worse, decided on numbers, for every statement, migration and the suite."""
