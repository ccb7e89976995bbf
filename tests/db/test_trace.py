"""What a trace says of scripts, on a real server: locks, what is gone at the end, who waits and for what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fix_db import chosen_spec
from tracing import read_plain

from bench.model.run import MigrationRun
from bench.model.statement import StatementRun
from bench.observe import freeze
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.run.trace import trace, trace_settings

SCHEMA = """
CREATE TABLE parent (id serial PRIMARY KEY, name text NOT NULL CHECK (name <> ''), n int);
CREATE INDEX parent_n ON parent (n);
CREATE TABLE child (id serial PRIMARY KEY, parent_id int NOT NULL REFERENCES parent, note text);
CREATE TABLE lone (id int, code varchar(10));
CREATE INDEX lone_code ON lone (code);
CREATE VIEW both_of_them AS SELECT p.id, c.note FROM parent p JOIN child c ON c.parent_id = p.id;
INSERT INTO parent (name, n) SELECT 'p' || g, g FROM generate_series(1, 50) g;
INSERT INTO child (parent_id) SELECT 1 + g % 50 FROM generate_series(1, 300) g;
INSERT INTO lone SELECT g, 'c' || g FROM generate_series(1, 10) g;
CREATE PROCEDURE in_batches() LANGUAGE plpgsql AS $$
BEGIN FOR i IN 0..2 LOOP UPDATE child SET note = 'x' WHERE id % 3 = i; COMMIT; END LOOP; END $$;
"""

Trace = Callable[..., MigrationRun]


@pytest.fixture
def traced(server: Server, tmp_path: Path) -> Trace:
    """Trace a script on the schema above."""

    def run(script: str, *, schema: str = SCHEMA, probe: bool = False) -> MigrationRun:
        (tmp_path / "schema.sql").write_text(schema)
        (tmp_path / "script.sql").write_text(script)
        scripts = read_plain([tmp_path / "script.sql"])
        (found,) = trace(server, scripts, before=[tmp_path / "schema.sql"], probe=probe)
        return found

    return run


def locks(statement: StatementRun, *, new: bool = False) -> set[tuple[str, str, str]]:
    """Relation, mode and source of the locks on what was there before, TOAST left out."""
    return {
        (lock.relation.removeprefix("public."), lock.mode.sql_name, lock.source)
        for lock in statement.locks
        if lock.new is new and not lock.relation.startswith("pg_toast.")
    }


def waits(statement: StatementRun) -> set[tuple[str, str, str, str]]:
    """Relation, command, what it waits on, and the kind of the lock."""
    return {
        (
            block.relation.removeprefix("public."),
            block.op,
            block.waits_on.removeprefix("public."),
            block.wait_kind,
        )
        for block in statement.blocks
    }


def only(run: MigrationRun) -> StatementRun:
    assert run.outcome == "applied", run.error
    (statement,) = run.statements
    return statement


def test_a_lock_is_exact_and_named_as_before(traced: Trace) -> None:
    run = traced("ALTER TABLE lone RENAME TO other; ALTER TABLE other ADD COLUMN x int;")
    assert [locks(each) for each in run.statements] == [{("lone", "ACCESS EXCLUSIVE", "exact")}] * 2


def test_what_the_script_made_is_new(traced: Trace) -> None:
    run = traced("CREATE TABLE made (id int PRIMARY KEY, parent_id int REFERENCES parent);")
    assert {("made", "ACCESS EXCLUSIVE", "exact"), ("made_pkey", "ACCESS EXCLUSIVE", "exact")} <= locks(
        only(run), new=True
    )
    assert ("parent", "SHARE ROW EXCLUSIVE", "exact") in locks(only(run))


def test_rewrites_scans_and_rebuilt_indexes(traced: Trace) -> None:
    statement = only(traced("ALTER TABLE parent ALTER COLUMN n TYPE bigint;"))
    assert {(each.relation, each.target) for each in statement.rewrites if "toast" not in each.relation} == {
        ("public.parent", "table"),
        ("public.parent_n", "index"),
        ("public.parent_pkey", "index"),
    }
    assert [(each.relation, each.rows, each.passes) for each in statement.validations] == [
        ("public.parent", 150, 3.0)
    ]


def test_an_index_that_keeps_its_file_is_not_rebuilt_and_stays_known(traced: Trace) -> None:
    run = traced("ALTER TABLE lone ALTER COLUMN code TYPE text; UPDATE lone SET id = 0;")
    assert run.statements[0].rewrites == ()
    assert ("lone_code", "ROW EXCLUSIVE", "exact") in locks(run.statements[1])


def test_an_index_dropped_and_made_again_later_is_new(traced: Trace) -> None:
    run = traced("DROP INDEX lone_code; CREATE INDEX lone_code ON lone (id);")
    assert run.statements[1].rewrites == ()
    assert ("lone_code", "ACCESS EXCLUSIVE", "exact") in locks(run.statements[1], new=True)


@pytest.mark.parametrize("script", ["TRUNCATE lone", "DO $$ BEGIN TRUNCATE lone; END $$"])
def test_an_emptied_table_is_not_rewritten(traced: Trace, script: str) -> None:
    statement = only(traced(script))
    assert statement.truncated == ("public.lone",)
    assert statement.rewrites == ()


def test_a_rewrite_that_was_rolled_back_is_not_told_again(traced: Trace) -> None:
    run = traced(
        "BEGIN; ALTER TABLE parent ALTER COLUMN n TYPE bigint; ROLLBACK; ALTER TABLE parent ADD COLUMN x int;"
    )
    assert run.statements[1].rewrites
    assert run.statements[3].rewrites == ()


def test_going_back_to_a_savepoint_rewrites_nothing(traced: Trace) -> None:
    run = traced(
        "BEGIN; SAVEPOINT s; ALTER TABLE parent ALTER COLUMN n TYPE bigint; ROLLBACK TO s; "
        "ALTER TABLE parent ADD COLUMN x int; COMMIT;"
    )
    assert run.outcome == "applied"
    assert [bool(each.rewrites) for each in run.statements] == [False, False, True, False, False, False]


def test_foreign_keys_and_views_carry_a_lock_to_others(traced: Trace) -> None:
    found = waits(only(traced("ALTER TABLE parent ADD COLUMN x int DEFAULT 1;", probe=True)))
    assert found == {
        *{("parent", op, "parent", "relation") for op in ("SELECT", "SELECT FOR UPDATE")},
        *{("parent", op, "parent", "relation") for op in ("INSERT", "UPDATE", "DELETE")},
        ("child", "INSERT", "parent", "relation"),
        ("both_of_them", "SELECT", "parent", "relation"),
    }


def test_deleting_a_parent_waits_for_its_child(traced: Trace) -> None:
    found = waits(only(traced("ALTER TABLE child ADD COLUMN x int;", probe=True)))
    assert ("parent", "DELETE", "child", "relation") in found
    assert ("parent", "UPDATE", "child", "relation") not in found


def test_deleting_from_an_empty_parent_waits_too(traced: Trace) -> None:
    schema = """
        CREATE TABLE grandparent (id int PRIMARY KEY);
        CREATE TABLE parent (id int PRIMARY KEY, grandparent_id int NOT NULL REFERENCES grandparent);
        CREATE TABLE child (parent_id int REFERENCES parent);
    """
    found = waits(only(traced("ALTER TABLE child ADD COLUMN x int;", schema=schema, probe=True)))
    assert ("parent", "DELETE", "child", "relation") in found


def test_a_read_waits_for_an_index_alone(traced: Trace) -> None:
    found = waits(only(traced("REINDEX INDEX parent_n;", probe=True)))
    assert ("parent", "SELECT", "parent_n", "relation") in found
    assert ("both_of_them", "SELECT", "parent_n", "relation") in found


def test_changed_rows_make_others_wait(traced: Trace) -> None:
    statement = only(traced("UPDATE child SET note = 'y' WHERE id = 250;", probe=True))
    assert waits(statement) == {
        ("child", op, "child", "transactionid") for op in ("SELECT FOR UPDATE", "UPDATE", "DELETE")
    }
    assert [(each.relation, each.updated) for each in statement.row_changes] == [("public.child", 1)]


def test_a_weak_lock_makes_nobody_wait(traced: Trace) -> None:
    assert only(traced("COMMENT ON TABLE parent IS 'x'; ", probe=True)).blocks == ()
    assert only(traced("INSERT INTO lone VALUES (1000);", probe=True)).blocks == ()


def test_what_is_tried_is_rolled_back(traced: Trace) -> None:
    run = traced(
        "ALTER TABLE lone ADD COLUMN x int; ALTER TABLE child ADD COLUMN x int; DO $$ BEGIN "
        "ASSERT (SELECT count(*) FROM lone) = 10; ASSERT (SELECT count(*) FROM child) = 300; END $$;",
        probe=True,
    )
    assert run.outcome == "applied", run.error


def test_waits_last_until_the_commit_of_the_file(traced: Trace) -> None:
    run = traced("BEGIN; LOCK TABLE lone IN SHARE MODE; SELECT 1; COMMIT; SELECT 1;", probe=True)
    writes = {("lone", op, "lone", "relation") for op in ("INSERT", "UPDATE", "DELETE")}
    assert [waits(each) for each in run.statements] == [set(), writes, writes, set(), set()]


def test_concurrently_is_stopped_half_way(traced: Trace) -> None:
    statement = only(traced("CREATE INDEX CONCURRENTLY made ON parent (name);"))
    assert statement.transaction == "none"
    assert locks(statement) == {("parent", "SHARE UPDATE EXCLUSIVE", "frozen")}
    assert ("made", "ROW EXCLUSIVE", "frozen") in locks(statement, new=True)
    assert [(each.relation, each.passes) for each in statement.validations] == [("public.parent", 2.0)]


def test_vacuum_is_stopped_half_way(traced: Trace) -> None:
    assert {
        ("parent", "SHARE UPDATE EXCLUSIVE", "frozen"),
        ("parent_n", "ROW EXCLUSIVE", "frozen"),
        ("parent_pkey", "ROW EXCLUSIVE", "frozen"),
    } <= locks(only(traced("VACUUM parent;")))


def test_an_exception_block_takes_its_locks_back(traced: Trace) -> None:
    script = """DO $$ BEGIN
        BEGIN ALTER TABLE lone ADD COLUMN x int; RAISE EXCEPTION 'no'; EXCEPTION WHEN others THEN NULL; END;
    END $$;"""
    assert locks(only(traced(script))) == {("lone", "ACCESS EXCLUSIVE", "frozen")}


@pytest.mark.parametrize("statement", ["SELECT tries();", "INSERT INTO child (parent_id) VALUES (1);"])
def test_so_does_one_in_a_function_and_in_a_trigger(traced: Trace, statement: str) -> None:
    body = """BEGIN
        BEGIN ALTER TABLE lone ADD COLUMN x int; RAISE EXCEPTION 'no'; EXCEPTION WHEN others THEN NULL; END;
        RETURN NULL;
    END"""
    run = traced(
        f"CREATE FUNCTION tries() RETURNS int LANGUAGE plpgsql AS $${body}$$;"
        f"CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS $${body}$$;"
        f"CREATE TRIGGER t AFTER INSERT ON child EXECUTE FUNCTION fires(); {statement}"
    )
    assert run.outcome == "applied", run.error
    assert ("lone", "ACCESS EXCLUSIVE", "frozen") in locks(run.statements[-1])


@pytest.mark.parametrize("frame", ["{}", "BEGIN; UPDATE lone SET id = 0; {} COMMIT;"])
def test_an_error_takes_the_locks_with_it(traced: Trace, frame: str) -> None:
    run = traced(frame.format("ALTER TABLE child ALTER COLUMN note SET NOT NULL;"))
    failed = next(each for each in run.statements if each.outcome == "failed")
    assert failed.error is not None
    assert failed.error.sqlstate == "23502"
    assert ("child", "ACCESS EXCLUSIVE", "frozen") in locks(failed)


def test_without_gates_these_locks_are_not_seen(traced: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above would pass for nothing if samples alone saw the same."""
    monkeypatch.setattr(freeze, "CATALOGS", ())
    monkeypatch.setattr(freeze, "MAX_TABLES", 0)
    sources = {
        source for _, _, source in locks(only(traced("CREATE INDEX CONCURRENTLY made ON parent (name);")))
    }
    assert "exact" not in sources
    run = traced("ALTER TABLE child ALTER COLUMN note SET NOT NULL;")
    assert ("child", "ACCESS EXCLUSIVE", "exact") not in locks(run.statements[0])


def test_a_procedure_that_commits(traced: Trace) -> None:
    statement = only(traced("CALL in_batches();"))
    assert statement.transaction == "none"
    assert ("child", "ROW EXCLUSIVE", "frozen") in locks(statement)
    assert [(each.relation, each.updated) for each in statement.row_changes] == [("public.child", 300)]


ALL = ("SELECT", "SELECT FOR UPDATE", "INSERT", "UPDATE", "DELETE")


def test_who_waits_for_a_statement_that_commits_inside(traced: Trace) -> None:
    statement = only(traced("VACUUM FULL parent;", probe=True))
    assert statement.transaction == "none"
    assert waits(statement) == {
        *(("parent", op, "parent", "relation") for op in ALL),
        ("child", "INSERT", "parent", "relation"),
        ("both_of_them", "SELECT", "parent", "relation"),
    }
    assert only(traced("CREATE INDEX CONCURRENTLY made ON parent (name);", probe=True)).blocks == ()


def test_who_waits_for_each_transaction_of_a_procedure(traced: Trace) -> None:
    procedure = """CREATE PROCEDURE alters() LANGUAGE plpgsql AS $$ BEGIN
        ALTER TABLE lone ADD COLUMN x int; COMMIT; CREATE INDEX ON child (note); COMMIT;
    END $$;"""
    statement = only(traced("CALL alters();", schema=SCHEMA + procedure, probe=True))
    found = waits(statement)
    assert {("lone", op, "lone", "relation") for op in ALL} <= found
    assert {("child", op, "child", "relation") for op in ("INSERT", "UPDATE", "DELETE")} <= found
    assert ("child", "SELECT", "child", "relation") not in found


def test_a_read_waits_for_an_index_that_is_built_again_in_transactions_of_its_own(traced: Trace) -> None:
    schema = """CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
    CREATE TABLE only_part PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2030-01-01');
    CREATE INDEX parted_at ON parted (at);"""
    statement = only(traced("REINDEX INDEX parted_at;", schema=schema, probe=True))
    assert statement.transaction == "none"
    assert ("only_part", "SELECT", "only_part_at_idx", "relation") in waits(statement)
    assert ("only_part", "INSERT", "only_part", "relation") in waits(statement)
    online = only(traced("REINDEX INDEX CONCURRENTLY parted_at;", schema=schema, probe=True))
    assert online.blocks == ()


def test_advisory_locks_and_the_timeout_in_force(traced: Trace) -> None:
    run = traced(
        "SET lock_timeout = '2s'; SELECT pg_advisory_lock(42), pg_advisory_lock(1, 2); TRUNCATE lone;"
    )
    assert {(each.key, each.mode) for each in run.statements[1].advisory} == {
        ("42", "ExclusiveLock"),
        ("1, 2", "ExclusiveLock"),
    }
    assert (run.statements[2].lock_timeout_s, run.statements[2].lock_timeout_source) == (2.0, "session")
    assert run.statements[2].advisory == run.statements[1].advisory  # until the session ends


def test_no_timeout_is_0(traced: Trace) -> None:
    assert only(traced("TRUNCATE lone;")).lock_timeout_s == 0.0


def test_lock_entries_are_counted(traced: Trace) -> None:
    made = "".join(f"CREATE TABLE made_{number} (id int);" for number in range(20))
    run = traced(f"BEGIN; {made} COMMIT;")
    counts: Sequence[int] = [each.lock_count or 0 for each in run.statements[1:-1]]
    assert counts[-1] - counts[0] >= 19


def test_nothing_is_left(traced: Trace, server: Server) -> None:
    traced(
        "CREATE INDEX CONCURRENTLY made ON parent (name); ALTER TABLE nowhere ADD COLUMN x int;", probe=True
    )
    with server.connect() as conn:
        left = conn.execute("SELECT datname FROM pg_database WHERE datname LIKE 'bench\\_trace%'").fetchall()
    assert left == []


def test_scripts_follow_each_other_and_stop_at_a_failure(server: Server, tmp_path: Path) -> None:
    for name, text in (("1", "CREATE TABLE a (id int);"), ("2", "DROP TABLE b;"), ("3", "DROP TABLE a;")):
        (tmp_path / f"{name}.sql").write_text(text)
    scripts = read_plain([tmp_path / f"{number}.sql" for number in (1, 2, 3)])
    assert [run.outcome for run in trace(server, scripts)] == ["applied", "failed", "skipped"]


def test_that_we_let_a_commit_go_on_is_no_warning_of_the_server(tmp_path: Path) -> None:
    """Only a server that is started for a trace makes commits wait."""
    (tmp_path / "m.sql").write_text("CREATE TABLE made (id int); VACUUM FULL made;")
    spec = replace(chosen_spec(), settings=trace_settings())
    with open_server(spec) as opened:
        (run,) = trace(opened, read_plain([tmp_path / "m.sql"]), probe=False)
    assert run.outcome == "applied"
    assert [statement.notices for statement in run.statements] == [(), ()]
