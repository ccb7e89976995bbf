"""Traffic for a suite that tells none: what any application does with a table, derived from the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, class_row

from bench.model.load import Access
from bench.pg.catalog import load_query
from bench.workload.once import Answer, send_once
from bench.workload.parameters import to_wire
from bench.workload.spec import RequestClass, TrafficMix

DERIVED = (
    "The traffic was derived from the catalog: by key, equally on the largest tables, as a role that a table "
    "is granted to where one sees its rows, else as the migrating role. A workload.toml beside the "
    "migrations makes it the application's own."
)


@dataclass(frozen=True, slots=True)
class _Table:
    """A row of workload_tables.sql."""

    schema: str
    name: str
    key: list[str]
    """Columns by which rows are found; none where no index reads by value."""
    one_row: bool
    """Whether the key finds one row."""
    key_is_made: bool
    unreferenced: bool
    others: list[str]
    without_default: list[str]
    """Of the others, those that no default fills: an application often leaves the rest out."""
    free: str | None
    roles: list[str]


@dataclass(frozen=True, slots=True)
class _Request:
    """One thing that an application does with a table, in the words of :func:`_texts`."""

    what: str
    template: str
    weight: float
    by_key: bool = True
    taken_back: bool = False
    """Whether its rows go again: which values may stand twice is not known, and a unique key to come would
    meet copies that no application makes."""


def derive(
    conn: psycopg.Connection[TupleRow], *, touched: Sequence[str] = (), even_empty: bool = False
) -> TrafficMix | None:
    """Reads and writes by key for the largest tables that have rows; without a key, of whichever rows come.

    ``touched``: tables with their schemas that come before larger ones, as the deploy locks them. A write
    that a table refuses (a trigger, a second unique key) is left out. ``even_empty``: where no table has
    rows, tables are read all the same. None where nothing is left.
    """
    with conn.cursor(row_factory=class_row(_Table)) as cursor:
        tables = cursor.execute(
            load_query("workload_tables", conn.info.server_version), {"touched": list(touched)}
        ).fetchall()
    classes = [request for table in tables for request in _classes(conn, table)]
    if not classes and even_empty:
        classes = [_as_class(conn, table, _FIRST_ROWS, None) for table in tables]
    return TrafficMix(tuple(classes), "catalog", notes=(DERIVED,)) if classes else None


_FIRST_ROWS = _Request("read", "SELECT * FROM {table} LIMIT 20", 5, by_key=False)
_COPY = "INSERT INTO {table} ({others}) SELECT {others} FROM {table}"
_DELETE = "DELETE FROM {table} WHERE {match} AND random() < 0"
"""Which rows may go is not known: it locks what a DELETE locks, and a foreign key to come finds every row."""
_RANGE_READ = _Request(
    "range read", "SELECT * FROM {table} WHERE ({key}) >= ({values}) ORDER BY {key} LIMIT 20", 2
)


def _requests(table: _Table) -> Iterator[_Request]:
    if not table.key:
        yield _FIRST_ROWS
        if table.others:
            yield _Request("insert", f"{_COPY} LIMIT 1", 1, by_key=False, taken_back=True)
    elif table.one_row:
        yield _Request("point read", "SELECT * FROM {table} WHERE {match}", 5)
        yield _RANGE_READ
        if table.free is not None:
            yield _Request("update", "UPDATE {table} SET {free} = {free} WHERE {match}", 2)
        if table.key_is_made and table.others:
            yield _Request("insert", f"{_COPY} WHERE {{match}}", 1, taken_back=True)
        if table.unreferenced:
            yield _Request("delete", _DELETE, 0.25)
    else:
        yield _Request("point read", "SELECT * FROM {table} WHERE {match} LIMIT 20", 5)
        yield _RANGE_READ
        if table.others:
            yield _Request("insert", f"{_COPY} WHERE {{match}} LIMIT 1", 1, taken_back=True)


def _classes(conn: psycopg.Connection[TupleRow], table: _Table) -> Iterator[RequestClass]:
    """What works on the table, as the first of its roles that sees a row of it, where one does."""

    def sees(role: str | None) -> bool:
        answer = _try(conn, _as_class(conn, table, next(_requests(table)), role))
        return answer is not None and answer.sqlstate is None and answer.rows > 0

    if table.key and not sees(None):  # every key may be NULL
        table = replace(table, key=[], one_row=False)
    if not sees(None):
        return
    role = next(filter(sees, table.roles), None)
    brief = replace(table, others=table.without_default) if table.without_default else table
    for request in _requests(table):
        tries = ((form, user) for form in (brief, table) for user in dict.fromkeys((role, None)))
        for form, user in tries:
            request_class = _as_class(conn, form, request, user)
            answer = _try(conn, request_class)
            if answer is not None and answer.sqlstate is None:
                yield request_class
                break


def _as_class(
    conn: psycopg.Connection[TupleRow], table: _Table, request: _Request, role: str | None
) -> RequestClass:
    name = f"{table.schema}.{table.name}"
    access: Access = "read" if request.what.endswith("read") else "write"
    draw = (
        "SELECT {drawn} FROM {table} WHERE ({key}) IS NOT NULL ORDER BY random() LIMIT 2000"
        if request.by_key
        else None
    )
    statement = _text(conn, table, request.template, percent="%%")
    return RequestClass(
        f"{request.what} {name}",
        ("BEGIN", statement, "ROLLBACK") if request.taken_back else (statement,),
        (name,),
        access,
        request.weight,
        role=role,
        draw=_text(conn, table, draw, percent="%") if draw else None,
    )


def _text(conn: psycopg.Connection[TupleRow], table: _Table, template: str, *, percent: str) -> str:
    """SQL of a template; ``percent`` stands for each % in a name, which must not look like a parameter."""

    def quoted(*names: str) -> sql.SQL:
        return sql.SQL(sql.Identifier(*names).as_string(conn).replace("%", percent))

    key = [quoted(column) for column in table.key]
    names = [f"key{number}" for number in range(1, len(key) + 1)]
    values = [sql.Placeholder(name) for name in names]
    comma = sql.SQL(", ")
    parts = {
        "table": quoted(table.schema, table.name),
        "key": comma.join(key),
        "values": comma.join(values),
        "match": sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(column, value) for column, value in zip(key, values, strict=True)
        ),
        "drawn": comma.join(
            sql.SQL("{}::text AS {}").format(column, quoted(name))
            for column, name in zip(key, names, strict=True)
        ),
        "free": quoted(table.free or ""),
        "others": comma.join(quoted(column) for column in table.others),
    }
    return sql.SQL(template).format(**parts).as_string(conn)


def _try(conn: psycopg.Connection[TupleRow], request: RequestClass) -> Answer | None:
    """Its answer for one row, rolled back; None where there is no row to draw."""
    columns: list[str] = []
    row: tuple[str | None, ...] = ()
    if request.draw is not None:
        cursor = conn.execute(request.draw.encode())
        drawn = cursor.fetchone()
        if drawn is None:
            return None
        columns, row = [column.name for column in cursor.description or ()], tuple(drawn)
    values = dict(zip(columns, row, strict=True))
    return send_once(conn, to_wire(request, columns, [row]), values)
