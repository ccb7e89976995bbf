"""Three renderers of a document: a terminal's, Markdown's and HTML's; none knows what a migration is."""
