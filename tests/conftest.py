"""Registers the fixtures that every test may use, by topic."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

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


PART = re.compile(r" part=([^\]]+)\]$")


class ByFileOrPart(LoadScopeScheduling):
    """A worker takes whole files, for what their tests share, but parts where the names of tests tell them.

    Groups of pytest-xdist would say so, but version 3.8 loses them with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, part = nodeid.split("::", 1)[0], PART.search(nodeid)
        return f"{file} {part[1]}" if part else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return ByFileOrPart(config, log) if config.getvalue("dist") == "loadfile" else None


pytest.register_assert_rewrite("contract")

pytest_plugins = ["fix_crm", "fix_db", "fix_tcp"]
