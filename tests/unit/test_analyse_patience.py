"""What a lock timeout costs behind a reader, computed on hand-made transactions."""

from __future__ import annotations

import pytest

from bench.analyse.patience import Step, play, sets_lock_timeout
from bench.cli.advised import form_of
from bench.migrate.tools.table import BY_NAME

ALTER = Step(0.01, wants=True, blocks=True)
BUILD = Step(1.0, wants=False, blocks=True)
FREE = Step(5.0, wants=False, blocks=False)


def test_without_a_timeout_requests_stand_still_as_long_as_the_reader_is_there() -> None:
    assert play([(ALTER,)], None, 10.0) == (1, pytest.approx(10.01), pytest.approx(10.01))


def test_each_try_costs_its_timeout_and_pauses_cost_nothing() -> None:
    # 0.1 s, a pause of 0.25 s, 0.1 s, a pause of 0.5 s, and 0.05 s until the reader is gone
    assert play([(ALTER,)], 0.1, 1.0) == (3, pytest.approx(0.26), pytest.approx(1.01))


def test_work_under_a_lock_is_done_again_at_each_try() -> None:
    tries, blocked_s, _ = play([(BUILD, ALTER)], 0.1, 3.0)
    assert blocked_s == pytest.approx(1.1 * (tries - 1) + 1.01)
    assert play([(BUILD,), (ALTER,)], 0.1, 3.0)[1] < blocked_s, "apart it is done once"


def test_what_blocks_nobody_is_not_counted() -> None:
    assert play([(FREE,)], 0.1, 3.0) == (1, 0.0, 5.0)
    assert play([(FREE,), (ALTER,)], 0.1, 3.0)[:2] == (1, pytest.approx(0.01)), "the reader is gone by then"


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("SET lock_timeout = '2s'", False),
        ("-- first\nset local lock_timeout to 2000", True),
        ("SET SESSION lock_timeout = 0", False),
        ("SET statement_timeout = '2s'", None),
        ("SELECT 'SET lock_timeout'", None),
    ],
)
def test_a_file_that_sets_its_own_is_known(text: str, local: bool | None) -> None:
    assert sets_lock_timeout(text) is local


def test_every_tool_has_a_form_that_its_sessions_keep() -> None:
    forms = {name: form_of(name) for name in BY_NAME}
    assert forms["flyway"] == "flyway"
    assert forms["drizzle"] == "drizzle"
    assert forms["plain"] == "pgoptions"
    assert forms["liquibase"] == "jdbc"
    assert forms["goose"] == "url"
    assert forms["recorded"] == "role"
