"""One change on a copy, tried and taken back: whether the server accepts it, and what it then holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from datagen.anyschema.catalog import Column, Schema, Table

TIMEOUT = "5s"
ROWS_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    accepted: bool | None
    """None where it took too long."""
    row: tuple[Any, ...] | None = None
    sqlstate: str | None = None
    constraint: str | None = None
    message: str | None = None


@contextmanager
def taken_back(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """A transaction that is rolled back, in which constraints speak at once and nothing takes long."""
    with conn.transaction(force_rollback=True):
        conn.execute(f"SET LOCAL statement_timeout = '{TIMEOUT}'; SET CONSTRAINTS ALL IMMEDIATE")
        yield


def ask(conn: psycopg.Connection[Any], statement: sql.Composed) -> Answer:
    """Run a statement inside a transaction that goes on whatever it says; the first row comes along."""
    try:
        with conn.transaction():
            cursor = conn.execute(statement)
            return Answer(True, cursor.fetchone() if cursor.description else None)
    except psycopg.errors.QueryCanceled as error:
        return Answer(None, sqlstate=error.sqlstate, message=error.diag.message_primary)
    except psycopg.Error as error:
        diag = error.diag
        return Answer(False, None, error.sqlstate, diag.constraint_name, diag.message_primary)


@dataclass(frozen=True, slots=True)
class TableCopy:
    """A table, its columns by number, and how one of its rows is named."""

    table: Table
    columns: dict[int, Column]

    @property
    def relation(self) -> sql.Identifier:
        return sql.Identifier(self.table.schema, self.table.name)

    def names(self, numbers: list[int]) -> tuple[str, ...]:
        return tuple(self.columns[number].name for number in numbers)


def places(schema: Schema) -> dict[int, TableCopy]:
    """The tables by oid."""
    return {
        table.oid: TableCopy(
            table, {column.number: column for column in schema.columns if column.table == table.oid}
        )
        for table in schema.tables
    }


def listed(names: tuple[str, ...]) -> sql.Composed:
    """Columns as SQL lists them."""
    return sql.SQL(", ").join(map(sql.Identifier, names))


def here(row: str) -> sql.Composed:
    """The condition that means one row, by its place."""
    relation, _, ctid = row.partition(" ")
    return sql.SQL("tableoid = {} AND ctid = {}").format(sql.Literal(int(relation)), sql.Literal(ctid))


PLACE = sql.SQL("tableoid::text || ' ' || ctid::text")


def find_rows(
    conn: psycopg.Connection[Any], place: TableCopy, condition: sql.Composable, at_most: int
) -> list[str]:
    """Places of the first rows that fit."""
    query = sql.SQL("SELECT {} FROM {} WHERE {} LIMIT {}").format(
        PLACE, place.relation, condition, sql.Literal(at_most)
    )
    return [row for (row,) in conn.execute(query).fetchall()]


def unchanged(place: TableCopy) -> sql.Composed:
    """An assignment that changes nothing, for which a row is checked as for any other."""
    writable = (
        column.name for column in place.columns.values() if not column.generated and not column.identity
    )
    return sql.SQL("{0} = {0}").format(sql.Identifier(next(writable, "oid")))


def usable_row(conn: psycopg.Connection[Any], place: TableCopy) -> str | None:
    """A row that its own constraints accept as it stands: others would refuse every value."""
    for row in find_rows(conn, place, sql.SQL("true"), ROWS_LOOKED_AT):
        same = sql.SQL("UPDATE {} SET {} WHERE {}").format(place.relation, unchanged(place), here(row))
        with taken_back(conn):
            if ask(conn, same).accepted:
                return row
    return None
