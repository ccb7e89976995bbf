"""``bench explain``: queries in every way they are executed, on the schema before and after a suite."""
