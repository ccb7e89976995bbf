"""Registers the fixtures that every test may use, by topic."""

from __future__ import annotations

import signal

import pytest

# Where the tests run in the background of a shell, Ctrl-C is ignored, and every program that they start would
# inherit that; a handler of our own is reset to the default in a new program.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("contract")

pytest_plugins = ["fix_crm", "fix_db", "fix_tcp"]
