"""Suites of migration files."""
