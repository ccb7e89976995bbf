"""Registers the fixtures that every test may use, by topic."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("contract")

pytest_plugins = ["fix_crm", "fix_db", "fix_tcp"]
