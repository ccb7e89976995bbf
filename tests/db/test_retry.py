"""Migrations tried again behind a real lock that another session holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from fix_db import Blocker, Connect

from bench.migrate.script import read_statements
from bench.model.deploy import Try
from bench.model.run import MigrationRun
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.traffic.deploy import Deploy, Record
from bench.run.traffic.retry import Retrier, RetryPolicy

TIMEOUT_S = 0.2
BASE = """
CREATE TABLE deals (id int PRIMARY KEY, name text);
INSERT INTO deals VALUES (1, 'a');
CREATE TABLE notes (id int);
CREATE PROCEDURE backfill() LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO notes VALUES (1); COMMIT; UPDATE deals SET name = 'b'; END $$;
"""

Apply = Callable[..., tuple[MigrationRun, tuple[Try, ...]]]


@pytest.fixture
def apply(server: Server, database: str, connect: Connect, blocker: Blocker, tmp_path: Path) -> Apply:
    """Apply a file while another session holds ``mode`` on deals, for as many pauses as ``held`` says."""
    connect().execute(BASE)

    def run(
        text: str, *, held: int = 2, mode: str = "ACCESS SHARE", retries: int = 5, rerunnable: bool = False
    ) -> tuple[MigrationRun, tuple[Try, ...]]:
        path = tmp_path / "001.sql"
        path.write_text(text)
        statements = read_statements(path)
        pauses: list[float] = []
        with ExitStack() as lock:
            lock.enter_context(blocker("public.deals", mode))

            def pause(seconds: float) -> None:
                pauses.append(seconds)
                if len(pauses) == held:
                    lock.close()

            retrier = Retrier(RetryPolicy(TIMEOUT_S, retries, rerunnable=rerunnable), pause=pause)
            record = Record()
            (applied,) = retrier([Deploy(server, database, "001", statements, record, 0, silent)])
        assert len(record.spans) == sum(each.outcome != "skipped" for each in applied.statements) + sum(
            (each.statement or 0) - following.first_statement + 1
            for each, following in pairwise(retrier.tries)
        )
        return applied, tuple(retrier.tries)

    return run


def outcomes(tries: tuple[Try, ...]) -> list[tuple[str, int, int | None]]:
    return [(each.outcome, each.first_statement, each.statement) for each in tries]


def test_many_tries_from_the_start_of_the_file(apply: Apply) -> None:
    run, tries = apply("BEGIN; ALTER TABLE deals ADD COLUMN x int; COMMIT;", held=7, retries=9)
    assert run.outcome == "applied"
    assert outcomes(tries) == [("lock_timeout", 0, 1)] * 7 + [("applied", 0, None)]


def test_a_statement_gets_through_once_the_lock_is_gone(apply: Apply) -> None:
    run, tries = apply("CREATE TABLE extra (id int); ALTER TABLE deals ADD COLUMN x int;")
    assert run.outcome == "applied"
    assert [each.outcome for each in run.statements] == ["applied", "applied"]
    assert outcomes(tries) == [("lock_timeout", 0, 1), ("lock_timeout", 1, 1), ("applied", 1, None)]
    for each in tries[:2]:
        assert each.blocked_s is not None
        assert each.blocked_s >= TIMEOUT_S
        assert each.pause_s is not None
    assert tries[-1].blocked_s is None
    assert run.duration_s is not None
    assert run.duration_s >= 2 * TIMEOUT_S, "what the tries took is a part of the deploy"


def test_a_transaction_goes_back_to_its_begin_and_nothing_is_done_twice(
    apply: Apply, connect: Connect
) -> None:
    run, tries = apply(
        "INSERT INTO notes VALUES (0); BEGIN; INSERT INTO notes VALUES (1);"
        " ALTER TABLE deals ADD COLUMN x int; COMMIT; INSERT INTO notes VALUES (2);"
    )
    assert run.outcome == "applied"
    assert outcomes(tries) == [("lock_timeout", 0, 3), ("lock_timeout", 1, 3), ("applied", 1, None)]
    assert connect().execute("SELECT id FROM notes ORDER BY id").fetchall() == [(0,), (1,), (2,)]


def test_retries_run_out(apply: Apply) -> None:
    run, tries = apply("ALTER TABLE deals ADD COLUMN x int; SELECT 1;", held=99, retries=2)
    assert run.outcome == "failed"
    assert run.error is not None
    assert run.error.sqlstate == "55P03"
    assert [each.outcome for each in run.statements] == ["failed", "skipped"]
    assert len(tries) == 3
    assert tries[-1].gave_up == "the 2 retries are used up"


def test_a_timeout_of_the_file_s_own_is_kept_and_reset_goes_back_to_the_runner_s(apply: Apply) -> None:
    run, tries = apply(
        "SET lock_timeout = '40ms'; BEGIN; ALTER TABLE deals ADD COLUMN x int; COMMIT; RESET lock_timeout;"
        " BEGIN; DO $$ BEGIN IF current_setting('lock_timeout') <> '200ms' THEN RAISE 'lost'; END IF; END $$;"
        " COMMIT;"
    )
    assert run.outcome == "applied"
    blocked_s = [each.blocked_s for each in tries if each.blocked_s is not None]
    assert all(each >= 0.04 for each in blocked_s)


def test_a_procedure_that_committed_is_not_called_again_by_itself(apply: Apply, connect: Connect) -> None:
    run, tries = apply("CALL backfill();", mode="SHARE")
    assert run.outcome == "failed"
    assert tries[-1].gave_up == "CALL may have committed a part of its work"
    assert connect().execute("SELECT count(*) FROM notes").fetchone() == (1,)


def test_a_file_that_may_be_run_again_starts_from_its_beginning(apply: Apply, connect: Connect) -> None:
    run, tries = apply(
        "CREATE TEMPORARY TABLE scratch (id int); CALL backfill();", mode="SHARE", held=1, rerunnable=True
    )
    assert run.outcome == "applied"
    assert outcomes(tries) == [("lock_timeout", 0, 1), ("applied", 0, None)]
    assert connect().execute("SELECT count(*) FROM notes").fetchone() == (2,)


def test_an_index_left_invalid_ends_the_tries(apply: Apply, connect: Connect) -> None:
    # SHARE ROW EXCLUSIVE of another session stops it at once, before it has made the index.
    run, tries = apply("CREATE INDEX CONCURRENTLY deals_name ON deals (name);", mode="SHARE ROW EXCLUSIVE")
    assert run.outcome == "applied"
    assert len(tries) == 3
    # ROW EXCLUSIVE lets it make the index, and keeps it waiting for the transaction to end.
    run, tries = apply("CREATE INDEX CONCURRENTLY deals_id ON deals (id, name);", mode="ROW EXCLUSIVE")
    assert run.outcome == "failed"
    assert tries[-1].gave_up == "CREATE INDEX CONCURRENTLY left an invalid index, which must be dropped first"


def test_an_error_of_another_kind_is_no_reason_to_try_again(apply: Apply) -> None:
    run, tries = apply("ALTER TABLE deals ALTER COLUMN name TYPE int USING name::int;", held=1)
    assert run.outcome == "failed"
    assert outcomes(tries) == [("lock_timeout", 0, 0), ("failed", 0, 0)]
