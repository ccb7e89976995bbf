"""The pages, tables and documents of ``bench explain``."""
