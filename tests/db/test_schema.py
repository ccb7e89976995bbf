"""Two databases have equal descriptions exactly where their schemas are equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from bench.pg.catalog import describe_schema
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server

OBJECTS = (
    "CREATE SCHEMA app",
    "CREATE TABLE app.deals (id int PRIMARY KEY, name text NOT NULL DEFAULT '', stage text, parent int)",
    "CREATE TABLE app.companies (id int PRIMARY KEY)",
    "CREATE INDEX deals_name ON app.deals (name)",
    "CREATE TYPE app.mood AS ENUM ('good', 'bad')",
    "CREATE DOMAIN app.score AS int CHECK (VALUE >= 0)",
    "CREATE SEQUENCE app.numbers",
    "CREATE VIEW app.names AS SELECT name FROM app.deals",
    "CREATE FUNCTION app.one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
    "CREATE TRIGGER touch BEFORE UPDATE ON app.deals FOR EACH ROW EXECUTE FUNCTION app.touch()",
    "CREATE POLICY mine ON app.deals USING (id > 0)",
)
"""One of most things, so that each change below has something to act on."""


def execute(conn: psycopg.Connection[Any], *statements: str) -> None:
    for statement in statements:
        conn.execute(statement.encode())


@pytest.fixture(scope="module")
def prepared(server: Server) -> Iterator[psycopg.Connection[Any]]:
    name = new_name("schema")
    create_database(server, name)
    with server.connect(name) as conn:
        execute(conn, *OBJECTS)
        yield conn
    drop_database(server, name)


@pytest.fixture
def conn(prepared: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """The objects as they are above, again for each test."""
    with prepared.transaction(force_rollback=True):
        yield prepared


@pytest.mark.parametrize(
    ("change", "identity"),
    [
        ("ALTER TABLE app.deals ADD note text", "column app.deals.note"),
        ("ALTER TABLE app.deals ALTER stage TYPE varchar(20)", "column app.deals.stage"),
        ("ALTER TABLE app.deals ALTER name SET DEFAULT 'x'", "column app.deals.name"),
        ("ALTER TABLE app.deals ALTER name DROP NOT NULL", "column app.deals.name"),
        ("ALTER TABLE app.deals ALTER name SET STATISTICS 500", "column app.deals.name"),
        ("ALTER TABLE app.deals ALTER name SET STORAGE EXTERNAL", "column app.deals.name"),
        ("ALTER TABLE app.deals ALTER id ADD GENERATED ALWAYS AS IDENTITY", "column app.deals.id"),
        ("ALTER TABLE app.deals SET UNLOGGED", "table app.deals"),
        ("ALTER TABLE app.deals SET (fillfactor = 70)", "table app.deals"),
        ("ALTER TABLE app.deals ENABLE ROW LEVEL SECURITY", "table app.deals"),
        ("ALTER TABLE app.deals FORCE ROW LEVEL SECURITY", "table app.deals"),
        ("GRANT SELECT ON app.deals TO public", "table app.deals"),
        ("GRANT SELECT (name) ON app.deals TO public", "column app.deals.name"),
        ("GRANT USAGE ON SCHEMA app TO public", "schema app"),
        ("REVOKE EXECUTE ON FUNCTION app.one() FROM public", "function app.one()"),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO public", "default privileges"),
        ("ALTER TABLE app.deals ADD CHECK (id > 0) NOT VALID", "constraint app.deals.deals_id_check"),
        ("ALTER TABLE app.deals ADD FOREIGN KEY (parent) REFERENCES app.companies", "deals_parent_fkey"),
        ("CREATE UNIQUE INDEX other ON app.deals (name) WHERE id > 5", "index app.other"),
        ("DROP INDEX app.deals_name", "index app.deals_name"),
        ("ALTER TABLE app.deals CLUSTER ON deals_name", "index app.deals_name"),
        (
            "CREATE OR REPLACE VIEW app.names WITH (security_barrier) AS SELECT name FROM app.deals",
            "view app.names",
        ),
        ("CREATE OR REPLACE VIEW app.names AS SELECT upper(name) AS name FROM app.deals", "view app.names"),
        ("CREATE MATERIALIZED VIEW app.kept AS SELECT 1 AS one", "materialized view app.kept"),
        ("CREATE OR REPLACE FUNCTION app.one() RETURNS int LANGUAGE sql AS 'SELECT 2'", "function app.one()"),
        ("ALTER FUNCTION app.one() SECURITY DEFINER", "function app.one()"),
        ("ALTER FUNCTION app.one() SET search_path = ''", "function app.one()"),
        ("ALTER TABLE app.deals DISABLE TRIGGER touch", "trigger touch on app.deals"),
        ("DROP TRIGGER touch ON app.deals", "trigger touch on app.deals"),
        ("CREATE RULE nothing AS ON DELETE TO app.deals DO INSTEAD NOTHING", "rule nothing on app.deals"),
        ("ALTER POLICY mine ON app.deals USING (id > 1)", "policy mine on app.deals"),
        ("ALTER POLICY mine ON app.deals TO pg_monitor", "policy mine on app.deals"),
        ("ALTER SEQUENCE app.numbers INCREMENT 2", "sequence app.numbers"),
        ("ALTER SEQUENCE app.numbers OWNED BY app.deals.id", "sequence app.numbers"),
        ("ALTER TYPE app.mood ADD VALUE 'worse'", "type app.mood"),
        ("ALTER DOMAIN app.score SET NOT NULL", "type app.score"),
        ("ALTER DOMAIN app.score ADD CHECK (VALUE < 100)", "constraint app.score.score_check1"),
        ("COMMENT ON TABLE app.deals IS 'sold'", "comment on table app.deals"),
        ("COMMENT ON COLUMN app.deals.name IS 'said'", "comment on table column app.deals.name"),
        ("CREATE EXTENSION pg_trgm", "extension pg_trgm"),
        ("CREATE STATISTICS app.pair ON id, name FROM app.deals", "statistics app.pair"),
        ("CREATE PUBLICATION feed FOR TABLE app.deals", "publication feed"),
        ("ALTER TABLE app.deals RENAME name TO title", "table app.deals"),
    ],
)
def test_every_change_shows_at_what_it_changed(
    conn: psycopg.Connection[Any], change: str, identity: str
) -> None:
    before = describe_schema(conn)
    execute(conn, change)
    after = describe_schema(conn)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert any(identity in key for key in changed), changed


@pytest.mark.parametrize(
    "detour",
    [
        "ALTER TABLE app.deals ADD note text; ALTER TABLE app.deals DROP note",
        "DROP INDEX app.deals_name; CREATE INDEX deals_name ON app.deals USING btree (name)",
        "GRANT SELECT ON app.deals TO public; REVOKE SELECT ON app.deals FROM public",
        "INSERT INTO app.deals VALUES (1); SELECT nextval('app.numbers'); ANALYZE app.deals",
        "SET search_path = app; SET quote_all_identifiers = off",
    ],
)
def test_a_detour_leaves_no_trace(conn: psycopg.Connection[Any], detour: str) -> None:
    before = describe_schema(conn)
    execute(conn, *detour.split(";"))
    assert describe_schema(conn) == before


def test_it_does_not_depend_on_order_nor_on_object_numbers(server: Server, database: str) -> None:
    other = new_name("other")
    create_database(server, other)
    statements = [
        "CREATE TABLE a (id int)",
        "CREATE TABLE b (id int)",
        "CREATE INDEX i ON a (id)",
        "CREATE TYPE t",
    ]
    with server.connect(database) as first, server.connect(other) as second:
        execute(first, *statements)
        execute(second, "CREATE TABLE away ()", statements[3], statements[1], statements[0], statements[2])
        execute(second, "DROP TABLE away")
        assert describe_schema(first) == describe_schema(second)
    drop_database(server, other)


def test_names_that_need_quotes_survive(conn: psycopg.Connection[Any]) -> None:
    conn.execute('CREATE TABLE app."Große Tabelle.x" ("a""b" int)')
    described = describe_schema(conn)
    assert 'table app."Große Tabelle.x"' in described
    assert 'column app."Große Tabelle.x"."a""b"' in described


def test_an_invalid_index_is_not_a_valid_one(server: Server, database: str) -> None:
    with server.connect(database) as conn:
        execute(conn, "CREATE TABLE t AS SELECT 1 AS id FROM generate_series(1, 2)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            conn.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (id)")
        assert "valid false" in describe_schema(conn)["index public.broken"]


def test_what_the_system_and_extensions_bring_is_left_out(conn: psycopg.Connection[Any]) -> None:
    conn.execute("CREATE EXTENSION pg_trgm SCHEMA app")
    identities = describe_schema(conn)
    assert not [
        key for key in identities if "pg_catalog" in key or "information_schema" in key or "similarity" in key
    ]
    assert identities["extension pg_trgm"].startswith("version ")
