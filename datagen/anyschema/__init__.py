"""Rows for any schema: what the catalog says is read, planned column by column, and filled."""
