"""The solo pass on a real server: what it applies, what it sees, and that it ends as psql would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.migrate.suite import find_suite
from bench.model.lock import LockMode
from bench.model.run import MigrationRun, Run
from bench.model.statement import StatementRun
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse

BASE = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, total int);
CREATE INDEX orders_total ON orders (total);
INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 100) AS i;
INSERT INTO orders SELECT i, 1 + i % 100, i FROM generate_series(1, 20000) AS i;
"""

Rehearse = Callable[..., Run]


@pytest.fixture
def rehearsal(server: Server, tmp_path: Path) -> Rehearse:
    """Rehearse files given as text on the base above; every state that was saved is in ``saved``."""

    def run(*files: str, base: str = BASE, repeats: int = 1, saved: list[Run] | None = None) -> Run:
        (tmp_path / "base.sql").write_text(base)
        for number, text in enumerate(files, start=1):
            (tmp_path / f"{number:03}_step.sql").write_text(text)
        states: list[Run] = [] if saved is None else saved
        return rehearse(
            server,
            find_suite(str(tmp_path)),
            RunOptions(repeats=repeats, explain=False),
            run_id="test",
            save=states.append,
            progress=silent,
        )

    return run


def first(run: Run) -> MigrationRun:
    return run.passes[0].repeats[0].migrations[0]


def modes(statement: StatementRun, relation: str) -> set[LockMode]:
    return {lock.mode for lock in statement.locks if lock.relation == relation}


def test_an_autocommitted_statement_shows_its_locks_and_counters(rehearsal: Rehearse) -> None:
    (added,) = first(rehearsal("ALTER TABLE orders ADD COLUMN note text;")).statements
    assert added.transaction == "own"
    assert added.outcome == "applied"
    (lock,) = [lock for lock in added.locks if lock.relation == "public.orders"]
    assert (lock.mode, lock.target, lock.new, lock.source) == (
        LockMode.ACCESS_EXCLUSIVE,
        "table",
        False,
        "exact",
    )
    assert lock.held_s_bounds is not None
    assert 0 <= lock.held_s_bounds[0] < lock.held_s_bounds[1]
    assert added.counters.wal_records is not None
    assert added.counters.wal_records > 0
    assert added.calibration_s is not None
    assert added.rewrites == ()


def test_a_lock_of_the_files_own_transaction_is_held_until_its_commit(rehearsal: Rehearse) -> None:
    run = first(
        rehearsal(
            "BEGIN;\nALTER TABLE orders ADD COLUMN note text;\nSELECT pg_sleep(0.2);\nCOMMIT;\nSELECT 1;\n"
        )
    )
    assert [s.transaction for s in run.statements] == ["file", "file", "file", "file", "own"]
    (lock,) = [lock for lock in run.statements[1].locks if lock.relation == "public.orders"]
    assert lock.held_s_bounds is not None
    assert lock.held_s_bounds[0] >= 0.2
    assert run.duration_s is not None
    assert lock.held_s_bounds[1] <= run.duration_s + 1e-6
    assert modes(run.statements[2], "public.orders") == set()


def test_the_foreign_key_locks_both_tables(rehearsal: Rehearse) -> None:
    (statement,) = first(
        rehearsal("ALTER TABLE orders ADD CONSTRAINT again FOREIGN KEY (customer_id) REFERENCES customers;")
    ).statements
    assert LockMode.SHARE_ROW_EXCLUSIVE in modes(statement, "public.orders")
    assert LockMode.SHARE_ROW_EXCLUSIVE in modes(statement, "public.customers")
    assert {v.relation: v.rows for v in statement.validations} == {
        "public.orders": 20000,
        "public.customers": 100,
    }


def test_a_rewrite_is_found_with_its_indexes_and_a_truncate_is_none(rehearsal: Rehearse) -> None:
    widened, added, truncated = first(
        rehearsal(
            "ALTER TABLE orders ALTER COLUMN total TYPE bigint;"
            "ALTER TABLE orders ADD COLUMN at timestamptz DEFAULT now();"
            "TRUNCATE orders;"
        )
    ).statements
    assert {rewrite.relation for rewrite in widened.rewrites} == {
        "public.orders",
        "public.orders_pkey",
        "public.orders_total",
    }
    assert added.rewrites == ()
    assert truncated.rewrites == ()


def test_scans_are_counted_with_their_passes(rehearsal: Rehearse) -> None:
    run = first(
        rehearsal(
            "CREATE INDEX CONCURRENTLY c ON orders (customer_id);"
            "CREATE INDEX d ON orders (id, total);"
            "ALTER TABLE orders ALTER COLUMN total TYPE bigint;"
            "BEGIN; ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL;"
            "SELECT count(*) FROM orders; COMMIT;"
        )
    )
    passes = [{v.relation: (v.rows, v.passes) for v in s.validations} for s in run.statements]
    assert passes[0] == {"public.orders": (40000, 2.0)}
    assert passes[1] == {"public.orders": (20000, 1.0)}
    assert passes[2] == {"public.orders": (100000, 5.0)}, "one to rewrite, one for each of four indexes"
    assert passes[4] == {"public.orders": (20000, 1.0)}
    assert passes[5] == {"public.orders": (20000, 1.0)}


def test_a_new_relation_is_told_apart(rehearsal: Rehearse) -> None:
    created, _ = first(rehearsal("CREATE TABLE fresh (id int); ALTER TABLE fresh ADD x int;")).statements
    assert {lock.new for lock in created.locks if lock.relation == "public.fresh"} == {True}


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX CONCURRENTLY i ON orders (customer_id, total, id)",
        "VACUUM orders",
        "DO $$ BEGIN PERFORM count(*) FROM orders; COMMIT; PERFORM count(*) FROM orders; END $$",
        "REINDEX TABLE CONCURRENTLY orders",
    ],
)
def test_what_refuses_a_transaction_runs_plain_and_is_sampled(rehearsal: Rehearse, text: str) -> None:
    run = first(rehearsal(text + ";"))
    (statement,) = run.statements
    assert run.outcome == "applied", run.error
    assert statement.transaction == "none"
    assert {lock.source for lock in statement.locks} <= {"sampled"}


def test_a_procedure_that_commits_runs_although_nothing_in_its_call_says_so(rehearsal: Rehearse) -> None:
    run = first(
        rehearsal(
            "CREATE PROCEDURE step() LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_sleep(0.4); UPDATE orders SET total = 0 WHERE id = 1; COMMIT; END $$; CALL step();"
        )
    )
    assert run.duration_s is not None
    assert 0.4 <= run.duration_s < 0.8, "it runs once"
    assert [s.transaction for s in run.statements] == ["own", "none"]
    assert run.outcome == "applied"


def test_locks_of_a_procedure_that_commits_are_not_taken_for_one(rehearsal: Rehearse) -> None:
    run = first(
        rehearsal(
            "CREATE PROCEDURE steps() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..8 LOOP"
            " LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; PERFORM pg_sleep(0.05); COMMIT;"
            " END LOOP; END $$; CALL steps();"
        )
    )
    (lock,) = [lock for lock in run.statements[1].locks if lock.relation == "public.orders"]
    assert lock.held_s_bounds is not None
    assert lock.held_s_bounds[0] <= 0.1
    assert lock.repeated is not None
    assert lock.repeated.count == len(lock.spells) == 8


def test_a_toasted_tables_locks_belong_to_the_table(rehearsal: Rehearse) -> None:
    (statement,) = first(
        rehearsal("ALTER TABLE customers ALTER COLUMN id TYPE bigint, ALTER COLUMN name SET NOT NULL;")
    ).statements
    toast = [lock for lock in statement.locks if lock.relation.startswith("pg_toast.")]
    assert toast
    assert {lock.table for lock in toast if not lock.new} == {"public.customers"}


def test_a_long_concurrent_build_is_seen_with_bounds(rehearsal: Rehearse) -> None:
    slow = (
        "CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN PERFORM pg_sleep(0.0001); RETURN $1; END $$;"
    )
    build = "CREATE INDEX CONCURRENTLY i ON customers (slow(id));"
    statement = first(rehearsal(slow + build)).statements[1]
    (lock,) = [lock for lock in statement.locks if lock.relation == "public.customers"]
    assert lock.mode == LockMode.SHARE_UPDATE_EXCLUSIVE
    assert lock.source == "sampled"
    assert lock.held_s_bounds is not None
    assert statement.duration_s is not None
    assert lock.held_s_bounds[0] <= lock.held_s_bounds[1] <= statement.duration_s + 1e-6


def test_a_failing_statement_stops_its_file_and_the_files_after_it(rehearsal: Rehearse) -> None:
    saved: list[Run] = []
    run = rehearsal(
        "ALTER TABLE orders ADD COLUMN a int;\n\nALTER TABLE orders\n  ADD CONSTRAINT c CHECK (totl > 0);"
        "SELECT 1;",
        "SELECT 2;",
        repeats=3,
        saved=saved,
    )
    (repeat,) = run.passes[0].repeats
    failed, not_reached = repeat.migrations
    assert failed.outcome == "failed"
    assert [s.outcome for s in failed.statements] == ["applied", "failed", "skipped"]
    assert failed.error is not None
    assert (failed.error.sqlstate, failed.error.line) == ("42703", 3)
    assert failed.statements[2].duration_s is None
    assert not_reached.outcome == "skipped"
    assert not_reached.duration_s is None
    assert saved[-1] == run


def test_the_servers_error_points_into_the_file(rehearsal: Rehearse) -> None:
    run = first(rehearsal("SELECT 1;\nSELECT 1,\n  -- é\n  2 + nosuch FROM orders;"))
    assert run.error is not None
    assert (run.error.sqlstate, run.error.line, run.error.column) == ("42703", 4, 7)


def test_a_syntax_error_fails_where_the_server_refuses_it(rehearsal: Rehearse) -> None:
    run = rehearsal("SELECT 1;", "SELECT 1;\nALTER tabel orders ADD x int;")
    measured, failed = run.passes[0].repeats[0].migrations
    assert (measured.outcome, failed.outcome) == ("applied", "failed")
    assert failed.error is not None
    assert (failed.error.sqlstate, failed.error.line, failed.error.column) == ("42601", 2, 7)


def test_a_deferred_constraint_fails_with_its_own_statement(rehearsal: Rehearse) -> None:
    run = first(
        rehearsal(
            "ALTER TABLE orders ADD CONSTRAINT d FOREIGN KEY (total) REFERENCES customers"
            " DEFERRABLE INITIALLY DEFERRED NOT VALID; INSERT INTO orders VALUES (0, 1, -5); SELECT 1;"
        )
    )
    assert [s.outcome for s in run.statements] == ["applied", "failed", "skipped"]
    assert run.error is not None
    assert run.error.sqlstate == "23503"


def test_a_file_that_ends_inside_a_transaction_has_failed(rehearsal: Rehearse) -> None:
    run = first(rehearsal("BEGIN;\nALTER TABLE orders ADD COLUMN a int;\n"))
    assert run.outcome == "failed"
    assert run.error is not None
    assert "rolled" in run.error.message


def test_nothing_of_ours_comes_before_set_transaction(rehearsal: Rehearse) -> None:
    run = first(
        rehearsal("BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM orders; COMMIT;")
    )
    assert run.outcome == "applied", run.error


def test_outside_a_transaction_lock_table_fails_as_it_does_in_psql(rehearsal: Rehearse) -> None:
    run = first(rehearsal("LOCK TABLE orders;"))
    assert run.error is not None
    assert run.error.sqlstate == "25P01"


def test_rows_after_copy_are_loaded(rehearsal: Rehearse) -> None:
    run = first(
        rehearsal(
            "COPY customers (id, name) FROM stdin;\n901\tä\n902\tb\n\\.\n"
            "SELECT id FROM customers WHERE id > 900 AND name IN ('ä', 'b');\n"
        )
    )
    assert [statement.rows for statement in run.statements] == [2, 2]


def test_an_error_in_a_row_of_copy_points_at_the_row(rehearsal: Rehearse) -> None:
    run = first(rehearsal("SELECT 1;\nCOPY customers\n (id, name) FROM stdin;\n901\ta\nx\tb\n\\.\n"))
    assert run.error is not None
    assert (run.error.sqlstate, run.error.line) == ("22P02", 5)


def test_a_role_that_a_migration_makes_is_not_in_the_way_of_the_next_repeat(
    rehearsal: Rehearse, server: Server
) -> None:
    run = rehearsal(
        "CREATE ROLE rehearsed_reader; GRANT SELECT ON orders TO rehearsed_reader;"
        "GRANT CREATE ON TABLESPACE pg_default TO rehearsed_reader;",
        repeats=2,
    )
    assert [repeat.migrations[0].outcome for repeat in run.passes[0].repeats] == ["applied", "applied"]
    with server.connect() as conn:
        assert conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'rehearsed_reader'").fetchone() is None


def test_the_tables_that_the_base_filled_are_counted(rehearsal: Rehearse) -> None:
    dataset = rehearsal("SELECT 1;").dataset
    assert dataset is not None
    assert dataset.seed is None
    assert {table.name: table.rows for table in dataset.tables} == {
        "public.customers": 100,
        "public.orders": 20000,
    }


def test_every_repeat_starts_from_the_same_state(rehearsal: Rehearse) -> None:
    run = rehearsal("ALTER TABLE orders ADD COLUMN a int; UPDATE orders SET total = total + 1;", repeats=3)
    repeats = run.passes[0].repeats
    assert [repeat.index for repeat in repeats] == [0, 1, 2]
    updates = [repeat.migrations[0].statements[1] for repeat in repeats]
    assert {update.rows for update in updates} == {20000}
    assert len({update.counters.wal_records for update in updates}) == 1


def test_nothing_is_left_on_the_server(rehearsal: Rehearse, server: Server) -> None:
    rehearsal("SELECT 1;")
    with server.connect() as conn:
        left = conn.execute("SELECT datname FROM pg_database WHERE datname LIKE 'bench\\_%'").fetchall()
    assert left == []


def test_the_sampler_tells_its_period(rehearsal: Rehearse) -> None:
    sampler = rehearsal("SELECT pg_sleep(0.2);").passes[0].repeats[0].sampler
    assert sampler is not None
    assert sampler.samples > 5
    assert sampler.gap_p99_s is not None
