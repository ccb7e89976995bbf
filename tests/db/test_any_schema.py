"""Rows for schemas that nobody told the generator about, on a real server."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fix_db import Connect
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from bench.errors import UsageError
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server
from bench.run.template.prepare import apply_file
from datagen.anyschema.complete import columns_of, fill_new_columns
from datagen.anyschema.guess import Override
from datagen.anyschema.load import fill, read_overrides

SHOP = Path(__file__).parents[1] / "data" / "any_schema.sql"
PINNED = SHOP.with_name("any_schema_digests.json")
EXAMPLES = int(os.environ.get("BENCH_TEST_SCHEMAS", "12"))
Said = list[str]


def one(conn: psycopg.Connection[Any], query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def state(conn: psycopg.Connection[Any]) -> dict[str, Any]:
    """The checksum of every table."""
    tables = conn.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace ORDER BY 1"
    ).fetchall()
    text = "SELECT count(*) || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} AS t"
    return {name: one(conn, text.format(name)) for (name,) in tables}


def constraints(conn: psycopg.Connection[Any]) -> Any:
    return conn.execute(
        "SELECT conname, contype, convalidated, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1, 4"
    ).fetchall()


def test_a_shop_is_filled_as_its_constraints_demand(server: Server, database: str, connect: Connect) -> None:
    apply_file(server, database, SHOP)
    conn = connect()
    before = constraints(conn)
    said: Said = []
    elsewhere = {"public.items": 4, "public.gone": 7, "public.orders": 501}
    result = fill(
        server.conninfo(database), default_rows=500, rows={"items": 900}, like=elsewhere, say=said.append
    )
    assert constraints(conn) == before
    rows = {name.removeprefix("public."): rows for name, rows, _ in result.tables}
    assert {name: count for name, count in rows.items() if count != 500} == {
        "items": 900,
        "flags": 2,
        "orders": 501,
    }
    assert one(conn, "SELECT count(DISTINCT lower(email)) = 500 FROM users")
    assert one(conn, "SELECT count(*) > 300 FROM users u JOIN users m ON m.id = u.manager_id")
    assert one(conn, "SELECT bool_and(shipped_at > placed_at) FROM orders")
    assert one(conn, "SELECT count(DISTINCT tableoid) = 2 FROM orders")
    assert one(conn, "SELECT nextval('tenants_id_seq')") == 501
    assert one(conn, "SELECT tgenabled FROM pg_trigger WHERE tgname = 't'") == "O"
    assert any(text.startswith("public.flags.note: NULL") for text in said)
    assert any(text.startswith("public.flags.on_off: no more than 2 rows") for text in said)


def test_the_same_seed_gives_the_same_rows_and_another_one_others(server: Server) -> None:
    states = []
    for seed in (7, 7, 8):
        name = new_name("fill")
        create_database(server, name)
        apply_file(server, name, SHOP)
        fill(server.conninfo(name), default_rows=50, seed=seed)
        with server.connect(name) as conn:
            states.append(state(conn))
        drop_database(server, name)
    assert states[0] == states[1]
    assert states[0] != states[2]


def test_bytes_are_pinned(server: Server, database: str, connect: Connect) -> None:
    """Keyed by the version of Faker, whose words the rows hold."""
    apply_file(server, database, SHOP)
    fill(server.conninfo(database), default_rows=200, seed=7)
    pinned = json.loads(PINNED.read_text(encoding="utf-8"))
    assert {"faker": version("faker"), "tables": state(connect())} == pinned


def test_what_cannot_be_satisfied_is_told_by_column_and_nothing_is_loaded(
    server: Server, database: str, connect: Connect
) -> None:
    conn = connect()
    conn.execute("CREATE TABLE fine (id int PRIMARY KEY)")
    conn.execute("CREATE TABLE odd (id int PRIMARY KEY, code text NOT NULL CHECK (code ~ '^[0-9]+$'))")
    conn.execute("CREATE TYPE pair AS (a int, b int)")
    with pytest.raises(UsageError, match=r"public\.odd.*odd_code_check"):
        fill(server.conninfo(database))
    assert one(conn, "SELECT count(*) FROM fine") == 0
    conn.execute("CREATE TABLE odder (id int PRIMARY KEY, p pair NOT NULL)")
    with pytest.raises(UsageError, match=r"public\.odder\.p: type pair is not known"):
        fill(server.conninfo(database))
    given_values = {
        "public.odd.code": Override(values=("17", "4")),
        "public.odder.p": Override(values=("(1,2)",)),
    }
    fill(server.conninfo(database), columns=given_values, default_rows=20)
    assert one(conn, "SELECT count(*) FROM odd WHERE code IN ('17', '4')") == 20


def test_rows_that_are_there_stay_and_become_parents(server: Server, database: str, connect: Connect) -> None:
    conn = connect()
    conn.execute("CREATE TABLE kinds (code text PRIMARY KEY)")
    conn.execute("INSERT INTO kinds VALUES ('a'), ('b')")
    conn.execute("CREATE TABLE things (id int PRIMARY KEY, kind text NOT NULL REFERENCES kinds)")
    fill(server.conninfo(database), default_rows=40)
    assert one(conn, "SELECT count(*) FROM kinds") == 2
    assert one(conn, "SELECT count(DISTINCT kind) FROM things") == 2


def test_a_file_chooses_rows_and_values(
    tmp_path: Path, server: Server, database: str, connect: Connect
) -> None:
    conn = connect()
    conn.execute("CREATE TABLE t (id int PRIMARY KEY, pet text NOT NULL, who text)")
    file = tmp_path / "shop.toml"
    file.write_text(
        '[rows]\n"public.t" = 30\n[columns."public.t.pet"]\nvalues = ["cat", "dog"]\n'
        '[columns."public.t.who"]\nfaker = "first_name"\nnull = 0\n'
    )
    rows, columns = read_overrides(file)
    fill(server.conninfo(database), rows=rows, columns=columns)
    assert one(conn, "SELECT count(*) FROM t WHERE pet IN ('cat', 'dog') AND who IS NOT NULL") == 30
    file.write_text('[columns."public.t.pet"]\nvalue = "cat"\n')
    with pytest.raises(UsageError, match="unknown key value"):
        read_overrides(file)
    with pytest.raises(UsageError, match=r"no column public\.x\.y"):
        fill(server.conninfo(database), columns={"public.x.y": Override()})


TYPES = (
    "int", "bigint", "smallint", "text", "varchar(9)", "char(3)", "numeric(6,2)", "date", "timestamptz",
    "boolean", "uuid", "jsonb", "text[]", "mood", "positive", "inet", "interval", "bytea", "int4range",
)  # fmt: skip


@st.composite
def schemas(draw: st.DrawFn) -> list[str]:
    """Statements of a schema: tables with keys over some columns, references among them, cycles and all."""
    statements = [
        "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    ]
    count = draw(st.integers(1, 4))
    for table in range(count):
        columns = [
            "id int PRIMARY KEY" if draw(st.booleans()) else "id uuid PRIMARY KEY DEFAULT gen_random_uuid()"
        ]
        for number in range(draw(st.integers(0, 5))):
            kind = draw(st.sampled_from(TYPES))
            columns.append(f'"C {number}" {kind} {draw(st.sampled_from(["", "NOT NULL", "UNIQUE"]))}')
            if kind in ("int", "numeric(6,2)") and draw(st.booleans()):
                columns.append(f'CHECK ("C {number}" BETWEEN 10 AND {draw(st.integers(40, 900))})')
        if len(columns) > 3 and draw(st.booleans()):
            columns.append('UNIQUE (id, "C 0")')
        statements.append(f"CREATE TABLE t{table} ({', '.join(columns)})")
    for number in range(draw(st.integers(0, 5))):
        child, parent = draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))
        kind = draw(st.sampled_from(["", "NOT NULL", "UNIQUE"]))
        column = "uuid" if f"CREATE TABLE t{parent} (id uuid" in statements[2 + parent] else "int"
        statements.append(f"ALTER TABLE t{child} ADD COLUMN r{number} {column} {kind} REFERENCES t{parent}")
    return statements


@pytest.fixture(scope="module")
def fresh(server: Server) -> Callable[[], str]:
    def make() -> str:
        name = new_name("fill")
        create_database(server, name)
        return name

    return make


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statements=schemas())
def test_any_schema_is_filled_without_a_violation(
    server: Server, fresh: Callable[[], str], statements: list[str]
) -> None:
    """Foreign keys are added again after the load, so that the server itself validates each of them."""
    name = fresh()
    try:
        with server.connect(name) as conn:
            for statement in statements:
                conn.execute(statement.encode())
            before = constraints(conn)
            fill(server.conninfo(name), default_rows=30)
            assert constraints(conn) == before
            for (table,) in conn.execute(
                "SELECT relname FROM pg_class WHERE relname ~ '^t[0-9]$'"
            ).fetchall():
                assert (
                    0
                    < one(conn, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)).as_string())
                    <= 30
                )
    finally:
        drop_database(server, name)


ADDED = """
CREATE TABLE deals (id int PRIMARY KEY, name text, touched int DEFAULT 0);
INSERT INTO deals SELECT i, 'deal ' || i FROM generate_series(1, 400) i;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.touched := 1; RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON deals FOR EACH ROW EXECUTE FUNCTION touch();
"""
MIGRATION = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE made (id int PRIMARY KEY, score numeric(3, 2));
INSERT INTO made VALUES (1);
ALTER TABLE deals
  ADD ai_score numeric(5, 2) NOT NULL DEFAULT 0, ADD confidence numeric(3, 2),
  ADD sentiment numeric(3, 2) CHECK (sentiment BETWEEN -1 AND 1), ADD tags text[] NOT NULL DEFAULT '{}',
  ADD facts jsonb NOT NULL DEFAULT '{}', ADD tier text NOT NULL DEFAULT 'smb' CHECK (tier IN ('smb', 'big')),
  ADD mood mood, ADD backfilled text, ADD parent int REFERENCES deals, ADD low int, ADD high int,
  ADD CHECK (low < high);
ALTER TABLE deals DISABLE TRIGGER touch;
UPDATE deals SET backfilled = name;
ALTER TABLE deals ENABLE ALWAYS TRIGGER touch;
CREATE VIEW hot AS SELECT id FROM deals WHERE ai_score > 50;
"""


def test_columns_that_a_migration_added_are_filled_in_range(
    server: Server, database: str, connect: Connect
) -> None:
    conn = connect()
    conn.execute(ADDED)
    before = columns_of(server.conninfo(database))
    assert fill_new_columns(server.conninfo(database), before, 1) == ()
    conn.execute(MIGRATION)
    (filled,) = fill_new_columns(server.conninfo(database), before, 1)
    assert (filled.table, filled.rows) == ("public.deals", 400)
    assert filled.columns == ("ai_score", "confidence", "sentiment", "tags", "facts", "tier", "mood")
    assert one(conn, "SELECT max(ai_score) > 90 AND min(ai_score) < 10 AND max(ai_score) <= 100 FROM deals")
    assert one(conn, "SELECT max(confidence) > 0.9 AND max(confidence) <= 1 FROM deals")
    assert one(conn, "SELECT count(*) BETWEEN 40 AND 120 FROM deals WHERE confidence IS NULL")
    assert one(conn, "SELECT min(sentiment) < -0.8 AND max(sentiment) > 0.8 FROM deals")
    assert one(conn, "SELECT count(DISTINCT facts) > 20 AND count(DISTINCT tags) > 5 FROM deals")
    assert one(conn, "SELECT count(DISTINCT tier) + count(DISTINCT mood) FROM deals") == 4
    assert one(conn, "SELECT bool_and(backfilled = name AND touched = 0 AND low IS NULL) FROM deals")
    assert one(conn, "SELECT tgenabled FROM pg_trigger WHERE tgname = 'touch'") == "A"
    assert one(conn, "SELECT score IS NULL FROM made")
    state_of = "SELECT md5(string_agg(d::text, '|' ORDER BY id)) FROM deals d"
    first = one(conn, state_of)
    conn.execute("UPDATE deals SET ai_score = 0, confidence = 0, sentiment = 0, tags = '{}', facts = '{}'")
    conn.execute("UPDATE deals SET tier = 'smb', mood = NULL, touched = 0")
    fill_new_columns(server.conninfo(database), before, 1)
    conn.execute("ALTER TABLE deals DISABLE TRIGGER touch; UPDATE deals SET touched = 0")
    assert one(conn, state_of) == first
