"""Rehearse a PostgreSQL deploy: apply migrations to production-sized data and measure what they do."""

__version__ = "0.1.0"
