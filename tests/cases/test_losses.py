"""Rows, columns and objects that go, and IF NOT EXISTS over something else, are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from bench.model.finding import Finding
from bench.model.run import Run
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server


def coded(findings: Iterable[Finding], *codes: str) -> list[Finding]:
    return [each for each in findings if each.code in codes]


def test_reports_95_drop_and_delete_of_all_rows(rehearse_case: Callable[..., Run]) -> None:
    run = rehearse_case("reports/95-drop-and-delete-of-all-rows")
    table, rows, column = coded(run.findings, "rows-gone", "columns-gone")
    assert list(run.findings)[:3] == [table, rows, column], "before any other difference"
    assert {each.severity for each in (table, column, rows)} == {"warning"}
    assert "DROP TABLE drops public.invoice_archive with its 40,000 rows" in table.message
    assert "drops public.invoice.pdf with its values in 40,000 rows" in column.message
    assert "DELETE deletes all 40,000 rows of public.invoice" in rows.message
    assert run.verdict is not None
    assert run.verdict.status == "conditional"


def test_reports_11_drop_column_cascade_takes_views(rehearse_case: Callable[..., Run]) -> None:
    run = rehearse_case("reports/11-drop-column-cascade-takes-views")
    (cascade,) = coded(run.findings, "cascade")
    assert cascade.severity == "warning"
    assert cascade.evidence["objects"] == ["view public.person_card", "view public.person_list"]
    assert cascade.sentence.startswith("001_split.sql:3: ")
    (column,) = coded(run.findings, "columns-gone")
    assert "public.person.name with its values in 10,000 rows" in column.message


def test_reports_75_drop_column_cascade_takes_a_policy(rehearse_case: Callable[..., Run]) -> None:
    run = rehearse_case("reports/75-drop-column-cascade-takes-a-policy")
    (cascade,) = coded(run.findings, "cascade")
    assert cascade.severity == "error"
    assert cascade.evidence["objects"] == ["policy ent on public.supplier"]
    assert "row security of public.supplier stays on without a policy" in cascade.message


def test_reports_01_invalid_index_if_not_exists(rehearse_case: Callable[..., Run]) -> None:
    run = rehearse_case("reports/01-invalid-index-if-not-exists")
    (nothing,) = coded(run.findings, "did-nothing")
    assert nothing.severity == "error"
    assert "an INVALID index public.cohort_member_idx has the name, and it stays INVALID" in nothing.message
    assert "DROP INDEX CONCURRENTLY IF EXISTS public.cohort_member_idx;" in (nothing.sql or "")
    (invalid,) = coded(run.findings, "invalid-index")
    assert "was INVALID before the deploy and stays so" in invalid.message
    assert run.verdict is not None
    assert run.verdict.status == "not_ready"


def test_reports_98_if_not_exists_hides_drift(rehearse_case: Callable[..., Run]) -> None:
    run = rehearse_case("reports/98-if-not-exists-hides-drift")
    table, index, column = coded(run.findings, "did-nothing")
    assert {each.severity for each in (table, index, column)} == {"warning"}
    assert "column v is not there" in table.message
    assert "UNIQUE (k) is not there" in table.message
    assert "(id)" in index.message
    assert "(k)" in index.message
    assert "character varying(20)" in column.message


BASE = """\
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE owners (id int PRIMARY KEY, name text);
CREATE TABLE pets (id int PRIMARY KEY, owner_id int REFERENCES owners, kind text, state mood, gone int,
                   UNIQUE (owner_id, kind));
CREATE TABLE logs (at int, PRIMARY KEY (at)) PARTITION BY RANGE (at);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10);
CREATE TABLE swapped (id int PRIMARY KEY, v int);
CREATE TABLE empty_one (id int);
CREATE VIEW pets_list AS SELECT id, kind FROM pets;
CREATE FUNCTION says() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER says BEFORE UPDATE OF kind ON pets FOR EACH ROW EXECUTE FUNCTION says();
INSERT INTO owners SELECT i, 'o' FROM generate_series(1, 5) i;
INSERT INTO pets SELECT i, i, 'cat', 'good' FROM generate_series(1, 5) i;
INSERT INTO logs SELECT i FROM generate_series(0, 3) i;
INSERT INTO swapped SELECT i, i FROM generate_series(1, 7) i;
"""

GOES = """\
SET lock_timeout = '2s';
DROP TABLE owners CASCADE;
ALTER TABLE pets DROP COLUMN kind CASCADE;
DROP TYPE mood CASCADE;
DO $$ BEGIN DROP TABLE logs; DELETE FROM pets WHERE id > 3; END $$;
CREATE TABLE swapped_new (id int PRIMARY KEY, v bigint);
LOCK TABLE swapped IN SHARE MODE;
BEGIN;
LOCK TABLE swapped IN SHARE MODE;
INSERT INTO swapped_new SELECT * FROM swapped;
DROP TABLE swapped;
ALTER TABLE swapped_new RENAME TO swapped;
COMMIT;
DROP TABLE empty_one;
ALTER TABLE pets DROP COLUMN gone;
CREATE VIEW pets_list AS SELECT id FROM pets;
"""


@pytest.fixture
def going(rehearse_files: Callable[..., Run]) -> Run:
    return rehearse_files(
        {"001_goes.sql": GOES.replace("LOCK TABLE swapped IN SHARE MODE;\nBEGIN", "BEGIN")}, base=BASE
    )


def test_what_goes_is_told_with_the_statement_that_takes_it(going: Run) -> None:
    lines = {each.index: each.line for each in going.passes[0].repeats[0].migrations[0].statements}
    told = {
        (lines[each.statement], each.code, each.severity): each
        for each in coded(going.findings, "rows-gone", "columns-gone", "cascade")
        if each.statement is not None
    }
    assert set(told) == {
        (2, "rows-gone", "warning"),
        (2, "cascade", "warning"),
        (3, "columns-gone", "warning"),
        (3, "cascade", "warning"),
        (4, "columns-gone", "warning"),
        (4, "cascade", "warning"),
        (5, "rows-gone", "warning"),
        (10, "rows-gone", "info"),
    }
    assert told[2, "cascade", "warning"].evidence["objects"] == [
        "foreign key pets_owner_id_fkey on public.pets"
    ]
    assert told[3, "cascade", "warning"].evidence["objects"] == [
        "constraint pets_owner_id_kind_key on public.pets",
        "trigger says on public.pets",
    ]
    assert "public.pets.state with its values in 5 rows" in told[4, "columns-gone", "warning"].message
    messages = [each.message for each in coded(going.findings, "rows-gone")]
    assert any("drops public.logs with its 4 rows" in message for message in messages)
    assert any("deletes 2 of 5 rows of public.pets" in message for message in messages)


def test_rows_that_go_can_be_accepted(rehearse_files: Callable[..., Run]) -> None:
    accepted = "-- bench: accept rows-gone because they are kept elsewhere\nDELETE FROM kept;"
    run = rehearse_files({"001_goes.sql": accepted}, base="CREATE TABLE kept AS SELECT 1 AS a;")
    (rows,) = coded(run.findings, "rows-gone")
    assert rows.accepted == "they are kept elsewhere"


ATTACHED = """\
CREATE TABLE event (id int, at int, CHECK (id > 0)) PARTITION BY RANGE (at);
CREATE TABLE event_default PARTITION OF event DEFAULT;
CREATE TABLE event_1 (id int DEFAULT 1, at int, CONSTRAINT event_id_check CHECK (id > 0));
ALTER TABLE event ADD PRIMARY KEY (id, at);
ALTER TABLE event_1 ADD PRIMARY KEY (id, at);
CREATE FUNCTION says() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER says BEFORE UPDATE ON event_1 FOR EACH ROW EXECUTE FUNCTION says();
INSERT INTO event_1 SELECT i, 3 FROM generate_series(1, 40000) i;
INSERT INTO event SELECT i, 90 FROM generate_series(1, 50000) i;
"""


def test_a_table_that_is_attached_loses_nothing(rehearse_files: Callable[..., Run]) -> None:
    attach = "ALTER TABLE event ATTACH PARTITION event_1 FOR VALUES FROM (0) TO (10);\n"
    run = rehearse_files({"001_attach.sql": attach}, base=ATTACHED)
    assert run.gone == ()
    assert coded(run.findings, "columns-gone", "cascade") == []
    for scan in coded(run.findings, "scan-under-lock"):  # where it takes long enough to be told
        assert "40 k rows of public.event_1 and 50 k of public.event_default" in scan.message


def test_what_a_table_loses_after_it_was_attached_is_told(rehearse_files: Callable[..., Run]) -> None:
    attach = "ALTER TABLE event ATTACH PARTITION event_1 FOR VALUES FROM (0) TO (10);\n"
    drops = "DROP TRIGGER says ON event_1;\nALTER TABLE event DROP COLUMN id CASCADE;\n"
    run = rehearse_files({"001_attach.sql": attach, "002_drops.sql": drops}, base=ATTACHED)
    told = {(gone.kind, gone.name) for gone in run.gone}
    assert told >= {("trigger", "says"), ("column", "public.event.id"), ("column", "public.event_1.id")}
    assert ("column", "public.event_default.id") not in told, "a partition before: part of public.event"


DRIFT = """\
CREATE SCHEMA IF NOT EXISTS s;
CREATE TABLE IF NOT EXISTS same (id int PRIMARY KEY, v text NOT NULL DEFAULT 'a' CHECK (v <> ''));
DO $$ BEGIN CREATE SEQUENCE IF NOT EXISTS numbers INCREMENT 2; END $$;
BEGIN;
CREATE UNIQUE INDEX IF NOT EXISTS same_v ON same (v);
ALTER TABLE same ADD COLUMN IF NOT EXISTS w int, ADD COLUMN IF NOT EXISTS v varchar(9);
COMMIT;
CREATE MATERIALIZED VIEW IF NOT EXISTS seen AS SELECT 2 AS a;
CREATE INDEX IF NOT EXISTS seen_by ON same (id);
"""


def test_if_not_exists_is_compared_with_what_is_there(rehearse_files: Callable[..., Run]) -> None:
    base = """
        CREATE SCHEMA s;
        CREATE TABLE same (id int PRIMARY KEY, v text NOT NULL DEFAULT 'a' CHECK (v <> ''),
                           later int, UNIQUE (later));
        CREATE SEQUENCE numbers;
        CREATE INDEX same_v ON same (v);
        CREATE MATERIALIZED VIEW seen AS SELECT 1 AS a;
        CREATE TABLE seen_by (a int);
    """
    run = rehearse_files({"001_again.sql": DRIFT}, base=base)
    skips = {
        skip.name: (skip.kind, skip.same, skip.line or each.line)
        for each in run.passes[0].repeats[0].migrations[0].statements
        for skip in each.skips
    }
    assert skips == {
        "s": ("schema", True, 1),
        "public.same": ("table", True, 2),
        "public.numbers": ("sequence", False, 3),
        "public.same_v": ("index", False, 5),
        "public.same.v": ("column", False, 6),
        "public.seen": ("materialized view", False, 8),
        "public.seen_by": ("index", False, 9),
    }
    told = coded(run.findings, "did-nothing")
    assert [each.severity for each in told].count("warning") == 5
    (noted,) = (each for each in told if each.severity == "info")
    assert "s and public.same, which are there already, as wanted" in noted.message
    assert run.verdict is not None


def test_an_invalid_index_that_a_deploy_leaves_is_an_error(rehearse_files: Callable[..., Run]) -> None:
    files = {"001_unique.sql": "CREATE UNIQUE INDEX CONCURRENTLY one_each ON twice (a);"}
    run = rehearse_files(files, base="CREATE TABLE twice AS SELECT 1 AS a FROM generate_series(1, 2);")
    (left,) = coded(run.findings, "invalid-index")
    assert left.severity == "error"
    assert "public.one_each on public.twice is INVALID after the deploy" in left.message
    assert (left.sql or "").startswith("REINDEX INDEX CONCURRENTLY public.one_each;")


def test_rows_that_the_file_takes_back_are_not_gone(rehearse_files: Callable[..., Run]) -> None:
    files = {
        "001_back.sql": "BEGIN; DELETE FROM kept; ROLLBACK; BEGIN; DELETE FROM kept WHERE a = 1; COMMIT;",
        "002_fails.sql": "BEGIN; DELETE FROM kept; SELECT 1/0; COMMIT;",
    }
    run = rehearse_files(files, base="CREATE TABLE kept AS SELECT i AS a FROM generate_series(1, 3) i;")
    (rows,) = coded(run.findings, "rows-gone")
    assert (rows.migration, rows.evidence["rows"]) == ("001_back", 1)


def test_what_is_handed_out_against_losses_keeps_every_row(going: Run, server: Server) -> None:
    dbname = new_name("advice")
    create_database(server, dbname)
    try:
        with server.connect(dbname) as conn:
            conn.execute(BASE.encode())
            for finding in coded(going.findings, "rows-gone", "columns-gone"):
                if finding.sql is not None:
                    conn.execute(finding.sql.encode())
            kept = conn.execute(
                "SELECT (SELECT count(*) FROM owners_unused), (SELECT count(kind) FROM pets_kind_before),"
                " (SELECT count(state) FROM pets_state_before), (SELECT count(*) FROM logs_unused),"
                " (SELECT count(*) FROM pets_before), (SELECT count(*) FROM swapped_unused)"
            ).fetchone()
            conn.execute("CREATE INDEX broken ON pets (kind)")
            conn.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass")
            conn.execute("REINDEX INDEX CONCURRENTLY public.broken; -- outside a transaction")
            valid = conn.execute("SELECT bool_and(indisvalid) FROM pg_index").fetchone()
    finally:
        drop_database(server, dbname)
    assert kept == (5, 5, 5, 4, 5, 7)
    assert valid == (True,)
