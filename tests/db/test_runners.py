"""Files in their runner's transactions: what is applied here ends as what the runner itself would send."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bench.migrate.suite import Suite, find_suite
from bench.migrate.transactions import read_migrations
from bench.model.run import MigrationRun
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.trace import trace_in
from bench.run.traffic.deploy import apply_once
from bench.run.traffic.onepass import Conditions, _deploy_all, _Pass
from bench.run.traffic.retry import Retrier, RetryPolicy

BASE = "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE); INSERT INTO t VALUES (1), (2);"


@contextmanager
def database(server: Server) -> Iterator[str]:
    name = new_name("runners")
    create_database(server, name)
    try:
        with server.connect(name) as conn:
            conn.execute(BASE.encode())
        yield name
    finally:
        drop_database(server, name)


def state(server: Server, dbname: str) -> list[tuple[object, ...]]:
    """The columns of all tables and the rows of ``t``."""
    with server.connect(dbname) as conn:
        columns = conn.execute(
            "SELECT attrelid::regclass::text, attname::text "
            "FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
            "WHERE relnamespace = 'public'::regnamespace AND attnum > 0 ORDER BY 1, 2"
        ).fetchall()
        rows = conn.execute("SELECT to_jsonb(t)::text FROM t ORDER BY 1").fetchall()
    return [*columns, *rows]


def sent_whole(server: Server, dbname: str, text: str) -> str | None:
    """The SQLSTATE that a file ends with which is sent as one query, as golang-migrate sends it."""
    with server.connect(dbname) as conn:
        try:
            conn.execute(text.encode(), prepare=False)
        except psycopg.Error as error:
            return error.sqlstate
    return None


def applied(server: Server, dbname: str, suite: Suite) -> tuple[MigrationRun, ...]:
    scripts = [(migration.id, statements) for migration, statements in read_migrations(suite.migrations)]
    return trace_in(server, dbname, scripts, probe=False, step=False, kept=suite.runner.keeps_session)


def sqlstate(runs: tuple[MigrationRun, ...]) -> str | None:
    return next((run.error.sqlstate for run in runs if run.error is not None), None)


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE t ADD a int; ALTER TABLE t ADD b int;",
        "ALTER TABLE t ADD a int; ALTER TABLE absent ADD b int;",
        "CREATE INDEX CONCURRENTLY i ON t (id);",
        "CREATE INDEX CONCURRENTLY i ON t (id); ALTER TABLE t ADD a int;",
        "ALTER TABLE t ADD a int; VACUUM t;",
        "VACUUM t;",
        "LOCK TABLE t;",
        "LOCK TABLE t; ALTER TABLE t ADD a int;",
        "ALTER TABLE t ADD a int; SAVEPOINT s; ALTER TABLE t ADD b int;",
        "BEGIN; ALTER TABLE t ADD a int; SAVEPOINT s; ALTER TABLE t ADD b int; ROLLBACK TO s; COMMIT;",
        "ALTER TABLE t ADD a int; BEGIN; ALTER TABLE t ADD b int; COMMIT; ALTER TABLE absent ADD c int;",
        "BEGIN; ALTER TABLE t ADD a int; COMMIT; ALTER TABLE t ADD b int; ALTER TABLE absent ADD c int;",
        "ALTER TABLE t ADD a int; COMMIT; ALTER TABLE t ADD b int; ALTER TABLE absent ADD c int;",
        "ALTER TABLE t ADD a int; ROLLBACK; ALTER TABLE t ADD b int;",
        "ALTER TABLE t ADD a int; COMMIT AND CHAIN; ALTER TABLE t ADD b int;",
        "SET LOCAL lock_timeout = '1s'; ALTER TABLE t ADD a int;",
        "SET CONSTRAINTS ALL DEFERRED; INSERT INTO t VALUES (1);",
        "DECLARE c CURSOR FOR SELECT 1; FETCH c;",
        "DO $$ BEGIN UPDATE t SET id = id + 10; COMMIT; END $$;",
        "SELECT 1; DO $$ BEGIN UPDATE t SET id = id + 10; COMMIT; END $$;",
    ],
)
def test_a_file_sent_as_one_query_ends_as_the_server_ends_it(
    server: Server, tmp_path: Path, text: str
) -> None:
    (tmp_path / "1_x.up.sql").write_text(text)
    with database(server) as whole, database(server) as ours:
        expected = sent_whole(server, whole, text)
        runs = applied(server, ours, find_suite(str(tmp_path)))
        assert sqlstate(runs) == expected
        assert state(server, ours) == state(server, whole)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ALTER TABLE t ADD a int; CREATE INDEX CONCURRENTLY i ON t (id);", "25001"),
        ("CREATE INDEX CONCURRENTLY i ON t (id);", "25001"),
        ("SET CONSTRAINTS ALL DEFERRED; INSERT INTO t VALUES (1);", "23505"),
        ("DO $$ BEGIN UPDATE t SET id = id + 10; COMMIT; END $$;", "2D000"),
        ("LOCK TABLE t;", None),
        ("ALTER TABLE t ADD a int; SAVEPOINT s; ALTER TABLE t ADD b int; ROLLBACK TO s;", None),
    ],
)
def test_a_file_in_one_transaction(server: Server, tmp_path: Path, text: str, code: str | None) -> None:
    lines = text.replace("; ", ";\n") if "$$" not in text else text
    (tmp_path / "1_x.sql").write_text(f"-- +goose Up\n{lines}\n")
    with database(server) as dbname:
        before = state(server, dbname)
        runs = applied(server, dbname, find_suite(str(tmp_path)))
        assert sqlstate(runs) == code
        assert code is None or state(server, dbname) == before
    if code in ("25001", "2D000"):
        assert runs[0].error is not None
        assert "goose runs this file in a transaction: write -- +goose NO TRANSACTION" in (
            runs[0].error.hint or ""
        )


def deploy(server: Server, dbname: str, suite: Suite, retrier: Retrier | None = None) -> list[MigrationRun]:
    """As the loaded pass does, without the traffic."""
    done = _Pass()
    scripts = read_migrations(suite.migrations)
    conditions = Conditions(deploy=retrier or apply_once, one_session=suite.runner.keeps_session)
    _deploy_all(server, dbname, scripts, conditions, done, silent)
    return done.migrations


def drizzle(directory: Path, *texts: str) -> Suite:
    for number, text in enumerate(texts):
        (directory / f"{number:04}_x.sql").write_text(f"{text}\n--> statement-breakpoint\n")
    return find_suite(str(directory))


def test_all_files_in_one_transaction_under_traffic(server: Server, tmp_path: Path) -> None:
    suite = drizzle(
        tmp_path, "ALTER TABLE t ADD a int;", "ALTER TABLE t ADD b int;", "ALTER TABLE t ADD c int;"
    )
    with database(server) as dbname:
        runs = deploy(server, dbname, suite)
        assert [run.outcome for run in runs] == ["applied"] * 3
        assert ("t", "c") in state(server, dbname)


def test_a_failure_takes_back_the_files_before_it(server: Server, tmp_path: Path) -> None:
    suite = drizzle(tmp_path, "ALTER TABLE t ADD a int;", "ALTER TABLE absent ADD b int;", "SELECT 1;")
    for apply in (deploy, applied):
        with database(server) as dbname:
            before = state(server, dbname)
            runs = apply(server, dbname, suite)
            assert [run.outcome for run in runs] == ["failed", "failed", "skipped"]
            assert runs[0].error is not None
            assert "rolled back with 0001_x" in runs[0].error.message
            assert runs[1].error is not None
            assert runs[1].error.sqlstate == "42P01"
            assert state(server, dbname) == before


def test_retries_in_a_session_that_is_kept(server: Server, tmp_path: Path) -> None:
    """A migration that gave up its lock comes back, and what an earlier file has SET still holds."""
    (tmp_path / "1_a.up.sql").write_text("CREATE SCHEMA app; SET search_path = app, public;")
    (tmp_path / "2_b.up.sql").write_text("CREATE TABLE mine (id int); ALTER TABLE t ADD a int;")
    suite = find_suite(str(tmp_path))
    with database(server) as dbname, server.connect(dbname) as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE t IN ACCESS SHARE MODE")
        retrier = Retrier(RetryPolicy(lock_timeout_s=0.05), pause=lambda _: other.execute("ROLLBACK"))
        runs = deploy(server, dbname, suite, retrier)
        assert [run.outcome for run in runs] == ["applied", "applied"]
        assert [each.outcome for each in retrier.tries] == ["applied", "lock_timeout", "applied"]
        with server.connect(dbname) as conn:
            assert conn.execute("SELECT to_regclass('app.mine') IS NOT NULL").fetchone() == (True,)


def test_files_of_one_transaction_are_tried_again_together(server: Server, tmp_path: Path) -> None:
    """The lock that the third waits for in vain takes the first two back with it."""
    suite = drizzle(
        tmp_path,
        "ALTER TABLE t ADD a int;",
        "ALTER TABLE t ADD b int;",
        "CREATE INDEX ON taken (id);",
        "ALTER TABLE t ADD c int;",
    )
    with database(server) as dbname, server.connect(dbname) as other:
        other.execute("CREATE TABLE taken (id int)")
        other.execute("BEGIN")
        other.execute("LOCK TABLE taken IN ROW EXCLUSIVE MODE")
        retrier = Retrier(RetryPolicy(lock_timeout_s=0.05), pause=lambda _: other.execute("ROLLBACK"))
        runs = deploy(server, dbname, suite, retrier)
        assert [run.outcome for run in runs] == ["applied"] * 4
        tries = [(each.migration, each.number, each.outcome) for each in retrier.tries]
        assert tries == [
            ("0000_x", 1, "rolled_back"),
            ("0000_x", 2, "applied"),
            ("0001_x", 1, "rolled_back"),
            ("0001_x", 2, "applied"),
            ("0002_x", 1, "lock_timeout"),
            ("0002_x", 2, "applied"),
            ("0003_x", 1, "applied"),
        ]
        assert {("t", "a"), ("t", "b"), ("t", "c")} <= set(state(server, dbname))


def test_files_of_one_transaction_that_give_up_leave_nothing(server: Server, tmp_path: Path) -> None:
    suite = drizzle(tmp_path, "ALTER TABLE t ADD a int;", "CREATE INDEX ON taken (id);", "SELECT 1;")
    with database(server) as dbname, server.connect(dbname) as other:
        other.execute("CREATE TABLE taken (id int)")
        before = state(server, dbname)
        other.execute("BEGIN")
        other.execute("LOCK TABLE taken IN ROW EXCLUSIVE MODE")
        retrier = Retrier(RetryPolicy(lock_timeout_s=0.05, retries=1), pause=lambda _: None)
        runs = deploy(server, dbname, suite, retrier)
        other.execute("ROLLBACK")
        assert [run.outcome for run in runs] == ["failed", "failed", "skipped"]
        assert [each.gave_up for each in retrier.tries] == [None] * 3 + ["the 1 retry is used up"]
        assert state(server, dbname) == before
