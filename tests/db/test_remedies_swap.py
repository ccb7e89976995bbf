"""A column of another type beside the old one: all that hangs on it goes along, and no row is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from remedy_trials import (
    Original,
    altered,
    copied,
    differences,
    original,
    planted,
    run_script,
    same_values,
    state_of,
    statements_of,
)

from bench.analyse.remedies.choice import for_rewrite
from bench.analyse.remedies.script import Remedy
from bench.pg.server import Server

BASE = """
CREATE ROLE %(role)s NOLOGIN;
CREATE TABLE makers (id int PRIMARY KEY, code varchar(10) UNIQUE);
INSERT INTO makers SELECT i, 'c' || i FROM generate_series(1, 20) AS i;
CREATE TABLE parts (
    id int GENERATED ALWAYS AS IDENTITY (START WITH 5 INCREMENT BY 5) PRIMARY KEY,
    number serial NOT NULL,
    maker varchar(10) REFERENCES makers (code) ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE,
    name varchar(40) NOT NULL DEFAULT 'none' CONSTRAINT named CHECK (name <> ''),
    price numeric(12, 4),
    kind text,
    note text,
    CONSTRAINT told CHECK (length(name) > 1 OR note IS NOT NULL),
    UNIQUE (name, number) INCLUDE (kind)
);
CREATE TABLE uses (part int NOT NULL REFERENCES parts (id) ON DELETE CASCADE ON UPDATE RESTRICT, amount int);
CREATE INDEX parts_name ON parts (lower(name), note DESC) WHERE name IS NOT NULL AND price > 0;
CREATE INDEX parts_price ON parts (price) INCLUDE (name);
CREATE STATISTICS parts_together (ndistinct) ON name, kind FROM parts;
COMMENT ON COLUMN parts.name IS 'what it''s called';
COMMENT ON INDEX parts_price IS 'for lists';
COMMENT ON CONSTRAINT told ON parts IS 'tell';
COMMENT ON CONSTRAINT parts_pkey ON parts IS 'key';
COMMENT ON STATISTICS parts_together IS 'both';
GRANT SELECT (name), UPDATE (name) ON parts TO %(role)s WITH GRANT OPTION;
GRANT SELECT (name) ON parts TO PUBLIC;
ALTER TABLE parts ALTER COLUMN name SET STATISTICS 500;
ALTER TABLE parts ALTER COLUMN name SET (n_distinct = 100);
INSERT INTO parts (maker, name, price, kind, note)
SELECT CASE WHEN i %% 3 > 0 THEN 'c' || 1 + i %% 20 END, 'part ' || i, CASE WHEN i %% 4 > 0 THEN i END, 'k',
       CASE WHEN i %% 2 > 0 THEN 'n' END FROM generate_series(1, 60) AS i;
INSERT INTO uses SELECT id, 1 FROM parts;
"""
CHANGES = {
    "longer text": "ALTER TABLE parts ALTER COLUMN name TYPE text",
    "shorter text": "ALTER TABLE public.parts ALTER COLUMN name TYPE varchar(20)",
    "fewer digits": "ALTER TABLE parts ALTER COLUMN price TYPE numeric(8, 2)",
    "key of identity": "ALTER TABLE parts ALTER COLUMN id TYPE bigint",
    "serial": "ALTER TABLE parts ALTER COLUMN number TYPE bigint",
    "refers": "ALTER TABLE parts ALTER COLUMN maker TYPE varchar(12) COLLATE \"C\"",
    "with using": "ALTER TABLE parts ALTER COLUMN note TYPE int USING length(note) + number",
    "two, and more": "ALTER TABLE parts ALTER COLUMN kind TYPE varchar(5), "
    "ALTER COLUMN note TYPE varchar(7), ADD COLUMN extra int, ALTER COLUMN kind SET DEFAULT 'new'",
}  # fmt: skip
SWAPPED = "BEGIN"
SHORTER = {
    "name": "UPDATE parts SET name = 'none'",
    "price": "UPDATE parts SET price = NULL",
    "kind": "UPDATE parts SET kind = NULL",
}


@pytest.fixture(scope="module")
def parts(server: Server) -> Iterator[str]:
    role = f"reader_{id(server):x}"
    with planted(server, BASE % {"role": role}) as name:
        yield name
    with server.connect() as conn:
        conn.execute(f"DROP ROLE {role}".encode())


def remedy_of(statement: str, known: Original) -> Remedy:
    return for_rewrite("ALTER TABLE", statement, "public.parts", known.around, known.hanging)


@pytest.mark.parametrize("name", CHANGES)
def test_the_end_is_the_originals_schema_rows_and_next_values(name: str, server: Server, parts: str) -> None:
    known = original(server, parts, CHANGES[name])
    remedy = remedy_of(CHANGES[name], known)
    assert remedy.sql, remedy.say
    with copied(server, parts) as conn:
        assert run_script(conn, remedy.sql) == [], remedy.sql
        assert differences(known.state, state_of(conn)) == [], remedy.sql


@pytest.mark.parametrize(
    ("change", "longest"),
    [
        ("ALTER TABLE parts ALTER COLUMN name TYPE varchar(6)", "22001"),
        ("ALTER TABLE parts ALTER COLUMN price TYPE numeric(3, 2)", "22003"),
        ("ALTER TABLE parts ALTER COLUMN kind TYPE int USING kind::int", "22P02"),
    ],
)
@pytest.mark.parametrize("goes_on", [False, True])
def test_what_the_original_refuses_is_refused_and_nothing_is_lost(
    change: str, longest: str, goes_on: bool, server: Server, parts: str
) -> None:
    refusing = original(server, parts, change)
    assert refusing.sqlstate == longest
    # On a clone whose rows are shorter the statement went through, and a script was written.
    column = change.split(" COLUMN ")[1].split()[0]
    with altered(server, parts, SHORTER[column]) as shorter:
        known = original(server, shorter, change)
    remedy = remedy_of(change, known)
    assert remedy.sql, (known, remedy)
    with copied(server, parts) as conn:
        before = state_of(conn)[1]
        refused = run_script(conn, remedy.sql, goes_on=goes_on)
        after = state_of(conn)[1]
    assert refused[0] == longest
    assert same_values(before["public.parts"], after["public.parts"], "number", column)
    assert before["public.uses"] == after["public.uses"]


def test_a_second_run_after_a_failure_anywhere_ends_in_the_same_state(server: Server, parts: str) -> None:
    change = CHANGES["key of identity"]
    known = original(server, parts, change)
    script = remedy_of(change, known).sql
    assert script is not None
    whole = statements_of(script)
    swap = whole.index(SWAPPED)
    for done in [1, *range(4, swap, 5), swap, len(whole) - 1]:
        with copied(server, parts) as conn:
            run_script(conn, ";\n".join(whole[:done]) + ";")
            assert run_script(conn, script) == [], (done, whole[done - 1])
            assert differences(known.state, state_of(conn)) == [], done


@pytest.mark.parametrize(
    ("more", "obstacle"),
    [
        ("CREATE INDEX unknown ON parts (note)", "would be lost: nothing"),
        ("ALTER TABLE parts ADD CONSTRAINT unknown CHECK (note <> '')", "would be lost"),
        ("ALTER TABLE parts ADD COLUMN g text GENERATED ALWAYS AS (note || 'x') STORED", "would be lost"),
        ("CREATE VIEW v AS SELECT note FROM parts", "would be lost"),
    ],
)
def test_what_production_has_beyond_the_clone_stops_the_swap(
    more: str, obstacle: str, server: Server, parts: str
) -> None:
    change = "ALTER TABLE parts ALTER COLUMN note TYPE varchar(9)"
    script = remedy_of(change, original(server, parts, change)).sql
    assert script is not None
    with copied(server, parts) as conn:
        conn.execute(more.encode())
        before = state_of(conn)[1]["public.parts"]
        assert run_script(conn, script, goes_on=True)[0] in ("P0001", "2BP01"), obstacle
        assert same_values(before, state_of(conn)[1]["public.parts"], "number", "note")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
         "CREATE TRIGGER stamp BEFORE UPDATE ON parts FOR EACH ROW EXECUTE FUNCTION f()", "trigger stamp"),
        ("ALTER TABLE parts FORCE ROW LEVEL SECURITY", "row security"),
        ("CREATE TABLE child () INHERITS (parts)", "children"),
        ("CLUSTER parts USING parts_price", "CLUSTER"),
        ("ALTER TABLE uses DROP CONSTRAINT uses_part_fkey; ALTER TABLE parts DROP CONSTRAINT parts_pkey",
         "no primary key"),
    ],
)  # fmt: skip
def test_where_something_would_not_go_along_it_is_said_and_no_script_is_given(
    more: str, why: str, server: Server, parts: str
) -> None:
    change = "ALTER TABLE parts ALTER COLUMN price TYPE numeric(9, 1)"
    with altered(server, parts, more) as name:
        remedy = remedy_of(change, original(server, name, change))
    assert remedy.sql is None
    assert why in remedy.say
