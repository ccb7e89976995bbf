"""Scripts of remedies run on planted data, and what the databases hold afterwards, to be compared."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.analyse.dangers.evidence import surroundings
from bench.analyse.remedies.choice import Surroundings
from bench.migrate.script import read_statements
from bench.model.statement import Hanging
from bench.pg.catalog import describe_schema
from bench.pg.database import clone_database, create_database, drop_database, new_name
from bench.pg.server import Server
from bench.run.solo.inspection import read_hanging
from bench.run.template.prepare import read_keys

State = tuple[dict[str, str], dict[str, list[str]]]
"""The schema, as describe_schema has it, and each table's rows."""


@dataclass(frozen=True)
class Original:
    """What a statement as it is written comes to."""

    state: State | None
    """None: the server refused it."""
    sqlstate: str | None
    around: Surroundings
    hanging: tuple[Hanging, ...] | None


@contextmanager
def planted(server: Server, *scripts: str) -> Iterator[str]:
    """A database with the scripts' objects and rows; nobody is connected to it."""
    name = new_name("planted")
    create_database(server, name)
    try:
        with server.connect(name) as conn:
            for script in scripts:
                run_script(conn, script)
        yield name
    finally:
        drop_database(server, name)


@contextmanager
def altered(server: Server, template: str, more: str) -> Iterator[str]:
    """A copy of a planted database with something done to it."""
    name = new_name("altered")
    clone_database(server, template, name)
    try:
        with server.connect(name) as conn:
            assert run_script(conn, f"{more};") == []
        yield name
    finally:
        drop_database(server, name)


@contextmanager
def copied(server: Server, template: str) -> Iterator[psycopg.Connection[Any]]:
    """A session in a copy of a planted database."""
    name = new_name("copy")
    clone_database(server, template, name)
    try:
        with server.connect(name) as conn:
            yield conn
    finally:
        drop_database(server, name)


def original(server: Server, template: str, statement: str) -> Original:
    """The statement run on a copy, and what a rehearsal would have known."""
    with copied(server, template) as conn:
        around = surroundings(read_keys(conn), conn.info.server_version, (statement,))
        hanging = None
        try:
            with conn.transaction():
                conn.execute(statement.encode())
                hanging = read_hanging(conn, statement)
        except psycopg.errors.ActiveSqlTransaction:
            conn.execute(statement.encode())
        except psycopg.Error as refused:
            return Original(None, refused.sqlstate, around, hanging)
        return Original(state_of(conn), None, around, hanging)


def statements_of(script: str) -> list[str]:
    """As psql would send them."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as file:
        file.write(script + "\n")
        file.flush()
        return [each.text for each in read_statements(Path(file.name))]


def run_script(conn: psycopg.Connection[Any], script: str, *, goes_on: bool = False) -> list[str]:
    """Send statement after statement; returns the SQLSTATEs of those refused.

    ``goes_on``: after an error too, as psql does where nobody has set ON_ERROR_STOP.
    """
    refused: list[str] = []
    for statement in statements_of(script):
        try:
            conn.execute(statement.encode())
        except psycopg.Error as error:
            refused.append(error.sqlstate or "")
            if not goes_on:
                break
    if conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        conn.execute("ROLLBACK")
    return refused


def state_of(conn: psycopg.Connection[Any]) -> State:
    """Schema and rows, without the order of columns: one that took another's place is the last."""
    described = {name: _without_order(text) for name, text in describe_schema(conn).items()}
    tables = conn.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_|^information_schema$' ORDER BY 1, 2"
    ).fetchall()
    rows = {f"{schema}.{name}": _rows(conn, schema, name) for schema, name in tables}
    sequences = conn.execute("SELECT schemaname, sequencename, increment_by FROM pg_sequences").fetchall()
    rows |= {f"{schema}.{name}": [_next(conn, schema, name, by)] for schema, name, by in sequences}
    return described, rows


def _rows(conn: psycopg.Connection[Any], schema: str, name: str) -> list[str]:
    query = sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t ORDER BY 1").format(sql.Identifier(schema, name))
    return [row[0] for row in conn.execute(query)]


def _next(conn: psycopg.Connection[Any], schema: str, name: str, by: int) -> str:
    """What nextval would give."""
    query = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))
    last, called = conn.execute(query).fetchone() or (0, False)
    return str(last + by if called else last)


def _without_order(text: str) -> str:
    """Columns by name, where a definition has them by their place in the table."""
    return _COLUMNS.sub(lambda found: found[1] + ", ".join(sorted(found[2].split(", "))), text)


_COLUMNS = re.compile(r"(^columns |^CREATE STATISTICS .* ON )([^\n]*?)(?=$| FROM )", re.MULTILINE)


def differences(one: State | None, other: State | None) -> list[str]:
    """What differs between two states, object by object and table by table."""
    assert one is not None
    assert other is not None
    return [
        f"{name}: {before.get(name)!r} / {after.get(name)!r}"
        for before, after in zip(one, other, strict=True)
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def same_values(before: list[str], after: list[str], *columns: str) -> bool:
    """Whether rows have the same values in these columns."""

    def values(rows: list[str]) -> list[list[object]]:
        return sorted(([json.loads(row)[column] for column in columns] for row in rows), key=str)

    return values(before) == values(after)
