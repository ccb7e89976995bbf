"""Where a try may begin again after a lock timeout, and how long the pause before it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.migrate.script import read_statements
from bench.model.statement import Statement
from bench.run.traffic.retry import Resumption, RetryPolicy, resumption

FILE = """
SET lock_timeout = '1s';
BEGIN;
ALTER TABLE deals ADD COLUMN a int;
SAVEPOINT half;
ALTER TABLE deals ADD COLUMN b int;
COMMIT;
ALTER TABLE deals ADD COLUMN c int;
CREATE INDEX CONCURRENTLY deals_c ON deals (c);
CALL backfill();
VACUUM deals;
BEGIN;
ALTER TABLE deals ADD COLUMN d int;
COMMIT AND CHAIN;
ALTER TABLE deals ADD COLUMN e int;
COMMIT;
"""


@pytest.fixture
def statements(tmp_path: Path) -> tuple[Statement, ...]:
    path = tmp_path / "001.sql"
    path.write_text(FILE)
    return read_statements(path)


def place(
    statements: tuple[Statement, ...], failed: int, *, in_file: bool = False, left: bool = False
) -> int | None:
    return resumption(statements, failed, in_file=in_file, left_invalid=left).statement


def test_a_transaction_of_the_file_is_tried_again_from_its_begin(statements: tuple[Statement, ...]) -> None:
    assert [place(statements, failed, in_file=True) for failed in (2, 3, 4, 5)] == [1, 1, 1, 1]
    assert place(statements, 11, in_file=True) == 10


def test_a_statement_of_its_own_is_tried_again_alone(statements: tuple[Statement, ...]) -> None:
    assert place(statements, 6) == 6


def test_a_chained_transaction_has_no_begin_to_go_back_to(statements: tuple[Statement, ...]) -> None:
    found = resumption(statements, 13, in_file=True, left_invalid=False)
    assert found == Resumption(None, "its transaction was begun by AND CHAIN")


def test_what_may_have_committed_a_part_is_not_tried_again(statements: tuple[Statement, ...]) -> None:
    assert place(statements, 7) == 7
    assert place(statements, 7, left=True) is None
    assert place(statements, 8) is None
    assert place(statements, 9, left=True) == 9


@given(st.integers(1, 200), st.floats(0, 1), st.floats(0.01, 5), st.floats(5, 60))
def test_pauses_double_up_to_the_longest_and_are_cut_by_half_at_most(
    number: int, chance: float, first_s: float, longest_s: float
) -> None:
    policy = RetryPolicy(2.0, first_pause_s=first_s, longest_pause_s=longest_s)
    full_s = min(longest_s, first_s * 2 ** min(number - 1, 30))
    assert full_s / 2 <= policy.pause_s(number, chance) <= full_s
    assert policy.pause_s(number, chance) <= policy.pause_s(number + 1, chance)
