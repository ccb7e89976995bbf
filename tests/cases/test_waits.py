"""Who would wait: tried from wherever a lock can be met, told or unknown, and never by waiting ourselves."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from rich.console import Console
from tracing import read_plain

from bench.model.run import MigrationRun, Run
from bench.model.statement import StatementRun
from bench.observe import probe
from bench.observe.probe import Prober
from bench.observe.relations import RelationCatalog
from bench.pg.server import Server
from bench.report.tracetext import print_trace
from bench.run.trace import trace

INPUTS = Path(__file__).parent / "inputs"
Rehearse = Callable[..., Run]


def traced(server: Server, script: Path, schema: Path) -> MigrationRun:
    (run,) = trace(server, read_plain([script]), before=[schema])
    return run


def waiting(statement: StatementRun) -> set[tuple[str, str]]:
    """Relation and command of what would wait; fails where that is not known."""
    assert statement.blocks is not None
    return {(block.relation.removeprefix("public."), block.op) for block in statement.blocks}


@contextmanager
def role_setting(server: Server, name: str, value: str) -> Iterator[None]:
    """Of the role that everything here runs as."""
    setting = sql.Identifier(name)
    with server.connect() as conn:
        conn.execute(sql.SQL("ALTER ROLE CURRENT_USER SET {} = {}").format(setting, sql.Literal(value)))
    try:
        yield
    finally:
        with server.connect() as conn:
            conn.execute(sql.SQL("ALTER ROLE CURRENT_USER RESET {}").format(setting))


def test_trace_01_alter_index_ends_the_trace(server: Server) -> None:
    case = INPUTS / "trace" / "01-alter-index-ends-the-trace"
    run = traced(server, case / "m.sql", case / "schema.sql")
    assert run.outcome == "applied", run.error
    _, rename, storage, attach, _ = run.statements
    locks = {(lock.relation, lock.mode.sql_name) for lock in rename.locks}
    assert locks == {("public.parcel_code", "SHARE UPDATE EXCLUSIVE")}
    assert (waiting(rename), waiting(storage)) == (set(), set())
    assert ("public.reading_2026_v", "ACCESS EXCLUSIVE") in {
        (lock.relation, lock.mode.sql_name) for lock in attach.locks
    }
    assert {relation for relation, _ in waiting(attach)} == {"reading", "reading_2026"}


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT SELECT ON parent TO PUBLIC",
        "ALTER INDEX parent_pkey SET (fillfactor = 70)",
        "ALTER TABLE child ALTER COLUMN note SET STORAGE EXTERNAL",
        "COMMENT ON TABLE parent IS 'x'",
        "ALTER TABLE child OWNER TO CURRENT_USER",
        "CREATE INDEX ON child (parent_id)",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 50', current_database()); END $$",
        "LOCK TABLE pg_catalog.pg_class IN SHARE ROW EXCLUSIVE MODE",
    ],
)
def test_what_watches_waits_for_no_entry_of_the_catalog(
    server: Server, tmp_path: Path, statement: str
) -> None:
    """The statement's transaction stays open while other things are locked and tried."""
    (tmp_path / "schema.sql").write_text(
        "CREATE TABLE parent (id int PRIMARY KEY, note text);"
        "CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent, note text);"
        "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1);"
    )
    (tmp_path / "m.sql").write_text(
        f"BEGIN; LOCK TABLE child IN SHARE MODE; {statement}; LOCK TABLE parent IN SHARE MODE; COMMIT;"
    )
    run = traced(server, tmp_path / "m.sql", tmp_path / "schema.sql")
    assert run.outcome == "applied", run.error
    assert waiting(run.statements[3]) >= {("child", "INSERT"), ("parent", "UPDATE")}


def test_a_locked_catalog_leaves_it_unknown_who_waits(server: Server, tmp_path: Path) -> None:
    (tmp_path / "schema.sql").write_text("CREATE TABLE parent (id int PRIMARY KEY);")
    (tmp_path / "m.sql").write_text(
        "BEGIN; LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE; ALTER TABLE parent ADD w text; COMMIT;"
        "ALTER TABLE parent ADD v text;"
    )
    run = traced(server, tmp_path / "m.sql", tmp_path / "schema.sql")
    assert run.outcome == "applied", run.error
    assert [each.blocks for each in run.statements[1:3]] == [None, None]
    console = Console(file=io.StringIO(), record=True, width=200)
    print_trace([run], console)
    assert console.export_text().count("who would wait is not known") == 2
    assert ("parent", "SELECT") in waiting(run.statements[4])


def test_faults_08_idle_in_transaction_timeout_turns_waits_into_none(server: Server, tmp_path: Path) -> None:
    (tmp_path / "schema.sql").write_text(
        "".join(f"CREATE TABLE t{n} (id int PRIMARY KEY, up int REFERENCES t0);" for n in range(20)).replace(
            "t0 (id int PRIMARY KEY, up int REFERENCES t0)", "t0 (id int PRIMARY KEY)"
        )
    )
    (tmp_path / "m.sql").write_text(
        "BEGIN; ALTER TABLE t0 ADD COLUMN v text; ALTER TABLE t1 ADD COLUMN v text; COMMIT;"
        "SET idle_in_transaction_session_timeout = '20ms'; ALTER TABLE t2 ADD COLUMN v text;"
    )
    with role_setting(server, "idle_in_transaction_session_timeout", "20ms"):
        run = traced(server, tmp_path / "m.sql", tmp_path / "schema.sql")
    assert run.outcome == "applied", run.error
    assert ("t19", "INSERT") in waiting(run.statements[1])
    assert ("t1", "SELECT") in waiting(run.statements[2])
    assert ("t2", "SELECT") in waiting(run.statements[5])


def test_faults_09_more_than_300_tables_some_never_tried_no_word(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small limit in place of 300."""
    monkeypatch.setattr(probe, "MAX_TABLES", 10)
    schema = "".join(f"CREATE TABLE t{n} (id int); " for n in range(30))
    schema += "CREATE VIEW v AS TABLE t29; ALTER TABLE t29 ADD PRIMARY KEY (id);"
    (tmp_path / "schema.sql").write_text(schema)
    (tmp_path / "m.sql").write_text(
        "ALTER TABLE t29 ADD COLUMN w text;"
        "DO $$ BEGIN FOR i IN 0..28 LOOP EXECUTE format('LOCK TABLE t%s', i); END LOOP; END $$;"
    )
    run = traced(server, tmp_path / "m.sql", tmp_path / "schema.sql")
    named, any_of_them = run.statements
    assert waiting(named) >= {("t29", "SELECT"), ("t29", "INSERT"), ("v", "SELECT")}
    assert named.untried == ()
    tried = {relation for relation, op in waiting(any_of_them) if op == "INSERT"}
    untried = {name.removeprefix("public.") for name in any_of_them.untried}
    assert len(untried) == 20
    assert tried | untried == {f"t{n}" for n in range(29)}


def test_directories_42_slow_with_hundreds_of_files(
    server: Server, database: str, connect: Callable[..., psycopg.Connection[tuple[object, ...]]]
) -> None:
    """What is tried grows with what a lock reaches, not with the schema."""
    conn = connect()
    conn.execute("CREATE TABLE t0 (id bigint PRIMARY KEY)")
    for n in range(1, 40):
        conn.execute(f"CREATE TABLE t{n} (id bigint PRIMARY KEY, up bigint REFERENCES t{n - 1})")  # type: ignore[arg-type]
    prober = Prober(lambda: server.connect(database))
    try:
        catalog = RelationCatalog.read(conn)
        prober.learn(catalog)
        conn.execute("BEGIN")
        conn.execute("ALTER TABLE t20 ADD COLUMN note text")
        (oid,) = conn.execute("SELECT 't20'::regclass::oid").fetchone() or (0,)
        tried = prober.probe(conn.info.backend_pid, {int(str(oid))})
        conn.execute("ROLLBACK")
    finally:
        prober.close()
    assert {block.relation for block in tried.blocks} == {"public.t19", "public.t20", "public.t21"}
    assert prober.commands_sent == 15


def test_real_suite_20_who_would_wait_on_all_rows(rehearse_case: Rehearse) -> None:
    run = rehearse_case("real-suite/20-who-would-wait-on-all-rows", "m", probe=True)
    update = run.passes[0].repeats[0].migrations[0].statements[1]
    assert update.rows == 500
    assert any(note.subject == "waits of an application" for note in run.notes)
    assert update.blocks == ()  # no rows, so that none of them is locked
