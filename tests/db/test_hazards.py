"""Every hazard on a real server: it is there when the block begins, does its harm, and leaves nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
from fix_db import Connect, WaitUntil

from bench.model.deploy import HAZARDS, HazardName, HazardRecord
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server
from bench.run.hazards import Hazard, NotThereError, Setting

LENGTH_S = 1.0
BASE = """
CREATE TABLE deals (id int PRIMARY KEY, name text, note text);
INSERT INTO deals SELECT i, 'deal ' || i, repeat('x', 300) FROM generate_series(1, 8000) AS i;
CREATE TABLE notes (id int PRIMARY KEY, text text);
INSERT INTO notes VALUES (1, 'a');
VACUUM (FREEZE, ANALYZE);
"""


@pytest.fixture
def filled(database: str, connect: Connect) -> str:
    conn = connect()
    for statement in BASE.strip().split("\n"):
        conn.execute(statement.encode())
    return database


def hazard(name: HazardName, *tables: str, length_s: float = LENGTH_S) -> Hazard:
    return Hazard(name, Setting(length_s, tables))


def blocked_s(conn: psycopg.Connection[object], statement: str = "LOCK TABLE deals") -> float:
    """How long a migration's statement waits."""
    begin = time.perf_counter()
    with conn.transaction():
        conn.execute(statement.encode())
    return time.perf_counter() - begin


def record(hazard: Hazard) -> HazardRecord:
    assert hazard.record is not None
    return hazard.record


@pytest.mark.parametrize("name", ["long-reader", "idle-in-transaction", "bulk-write"])
def test_a_session_stands_in_the_way_for_its_time(
    server: Server, filled: str, connect: Connect, name: HazardName
) -> None:
    conn = connect()
    made = hazard(name)
    with made.around(server, filled):
        waited_s = blocked_s(conn)
    assert 0.5 * LENGTH_S < waited_s < LENGTH_S + 3
    assert record(made).ended_itself
    assert record(made).error is None
    assert "public.deals" in record(made).evidence["tables"]
    assert record(made).lasted_s == pytest.approx(waited_s, abs=0.3)


@pytest.mark.parametrize("name", HAZARDS)
def test_a_hazard_goes_with_its_block(
    server: Server, filled: str, connect: Connect, name: HazardName
) -> None:
    made = hazard(name, length_s=60)
    if (reason := made.refusal(server)) is not None:
        pytest.skip(reason)
    with suppress(ZeroDivisionError), made.around(server, filled):
        raise ZeroDivisionError
    conn = connect()
    assert blocked_s(conn) < 2
    assert record(made).lasted_s < 30
    row = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type <> 'parallel worker'"
        " AND (application_name LIKE '%hazard%' OR application_name = 'pg_dump'"
        " OR backend_type = 'autovacuum worker')"
    ).fetchone()
    assert row == (0,)
    assert conn.execute("SELECT count(*) FROM pg_stat_replication").fetchone() == (0,)
    assert conn.execute("SHOW autovacuum").fetchone() == ("off",)


def test_a_hazard_keeps_to_the_tables_that_the_deploy_locks(
    server: Server, filled: str, connect: Connect
) -> None:
    made = hazard("idle-in-transaction", "public.notes", length_s=60)
    with made.around(server, filled):
        assert blocked_s(connect()) < 1
    assert record(made).evidence["tables"] == ["public.notes"]
    assert not record(made).ended_itself


def test_a_report_reads_and_lets_others_write(server: Server, filled: str, connect: Connect) -> None:
    made = hazard("long-reader", length_s=60)
    with made.around(server, filled):
        assert blocked_s(connect(), "UPDATE deals SET note = 'y' WHERE id = 1") < 1


def test_a_backup_is_a_whole_dump_that_a_migration_waits_for(
    server: Server, filled: str, connect: Connect, wait_until: WaitUntil
) -> None:
    made = hazard("backup")
    if (reason := made.refusal(server)) is not None:
        pytest.skip(reason)
    with made.around(server, filled):
        blocked_s(connect())
    assert record(made).error is None
    assert record(made).evidence["exit_code"] == 0
    assert record(made).evidence["bytes"] > 8000 * 300
    assert record(made).evidence["tables"] == ["public.deals", "public.notes"]


def test_an_autovacuum_against_wraparound_does_not_give_way(
    server: Server, filled: str, connect: Connect
) -> None:
    """Any other one is cancelled by who waits for it, after deadlock_timeout."""
    made = hazard("autovacuum", length_s=20)
    if (reason := made.refusal(server)) is not None:
        pytest.skip(reason)
    conn = connect()
    conn.execute("SET deadlock_timeout = '50ms'")
    conn.execute("SET lock_timeout = '500ms'")
    with made.around(server, filled), pytest.raises(psycopg.errors.LockNotAvailable):
        blocked_s(conn, "LOCK TABLE deals IN SHARE UPDATE EXCLUSIVE MODE")
    assert record(made).evidence["query"].endswith("public.deals (to prevent wraparound)")


def test_a_table_that_is_vacuumed_at_once_is_no_hazard(
    server: Server, database: str, connect: Connect
) -> None:
    connect().execute("CREATE TABLE small (id int, text text)")
    made = hazard("autovacuum")
    if (reason := made.refusal(server)) is not None:
        pytest.skip(reason)
    with pytest.raises(NotThereError, match="0 pages"), made.around(server, database):
        pass
    assert made.record is None


def test_a_replica_falls_behind_its_reader(server: Server, filled: str, connect: Connect) -> None:
    made = hazard("replica", length_s=3)
    if (reason := made.refusal(server)) is not None:
        pytest.skip(reason)
    with made.around(server, filled):
        conn = connect()
        conn.execute("ALTER TABLE deals ADD COLUMN x int")
        conn.execute("UPDATE deals SET note = 'y'")
    found = record(made).evidence
    assert found["max_behind_bytes"] > 0
    assert found["samples"] >= 0
    assert found["caught_up_after_s"] > 0.5, "replay waits for the reader, as the ALTER TABLE's lock does"
    assert found["conflicts"] == {}


@pytest.fixture
def empty(server: Server) -> Iterator[str]:
    name = new_name("test")
    create_database(server, name)
    yield name
    drop_database(server, name)


@pytest.mark.parametrize("name", ["long-reader", "idle-in-transaction", "bulk-write"])
def test_a_database_without_tables_has_no_hazard(server: Server, empty: str, name: HazardName) -> None:
    with pytest.raises(NotThereError, match="no table"), hazard(name).around(server, empty):
        pass
