"""The advised lock timeout gets planted deploys through behind a reader; what is not to be timed is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from advise_trials import PLANTED, SLOW, advised, planted

from bench.pg.server import Server

UNTIMED = {
    "an index online": (0,),
    "a check validated later": (1,),
    "a backfill": (1,),
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_advised_timeout_gets_the_deploy_through(server: Server, tmp_path: Path, name: str) -> None:
    outcome = advised(server, *planted(tmp_path, name))
    assert outcome.advice is not None
    (migration,) = outcome.advice.migrations
    assert migration.untimed == UNTIMED.get(name, ())
    assert bool(migration.own) == (name == "its own timeout")
    waiting, timed = outcome.ways[0], outcome.ways[-1]
    assert waiting.lock_timeout_s is None
    assert timed.through
    met = name != "an index online"  # which waits until the reader is gone
    assert (timed.tries > 1) == met, "it comes back where it meets the reader"
    assert outcome.lock_timeout_s == timed.lock_timeout_s
    if name == SLOW:
        assert (migration.lock_timeout_s or 0.0) >= 0.15, "no shorter than the application's own requests"
