"""Single requests of the application on a real server: what they are, and what is left of them."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from fix_db import Connect
from load_trials import fill_shop, load_of, rehearse_load, scripts_of

from bench.errors import UsageError
from bench.model.lock import LockMode
from bench.pg.server import Server
from bench.run.traffic.onepass import TrafficOptions
from bench.workload.compare import compare_requests
from bench.workload.draw import draw_parameters, taken_locks
from bench.workload.once import Answer, send_once
from bench.workload.parameters import to_wire
from bench.workload.spec import RequestClass, TrafficMix

Conn = psycopg.Connection[tuple[object, ...]]
SHORT = TrafficOptions(rate_per_s=80.0, arrivals="fixed", connections=4, warm_s=0.2, after_s=0.2, drain_s=3.0)


@pytest.fixture
def conn(connect: Connect) -> Conn:
    conn = connect()
    fill_shop(conn)
    conn.execute(
        "CREATE TABLE notes (id int PRIMARY KEY, parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
    )
    return conn


def write(*statements: str, **changes: object) -> RequestClass:
    return RequestClass("write", statements, ("public.parents",), "write", **changes)  # type: ignore[arg-type]


def answer(conn: Conn, *statements: str) -> Answer:
    return send_once(conn, to_wire(write(*statements), (), ()), {})


def test_a_request_leaves_nothing_and_has_the_rows_of_all_its_statements(
    conn: Conn,
) -> None:
    found = answer(
        conn, "BEGIN", "DELETE FROM others", "SELECT 1", "INSERT INTO notes VALUES (1, 1)", "COMMIT"
    )
    assert (found.rows, found.empty, found.sqlstate) == (1002, False, None)
    row = conn.execute("SELECT (SELECT count(*) FROM others), (SELECT count(*) FROM notes)").fetchone()
    assert row == (1000, 0)


def test_a_constraint_that_waits_for_the_commit_is_checked(
    conn: Conn,
) -> None:
    assert answer(conn, "INSERT INTO notes VALUES (1, 4711)").sqlstate == "23503"


@pytest.mark.parametrize(
    ("statement", "empty"),
    [
        ("SELECT count(*), sum(id) FROM notes", True),
        ("SELECT count(*) FROM others", False),
        ("SELECT id FROM notes", True),
        ("SELECT name FROM others LIMIT 1", False),
        ("UPDATE others SET name = name WHERE id < 0", True),
        ("UPDATE others SET name = name WHERE id < 3", False),
    ],
)
def test_an_answer_of_nothing_is_told_from_one_of_something(conn: Conn, statement: str, empty: bool) -> None:
    assert answer(conn, statement).empty is empty


def test_a_class_must_have_its_rows_before_any_migration(
    conn: Conn,
) -> None:
    mix = TrafficMix((write("DELETE FROM others WHERE id < 3", rows=3),), "workload.toml")
    with pytest.raises(UsageError, match="has 2 rows before any migration ran, and 3 rows expected"):
        draw_parameters(conn, mix, 1)


def test_rows_that_are_expected_are_looked_for_on_both_states(
    server: Server, conn: Conn, connect: Connect
) -> None:
    request = write("DELETE FROM others WHERE id < 3", min_rows=1)
    wires = draw_parameters(conn, TrafficMix((request,), "workload.toml"), 1)
    (same,) = compare_requests(conn, connect(), (request,), wires, 1)
    assert (same.before.unexpected, same.after.unexpected, same.expected) == (0, 0, "at least 1")
    assert (same.before.rows, same.steady, same.before.sent) == (10, True, 5)
    assert len(same.before.latency_s) == len(same.after.latency_s) == 5


def test_statements_of_one_transaction_are_done_together_or_not_at_all(
    server: Server, conn: Conn, database: str, tmp_path: Path
) -> None:
    """The second one fails since the migration; the first is undone with it."""
    conn.execute("CREATE TABLE log (id serial)")
    conn.execute("CREATE TABLE tally (n int NOT NULL)")
    request = write(
        "BEGIN", "INSERT INTO log DEFAULT VALUES", "INSERT INTO tally (n) VALUES (1)", "COMMIT", prepared=True
    )
    mix = TrafficMix((request,), "workload.toml")
    script = "BEGIN; TRUNCATE log, tally; ALTER TABLE tally ADD COLUMN other int NOT NULL; COMMIT;"
    scripts = scripts_of(tmp_path, script)
    workload = rehearse_load(server, database, scripts, SHORT, mix).workload
    assert workload is not None
    load = load_of(workload, "write")
    assert [(error.sqlstate, error.before) for error in load.errors] == [("23502", 0)]
    assert load.rows_before == 2.0
    row = conn.execute("SELECT (SELECT count(*) FROM log) = (SELECT count(*) FROM tally)").fetchone()
    assert row == (True,)


@pytest.mark.parametrize(("slow_calls", "is_slow"), [(10, False), (1000, True)])
def test_a_slow_moment_of_the_machine_is_looked_at_twice(
    slow_calls: int, is_slow: bool, conn: Conn, connect: Connect
) -> None:
    """Ten calls are the first round's; what is slow for a reason of its own is so in the second, too."""
    conn.execute(f"""
        CREATE FUNCTION moment() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
            IF to_regclass('pg_temp.calls') IS NOT NULL THEN
                PERFORM pg_sleep(CASE WHEN nextval('pg_temp.calls') <= {slow_calls} THEN 0.02 ELSE 0 END);
            END IF;
            RETURN 1;
        END $$""")
    new = connect()
    new.execute("CREATE TEMP SEQUENCE calls")
    request = write("SELECT moment()")
    wires = draw_parameters(conn, TrafficMix((request,), "workload.toml"), 1)
    (compared,) = compare_requests(conn, new, (request,), wires, 1)
    assert (min(compared.after.latency_s) >= 0.02) is is_slow


def test_the_locks_of_a_request_are_read_through_views_triggers_and_foreign_keys(
    connect: Connect,
) -> None:
    conn = connect()
    conn.execute(
        """
        CREATE TABLE firms (id int PRIMARY KEY);
        CREATE TABLE log (at timestamptz);
        CREATE TABLE orders (id int PRIMARY KEY, firm_id int REFERENCES firms DEFERRABLE INITIALLY DEFERRED);
        CREATE TABLE unrelated (id int);
        CREATE VIEW open_orders AS SELECT * FROM orders;
        CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO log VALUES (now()); RETURN new; END $$;
        CREATE TRIGGER noted AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION noted();
        INSERT INTO firms VALUES (1);
        """
    )
    wires = [
        to_wire(write(statement), (), ())
        for statement in ("SELECT * FROM open_orders", "INSERT INTO orders VALUES (1, 1)")
    ]
    reads, writes = (
        {(taken.relation, taken.mode) for taken in locks} for locks in taken_locks(conn, wires, 1)
    )
    assert reads == {
        ("public.open_orders", LockMode.ACCESS_SHARE), ("public.orders", LockMode.ACCESS_SHARE),
    }  # fmt: skip
    assert writes >= {
        ("public.orders", LockMode.ROW_EXCLUSIVE), ("public.log", LockMode.ROW_EXCLUSIVE),
        ("public.firms", LockMode.ROW_SHARE),
    }  # fmt: skip
    assert not any(relation == "public.unrelated" for relation, _ in reads | writes)
