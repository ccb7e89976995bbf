"""Columns that a migration has added, filled as their use will fill them: scores, documents, arrays, states.

A new column holds its default in every row until the application writes it. Here every row gets a value that
is a function of its key alone, so that what reads the column can be costed as it will be in use.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from datagen.anyschema.catalog import Column, Schema, Table, read_schema
from datagen.anyschema.checks import Limits
from datagen.anyschema.guess import Unknown, values_of
from datagen.anyschema.planner import limits_of
from datagen.engine.parallel import Connection, connect
from datagen.errors import server_error

POOL = 48
"""Different values per column; a row takes one of them."""
NULLS = 20
"""Rows in a hundred that stay NULL where they may."""
_TYPES = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %s::oid AND attnum > 0 AND NOT attisdropped
"""
_SHARE = re.compile(r"score|confidence|probability|ratio|share|likelihood|velocity|quality|level")


@dataclass(frozen=True, slots=True)
class _Filling:
    """A column and the values that it is filled with."""

    column: Column
    pool: tuple[str, ...]
    required: bool


@dataclass(frozen=True, slots=True)
class Completed:
    """One table, and those of its new columns that were filled."""

    table: str
    columns: tuple[str, ...]
    rows: int


def columns_of(conninfo: str) -> frozenset[str]:
    """``schema.table.column`` of every column of a database."""
    with connect(conninfo) as conn:
        schema = read_schema(conn)
    labels = {table.oid: table.label for table in schema.tables}
    return frozenset(f"{labels[column.table]}.{column.name}" for column in schema.columns)


def fill_new_columns(conninfo: str, before: Collection[str], seed: int) -> tuple[Completed, ...]:
    """Fill the columns that are not in ``before`` and hold one and the same value in all rows of their table.

    ``before`` is what :func:`columns_of` found before the migration. Keys, references, generated columns and
    those whose checks or type are not understood keep their defaults; tables that the migration made stay as
    they are. The others are rewritten, and vacuumed. Raises ServerError where the server refuses.
    """
    old_tables = {name.rpartition(".")[0] for name in before}
    done = []
    with connect(conninfo) as conn:
        schema = read_schema(conn)
        for table in schema.tables:
            if table.label not in old_tables or not table.filled or table.partition_key is not None:
                continue
            free = _fillable(schema, table)
            new = [column for column in free if f"{table.label}.{column.name}" not in before]
            pools = _pools(schema, table, _untouched(conn, table, new), seed)
            if pools:
                rows = _update(conn, schema, table, pools, seed)
                done.append(Completed(table.label, tuple(filling.column.name for filling in pools), rows))
    return tuple(done)


def _fillable(schema: Schema, table: Table) -> list[Column]:
    """Columns whose values nothing else depends on."""
    tied = {n for unique in schema.uniques if unique.table == table.oid for n in unique.columns}
    for key in schema.foreign:
        tied |= set(key.columns) if key.table == table.oid else set()
        tied |= set(key.parent_columns) if key.parent == table.oid else set()
    for check in schema.checks:
        if check.table == table.oid and (check.kind != "c" or len(check.columns) > 1):
            tied |= set(check.columns)
    return [
        column
        for column in schema.columns
        if column.table == table.oid
        and column.number not in tied
        and not (column.generated or column.identity)
        and column.type != "uuid"  # refers to something, constraint or not
    ]


def _untouched(conn: Connection, table: Table, columns: Sequence[Column]) -> list[Column]:
    """Those that hold the same in every row."""
    if not columns:
        return []
    same = sql.SQL(", ").join(
        sql.SQL("count({0}) IN (0, count(*)) AND min({0}::text) IS NOT DISTINCT FROM max({0}::text)").format(
            sql.Identifier(column.name)
        )
        for column in columns
    )
    row = conn.execute(sql.SQL("SELECT {} FROM {}").format(same, _name(table))).fetchone()
    assert row is not None
    return [column for column, unchanged in zip(columns, row, strict=True) if unchanged]


def _pools(schema: Schema, table: Table, columns: Sequence[Column], seed: int) -> list[_Filling]:
    limits = limits_of(schema, table.oid)
    fillings = (
        _Filling(
            column,
            _pool(table.label, column, limits[column.name], seed),
            column.required or limits[column.name].required,
        )
        for column in columns
    )
    return [filling for filling in fillings if filling.pool]


def _pool(label: str, column: Column, limits: Limits, seed: int) -> tuple[str, ...]:
    """Values spread over the whole range of the column's; none where it is not understood."""
    if limits.opaque:
        return ()
    if column.type == "numeric" and limits.low is None and limits.high is None and _SHARE.search(column.name):
        # A score: from 0 to 1 where one digit stands before the point, to 100 where there are more.
        whole = (column.modifier - 4 >> 16 & 0xFFFF) - (column.modifier - 4 & 0x7FF)
        limits.low, limits.high = "0", "1" if column.modifier >= 4 and whole == 1 else "100"
    try:
        values = values_of(label, column, limits, None, seed)
    except Unknown:
        return ()
    count = min(values.capacity, values.spread or values.capacity, POOL)
    step = max(min(values.capacity, values.spread or values.capacity) // max(count, 1), 1)
    return tuple(dict.fromkeys(values.at(number * step) for number in range(count)))


def _update(conn: Connection, schema: Schema, table: Table, pools: Sequence[_Filling], seed: int) -> int:
    """Write all columns of a table in one pass, without its triggers."""
    key = _key(schema, table)
    types: dict[str, str] = dict(conn.execute(_TYPES, [table.oid]).fetchall())
    settings = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(
            sql.Identifier(filling.column.name),
            _drawn(
                filling, sql.SQL(types[filling.column.name]), _hashed(f"{seed}/{table.label}", filling, key)
            ),
        )
        for filling in pools
    )
    try:
        with conn.transaction():
            conn.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(_name(table)))
            rows = conn.execute(sql.SQL("UPDATE {} SET {}").format(_name(table), settings)).rowcount
            for trigger in (other for other in schema.triggers if other.table == table.oid):
                words = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}[trigger.enabled]
                conn.execute(
                    sql.SQL("ALTER TABLE {} {} TRIGGER {}").format(
                        _name(table), sql.SQL(words), sql.Identifier(trigger.name)
                    )
                )
        # The old versions of the rows are no part of what the migration leaves behind.
        conn.execute(sql.SQL("VACUUM (FULL, ANALYZE) {}").format(_name(table)))
        conn.execute(sql.SQL("VACUUM (ANALYZE) {}").format(_name(table)))
    except psycopg.Error as error:
        raise server_error(error, f"filling the new columns of {table.label}") from error
    return rows


def _hashed(salt: str, filling: _Filling, key: sql.Composable) -> sql.Composed:
    """A whole number >= 0 that depends on the row's key and the column."""
    return sql.SQL("(hashtextextended({} || {}, 0) & 9223372036854775807)").format(
        sql.Literal(f"{salt}.{filling.column.name}/"), key
    )


def _drawn(filling: _Filling, kind: sql.SQL, hashed: sql.Composed) -> sql.Composed:
    """One of the pool's values, or NULL."""
    literals = sql.SQL(", ").join(map(sql.Literal, filling.pool))
    # An array of arrays cannot be subscripted; all else is read by its type once, not in every row.
    elements = sql.SQL("text" if filling.column.array else "{}").format(kind)
    value = sql.SQL("(ARRAY[{}]::{}[])[1 + {} % {}]::{}").format(
        literals, elements, hashed, sql.Literal(len(filling.pool)), kind
    )
    if filling.required:
        return value
    return sql.SQL("CASE WHEN {} / 1000 % 100 >= {} THEN {} END").format(hashed, sql.Literal(NULLS), value)


def _key(schema: Schema, table: Table) -> sql.Composable:
    """The text of what tells a row from others: its first unique key, or else its place."""
    names = {column.number: column.name for column in schema.columns if column.table == table.oid}
    for unique in schema.uniques:
        if unique.table == table.oid and unique.columns and not unique.expression:
            parts = [sql.SQL("{}::text").format(sql.Identifier(names[n])) for n in unique.columns]
            return sql.SQL("concat_ws('/', {})").format(sql.SQL(", ").join(parts))
    return sql.SQL("ctid::text")


def _name(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)
