"""What a database's tables hold: a checksum for each table, and the rows by key where two differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import kwargs_row

from bench.pg.catalog import load_query

Volatile = Mapping[str, Collection[str]]
"""Table → columns whose values no two runs have in common, such as the time of insertion."""


@dataclass(frozen=True, slots=True)
class ContentTable:
    """A table whose rows can be compared."""

    name: str
    schema: str
    relation: str
    only: bool
    """Rows of tables that inherit from it are theirs."""
    columns: tuple[str, ...]
    """By name, so that their order in the table is no part of its contents."""
    key: tuple[str, ...]
    """Columns of the primary key; none where it has none."""

    @property
    def source(self) -> sql.Composed:
        """The table as FROM names it."""
        return sql.SQL("ONLY {}" if self.only else "{}").format(sql.Identifier(self.schema, self.relation))


@dataclass(frozen=True, slots=True)
class Sum:
    """The contents of one table: equal for equal rows, in whatever order."""

    columns: tuple[str, ...]
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Contents:
    """Every table's contents, and where every sequence stands."""

    tables: dict[str, Sum] = field(default_factory=dict)
    sequences: dict[str, str] = field(default_factory=dict)


def read_tables(conn: psycopg.Connection[Any]) -> dict[str, ContentTable]:
    """The tables of all schemas but the system's, by quoted name."""

    def make(columns: list[str], key: list[str], **rest: Any) -> ContentTable:
        return ContentTable(columns=tuple(columns), key=tuple(key), **rest)

    maker: Callable[..., ContentTable] = make
    with conn.cursor(row_factory=kwargs_row(maker)) as cursor:
        tables = cursor.execute(load_query("content_tables", conn.info.server_version)).fetchall()
    return {table.name: table for table in tables}


def read_contents(conn: psycopg.Connection[Any], volatile: Volatile | None = None) -> Contents:
    """Read every row once. Row security does not apply to a superuser or the owner; else it hides rows."""
    tables = read_tables(conn)
    chosen = {name: without(table, (volatile or {}).get(name, ())) for name, table in tables.items()}
    sequences = conn.execute(load_query("content_sequences", conn.info.server_version)).fetchall()
    with plain_texts(conn):
        sums = {name: Sum(columns, *_sum(conn, tables[name], columns)) for name, columns in chosen.items()}
    return Contents(sums, dict(sequences))


def without(table: ContentTable, left_out: Collection[str]) -> tuple[str, ...]:
    """The table's columns but these."""
    return tuple(column for column in table.columns if column not in left_out)


def column_sums(conn: psycopg.Connection[Any], table: ContentTable) -> dict[str, str]:
    """A checksum of each column's values, in whatever order."""
    if not table.columns:
        return {}
    parts = [
        sql.SQL("coalesce(sum(hashtextextended({}::text, 0)::numeric), 0)::text").format(
            sql.Identifier(column)
        )
        for column in table.columns
    ]
    with plain_texts(conn):
        row = conn.execute(
            sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(parts), table.source)
        ).fetchone()
    return dict(zip(table.columns, row or (), strict=True))


def read_rows(
    conn: psycopg.Connection[Any], table: ContentTable, columns: tuple[str, ...]
) -> Iterator[tuple[str, int]]:
    """Each row's key, as text, and the hash of these columns; without a key the contents are the key."""
    query = sql.SQL("SELECT {}::text, hashtextextended({}::text, 0) FROM {}").format(
        _row(table.key or columns), _row(columns), table.source
    )
    with plain_texts(conn), conn.cursor(name="pgrehearse_rows") as cursor:
        cursor.itersize = 10_000
        yield from cursor.execute(query)


def read_values(
    conn: psycopg.Connection[Any], table: ContentTable, columns: tuple[str, ...], keys: Sequence[str]
) -> dict[str, tuple[str | None, ...]]:
    """The values, as texts, of the rows with these keys; the table has a primary key."""
    values = [sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns]
    key = _row(table.key)
    query = sql.SQL("SELECT {}::text, ARRAY[{}]::text[] FROM {} WHERE {}::text = ANY({})").format(
        key, sql.SQL(", ").join(values), table.source, key, sql.Literal(list(keys))
    )
    with plain_texts(conn):  # no parameters: a name with a per cent sign would be taken for one
        return {key: tuple(row) for key, row in conn.execute(query).fetchall()}


def filled_rows(conn: psycopg.Connection[Any], table: ContentTable, column: str) -> int:
    """How many rows have a value in a column."""
    query = sql.SQL("SELECT count({}) FROM {}").format(sql.Identifier(column), table.source)
    row = conn.execute(query).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def plain_texts(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """A transaction in which every value has one text, whatever the session or the database has set."""
    with conn.transaction(force_rollback=True):
        conn.execute(
            "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'iso_8601';"
            "SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL search_path = '';"
            "SET LOCAL statement_timeout = 0"
        )
        yield


def _sum(conn: psycopg.Connection[Any], table: ContentTable, columns: tuple[str, ...]) -> tuple[int, str]:
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(hashtextextended({}::text, 0)::numeric), 0)::text FROM {}"
    ).format(_row(columns), table.source)
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0], row[1]


def _row(columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL("ROW({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
