"""Migration tools: what each makes of a directory. A new one is a module and a row in table.py."""
