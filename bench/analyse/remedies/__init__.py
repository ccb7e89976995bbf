"""Ways out of dangers: the safer statements of this statement, made from its own parse tree."""
