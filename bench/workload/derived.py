"""Traffic for a suite that tells none: what any application does with a table, derived from the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, class_row

from bench.model.load import Access
from bench.pg.catalog import load_query
from bench.workload.spec import RequestClass, TrafficMix

DERIVED = (
    "The traffic was derived from the catalog: by key, as the migrating role, equally on the largest tables. "
    "A workload.toml beside the migrations makes it the application's own."
)


@dataclass(frozen=True, slots=True)
class _Table:
    """A row of workload_tables.sql."""

    oid: int
    schema: str
    name: str
    key: str
    key_is_made: bool
    unreferenced: bool
    others: list[str]
    free: str | None


def derive(conn: psycopg.Connection[TupleRow]) -> TrafficMix | None:
    """Point read, range read, insert, update and delete by key for the largest tables that have rows.

    A write that a table refuses (a trigger, a second unique key) is left out; None where nothing is left.
    """
    with conn.cursor(row_factory=class_row(_Table)) as cursor:
        tables = cursor.execute(load_query("workload_tables", conn.info.server_version)).fetchall()
    classes = [each for table in tables for each in _classes(conn, table) if _works(conn, each)]
    return TrafficMix(tuple(classes), "catalog", notes=(DERIVED,)) if classes else None


def _classes(conn: psycopg.Connection[TupleRow], table: _Table) -> Iterator[RequestClass]:
    name = f"{table.schema}.{table.name}"

    def text(template: str) -> str:
        parts = {
            "table": sql.Identifier(table.schema, table.name),
            "key": sql.Identifier(table.key),
            "free": sql.Identifier(table.free or table.key),
            "others": sql.SQL(", ").join(map(sql.Identifier, table.others)),
        }
        composed = sql.SQL(template).format(**parts)
        # A % in a name must not look like a parameter; the key's place is marked by a word no name can be.
        return composed.as_string(conn).replace("%", "%%").replace("$key$", "%(key)s")

    draw = text("SELECT {key}::text AS key FROM {table} ORDER BY random() LIMIT 2000").replace("%%", "%")

    def request(what: str, template: str, weight: float) -> RequestClass:
        access: Access = "read" if what.endswith("read") else "write"
        return RequestClass(
            f"{what} {name}",
            (text(template),),
            (name,),
            access,
            weight,
            draw=draw,
        )

    yield request("point read", "SELECT * FROM {table} WHERE {key} = $key$", 5)
    yield request("range read", "SELECT * FROM {table} WHERE {key} >= $key$ ORDER BY {key} LIMIT 20", 2)
    if table.free is not None:
        yield request("update", "UPDATE {table} SET {free} = {free} WHERE {key} = $key$", 2)
    if table.key_is_made and table.others:
        copy = "INSERT INTO {table} ({others}) SELECT {others} FROM {table} WHERE {key} = $key$"
        yield request("insert", copy, 1)
    if table.unreferenced:
        yield request("delete", "DELETE FROM {table} WHERE {key} = $key$", 0.25)


def _works(conn: psycopg.Connection[TupleRow], request: RequestClass) -> bool:
    """Tried on one row, in a transaction that is rolled back; a table without rows has no traffic."""
    row = conn.execute((request.draw or "").encode()).fetchone()
    if row is None:
        return False
    conn.execute("BEGIN")
    try:
        conn.execute(request.statements[0].encode(), {"key": row[0]})
    except psycopg.Error:
        return False
    else:
        return True
    finally:
        conn.execute("ROLLBACK")
