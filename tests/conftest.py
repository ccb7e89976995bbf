"""Registers the fixtures that every test may use, by topic."""

from __future__ import annotations

pytest_plugins = ["fix_db"]
