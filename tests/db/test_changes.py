"""What a deploy leaves in another shape: each kind told, and what looks like it and is none, not told."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import PARTITIONED, Planted, told

from bench.model.finding import Finding
from bench.pg.server import Server

ROLE = "DO $$ BEGIN CREATE ROLE pgrehearse_app; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
GUARDED = """
GRANT SELECT, UPDATE (body) ON notes TO pgrehearse_app;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (id > 0);
ALTER TABLE notes ALTER body SET DEFAULT '', ALTER body SET NOT NULL;
ALTER TABLE notes ADD CHECK (id > 0);
CREATE INDEX notes_body ON notes (body);
CREATE TRIGGER notes_touched BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION touched();
GRANT SELECT ON titles TO pgrehearse_app;
CREATE FUNCTION total() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public
    AS 'SELECT count(*) FROM deals';
REVOKE EXECUTE ON FUNCTION total() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION total() TO pgrehearse_app;
"""
COPIED = """
BEGIN;
CREATE TABLE notes_new AS SELECT * FROM notes;
ALTER TABLE notes RENAME TO notes_old;
ALTER TABLE notes_new RENAME TO notes;
COMMIT;
"""


def changes(server: Server, directory: Path, more: str, sql: str) -> dict[str, Finding]:
    codes = ("made-again", "name-gone", "rows-leave", "values-changed", "foreign-key-unindexed",
             "narrower-rule", "row-security")  # fmt: skip
    directory.mkdir(exist_ok=True)
    found = told(server, directory, Planted(ROLE + more, rows=50), sql)
    assert not [finding for finding in found if finding.code in ("refused", "fails-on-data")]
    return {finding.code: finding for finding in found if finding.code in codes}


@pytest.mark.parametrize(
    "sql",
    [
        COPIED,
        "BEGIN; CREATE TABLE n2 (id bigint, body text); INSERT INTO n2 SELECT * FROM notes; DROP TABLE notes;"
        "ALTER TABLE n2 RENAME TO notes; COMMIT;",
    ],
    ids=["swapped", "dropped"],
)
def test_a_table_made_again_lacks_rights_and_rules(server: Server, tmp_path: Path, sql: str) -> None:
    found = changes(server, tmp_path, GUARDED, sql)
    assert found.keys() == {"made-again"}
    (finding,) = found.values()
    lost = finding.evidence["lost"]
    assert isinstance(lost, list)
    assert {
        "SELECT to pgrehearse_app",
        "UPDATE to pgrehearse_app of column body",
        "row security",
        "policy own",
        "default body",
        "NOT NULL of column body",
        "CHECK ((id > 0))",
        "PRIMARY KEY (id)",
        "index on (body)",
        "trigger notes_touched",
    } <= set(lost)
    assert finding.severity == "error"
    assert finding.sql is not None
    assert "GRANT SELECT ON public.notes TO pgrehearse_app;" in finding.sql
    assert "ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;" in finding.sql


def test_a_table_made_again_with_everything_is_not_told(server: Server, tmp_path: Path) -> None:
    again = COPIED.replace(
        "COMMIT;",
        "ALTER TABLE notes ADD PRIMARY KEY (id); CREATE TRIGGER t BEFORE UPDATE ON notes FOR EACH ROW "
        "EXECUTE FUNCTION touched(); COMMIT;",
    )
    more = "CREATE TRIGGER t BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION touched();"
    assert changes(server, tmp_path, more, again) == {}


def test_a_view_made_again_lacks_its_grants(server: Server, tmp_path: Path) -> None:
    sql = "DROP VIEW titles; CREATE VIEW titles AS SELECT id, title, stage FROM deals;"
    found = changes(server, tmp_path, GUARDED, sql)
    assert found["made-again"].evidence["lost"] == ["SELECT to pgrehearse_app"]
    assert found["made-again"].sql == "GRANT SELECT ON public.titles TO pgrehearse_app;"
    granted = f"{sql} GRANT SELECT ON titles TO pgrehearse_app;"
    assert changes(server, tmp_path / "granted", GUARDED, granted) == {}


def test_a_function_made_again_is_open_to_everybody(server: Server, tmp_path: Path) -> None:
    body = "RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM deals WHERE true'"
    found = changes(server, tmp_path, GUARDED, f"DROP FUNCTION total(); CREATE FUNCTION total() {body};")
    assert found["made-again"].evidence["opened"] == ["EXECUTE to PUBLIC"]
    lost = found["made-again"].evidence["lost"]
    assert lost == ["EXECUTE to pgrehearse_app", "SECURITY DEFINER", "SET search_path=public"]
    sql = found["made-again"].sql
    assert sql is not None
    assert "REVOKE EXECUTE ON FUNCTION public.total() FROM PUBLIC;" in sql
    replaced = f"CREATE OR REPLACE FUNCTION total() {body};"
    assert changes(server, tmp_path / "replaced", GUARDED, replaced) == {}


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("ALTER TABLE notes RENAME TO remarks;", "public.notes"),
        ("ALTER TABLE notes RENAME COLUMN body TO text;", "public.notes.body"),
        ("ALTER VIEW titles RENAME TO names;", "public.titles"),
        ("DROP VIEW titles;", "public.titles"),
        ("CREATE SCHEMA app; ALTER TABLE notes SET SCHEMA app;", "public.notes"),
        ("ALTER FUNCTION total() RENAME TO sum_of;", "public.total()"),
    ],
)
def test_a_name_that_nothing_has_any_more(server: Server, tmp_path: Path, sql: str, name: str) -> None:
    found = changes(server, tmp_path, GUARDED, sql)
    assert found.keys() == {"name-gone"}
    assert found["name-gone"].evidence["name"] == name
    assert found["name-gone"].statement is not None


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN; ALTER TABLE notes RENAME TO remarks; CREATE VIEW notes AS SELECT * FROM remarks; COMMIT;",
        "BEGIN; ALTER TABLE notes RENAME body TO text; ALTER TABLE notes ADD body text; COMMIT;",
        "BEGIN; ALTER TABLE notes RENAME TO x; ALTER TABLE x RENAME TO notes; COMMIT;",
        "ALTER INDEX deals_created RENAME TO x; ALTER TABLE deals RENAME CONSTRAINT deals_pkey TO k;",
        "ALTER FUNCTION touched() RENAME TO changed;",
        "ALTER TABLE visits_2025 RENAME TO visits_of_2025;",
    ],
)
def test_a_name_that_is_still_there_or_that_no_request_uses(server: Server, tmp_path: Path, sql: str) -> None:
    assert changes(server, tmp_path, PARTITIONED, sql) == {}


def test_a_partition_that_leaves_with_its_rows(server: Server, tmp_path: Path) -> None:
    found = changes(server, tmp_path, PARTITIONED, "ALTER TABLE visits DETACH PARTITION visits_2025;")
    assert found.keys() == {"rows-leave"}
    assert found["rows-leave"].evidence["rows"] == 364
    empty = PARTITIONED.replace("FROM generate_series(1, 600)", "FROM generate_series(370, 600)")
    assert (
        changes(server, tmp_path / "empty", empty, "ALTER TABLE visits DETACH PARTITION visits_2025;") == {}
    )


@pytest.mark.parametrize(
    ("sql", "told_as"),
    [
        ("ALTER TABLE notes ALTER body TYPE varchar(6) USING left(body, 6);", "different values"),
        ("ALTER TABLE notes ALTER body TYPE varchar(6) USING body::varchar(6);", "different values"),
        ("ALTER TABLE notes ALTER body TYPE text USING upper(body);", None),
        ("ALTER TABLE notes ALTER body TYPE varchar(99) USING upper(body);", "texts are others"),
        ("ALTER TABLE notes ALTER body TYPE int USING NULL;", "500 of 500 values are NULL"),
        ("ALTER TABLE deals ALTER amount TYPE numeric(8, 1);", "sum is"),
        ("ALTER TABLE deals ALTER amount TYPE int USING trunc(amount);", "sum is"),
        ("ALTER TABLE deals ALTER created_at TYPE date;", "different values"),
        ("ALTER TABLE notes ALTER body TYPE varchar(99);", None),
        ("ALTER TABLE notes ALTER id TYPE numeric;", None),
        ("ALTER TABLE deals ALTER quantity TYPE bigint;", None),
        ("ALTER TABLE deals ALTER amount TYPE numeric(12, 4);", None),
        ("ALTER TABLE deals ALTER created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC';", None),
        ("ALTER TABLE notes ALTER body TYPE char(60);", None),
    ],
)
def test_values_that_a_type_changes(server: Server, tmp_path: Path, sql: str, told_as: str | None) -> None:
    more = "UPDATE deals SET amount = id + 0.25;"
    found = changes(server, tmp_path, more, sql)
    assert found.keys() == ({"values-changed"} if told_as else set())
    assert told_as is None or told_as in found["values-changed"].message


def test_values_that_the_deploy_also_writes_are_not_compared(server: Server, tmp_path: Path) -> None:
    sql = "UPDATE notes SET body = 'x' WHERE id < 9; ALTER TABLE notes ALTER body TYPE varchar(60);"
    assert changes(server, tmp_path, "", sql) == {}


ONE, TWO = "CREATE INDEX k ON deals (contact_id);", "CREATE INDEX l ON deals (contact_id, id);"
KEY = "ALTER TABLE deals ADD CONSTRAINT u UNIQUE (contact_id);"


@pytest.mark.parametrize(
    ("more", "sql", "is_told"),
    [
        (ONE, "DROP INDEX k;", True),
        (TWO, "DROP INDEX l;", True),
        (ONE + TWO, "DROP INDEX k;", False),
        ("CREATE INDEX k ON deals (stage, contact_id);", "DROP INDEX k;", False),
        ("CREATE INDEX k ON deals (contact_id) WHERE stage = 'x';", "DROP INDEX k;", False),
        (KEY, "ALTER TABLE deals DROP CONSTRAINT u;", True),
        (ONE, "ALTER TABLE deals DROP CONSTRAINT deals_contact_id_fkey; DROP INDEX k;", False),
        (ONE, f"DROP INDEX k; {TWO}", False),
    ],
)
def test_a_foreign_key_loses_its_last_index(
    server: Server, tmp_path: Path, more: str, sql: str, is_told: bool
) -> None:
    assert changes(server, tmp_path, more, sql).keys() == ({"foreign-key-unindexed"} if is_told else set())


CHECKED = """
ALTER TABLE deals ADD CONSTRAINT stages CHECK (stage IN ('new', 'won', 'lo''st'));
CREATE TYPE mood AS ENUM ('sad', 'happy');
"""


DROP = "ALTER TABLE deals DROP CONSTRAINT stages"


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (f"{DROP}, ADD CHECK (stage IN ('new', 'won'));", ["lo'st"]),
        (f"{DROP}, ADD CONSTRAINT stages CHECK (stage IN ('new', 'x'));", ["lo'st", "won"]),
        (f"{DROP}, ADD CHECK (stage IN ('new', 'won', 'lo''st', 'x'));", None),
        (f"{DROP};", None),
        ("ALTER TYPE mood RENAME VALUE 'sad' TO 'low';", ["sad"]),
        ("ALTER TYPE mood ADD VALUE 'low' BEFORE 'sad';", None),
    ],
)
def test_a_rule_that_refuses_what_it_allowed(
    server: Server, tmp_path: Path, sql: str, values: list[str] | None
) -> None:
    found = changes(server, tmp_path, CHECKED, sql)
    assert found.keys() == ({"narrower-rule"} if values else set())
    assert not values or found["narrower-rule"].evidence["values"] == values


READABLE = "GRANT SELECT ON notes TO pgrehearse_app;"
ON = "ALTER TABLE notes ENABLE ROW LEVEL SECURITY"


@pytest.mark.parametrize(
    ("more", "sql", "severity"),
    [
        (READABLE, f"{ON};", "error"),
        ("", f"{ON};", None),
        ("", f"{ON}, FORCE ROW LEVEL SECURITY;", "error"),
        (GUARDED, "ALTER TABLE notes FORCE ROW LEVEL SECURITY;", "warning"),
        ("", f"{ON}; CREATE POLICY own ON notes USING (true);", None),
    ],
)
def test_row_security_that_is_switched_on(
    server: Server, tmp_path: Path, more: str, sql: str, severity: str | None
) -> None:
    found = changes(server, tmp_path, more, sql)
    assert found.keys() == ({"row-security"} if severity else set())
    assert severity is None or found["row-security"].severity == severity


def test_a_table_that_the_deploy_has_made_needs_no_lock_timeout(server: Server, tmp_path: Path) -> None:
    made = "-- 1_made.sql\nCREATE TABLE pages (id int);\n-- 2_more.sql\nALTER TABLE pages ADD title text;\n"
    codes = {finding.code for finding in told(server, tmp_path, Planted(rows=10), made)}
    assert "no-lock-timeout" not in codes
    (tmp_path / "there").mkdir()
    there = f"{made}ALTER TABLE notes ADD title text;\n"
    codes = {finding.code for finding in told(server, tmp_path / "there", Planted(rows=10), there)}
    assert "no-lock-timeout" in codes


@pytest.mark.parametrize(
    ("code", "more", "sql"),
    [
        ("name-gone", GUARDED, "ALTER TABLE notes RENAME TO remarks;"),
        ("foreign-key-unindexed", ONE, "DROP INDEX k;"),
        ("made-again", GUARDED, "DROP VIEW titles; CREATE VIEW titles AS SELECT id FROM deals;"),
        (
            "made-again",
            GUARDED,
            "DROP FUNCTION total(); CREATE FUNCTION total() RETURNS bigint LANGUAGE sql SECURITY DEFINER "
            "SET search_path = public AS 'SELECT 1::bigint';",
        ),
    ],
)
def test_the_statements_to_paste_run_and_end_the_finding(
    server: Server, tmp_path: Path, code: str, more: str, sql: str
) -> None:
    found = changes(server, tmp_path, more, sql)
    pasted = found[code].sql
    assert pasted is not None
    assert code not in changes(server, tmp_path / "pasted", more, f"{sql}\n{pasted}")
