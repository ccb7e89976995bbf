"""Registers the fixtures that every test may use, by topic."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile

import hypothesis
import pytest

# Where the tests run in the background of a shell, Ctrl-C is ignored, and every program that they start would
# inherit that; a handler of our own is reset to the default in a new program.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Neither what the tests keep for later runs nor what runs have kept before is any business of the other.
os.environ["BENCH_NO_PICTURES"] = "1"  # those who look at pictures ask for them
os.environ["BENCH_CACHE_DIR"] = tempfile.mkdtemp(prefix="pgrehearse-cache-")

hypothesis.settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("unhurried")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["BENCH_CACHE_DIR"], ignore_errors=True)


pytest.register_assert_rewrite("contract")

pytest_plugins = ["fix_crm", "fix_db", "fix_tcp"]
