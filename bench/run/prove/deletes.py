"""What the foreign keys do: a value that no row has, and the deletion of a row that is referred to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from bench.model.proof import ValueTrial
from bench.run.prove.trial import (
    PLACE,
    Answer,
    TableCopy,
    ask,
    find_rows,
    here,
    taken_back,
    unchanged,
    usable_row,
)
from datagen.anyschema.catalog import Foreign, Schema

_ACTION = re.compile(r"ON DELETE (CASCADE|SET NULL|SET DEFAULT|RESTRICT)")
_NOBODY = {
    "uuid": "ffffffff-ffff-4fff-bfff-ffffffffffff",
    "int4": "-2147483647",
    "int8": "-9223372036854775807",
    "text": "no such row",
}


def action_of(foreign: Foreign) -> str:
    """What the key does when the row that it refers to goes."""
    match = _ACTION.search(foreign.definition)
    return match[1] if match else "NO ACTION"


def foreign_trials(
    conn: psycopg.Connection[Any], schema: Schema, known: dict[int, TableCopy], foreign: Foreign
) -> Iterator[ValueTrial]:
    """Refer to nobody; delete the parent of a row as it stands, and of one that refers to nobody else."""
    child, parent = known[foreign.table], known.get(foreign.parent)
    if parent is None:
        return
    columns = child.names(foreign.columns)
    full = sql.SQL(" AND ").join(
        sql.SQL("{} IS NOT NULL").format(sql.Identifier(column)) for column in columns
    )
    rows = find_rows(conn, child, full, 1)
    row = rows[0] if rows else usable_row(conn, child)
    # Where nobody refers to anything yet, the row is given somebody to refer to.
    given = () if rows or len(columns) > 1 else columns
    yield _refers_to_nobody(conn, child, foreign, columns, row)
    others = [
        name
        for other in schema.foreign
        if other.table == foreign.table and other.oid != foreign.oid and action_of(other) == "SET NULL"
        for name in child.names(other.columns)
        if name not in columns and not child.columns[other.columns[0]].required
    ]
    yield _delete(conn, child, parent, foreign, row, given, ())
    if others and row is not None:
        alone = _delete(conn, child, parent, foreign, row, given, tuple(dict.fromkeys(others)))
        if alone.accepted is not None:
            yield alone


def _refers_to_nobody(
    conn: psycopg.Connection[Any],
    child: TableCopy,
    foreign: Foreign,
    columns: tuple[str, ...],
    row: str | None,
) -> ValueTrial:
    nobody = _NOBODY.get(child.columns[foreign.columns[0]].type)
    trial = ValueTrial(
        child.table.label, foreign.name, "foreign key", columns, "a key that no row has", False, None
    )
    if len(columns) > 1 or nobody is None or row is None:
        return trial
    change = sql.SQL("UPDATE {} SET {} = {} WHERE {}").format(
        child.relation, sql.Identifier(columns[0]), sql.Literal(nobody), here(row)
    )
    with taken_back(conn):
        return answered(trial, ask(conn, change))


def _delete(
    conn: psycopg.Connection[Any],
    child: TableCopy,
    parent: TableCopy,
    foreign: Foreign,
    row: str | None,
    given: tuple[str, ...],
    without: tuple[str, ...],
) -> ValueTrial:
    """Delete the row that ``row`` refers to, by ``given`` if by none yet, once ``without`` are NULL."""
    columns, action = child.names(foreign.columns), action_of(foreign)
    alone = f" that refers to nothing by {', '.join(without)}" if without else ""
    expected = True if action in ("CASCADE", "SET NULL", "SET DEFAULT") else None
    tried = f"deleting the row of {parent.table.label} that a row{alone} refers to"
    trial = ValueTrial(child.table.label, foreign.name, "delete", columns, tried, expected, None)
    if row is None:
        return trial
    parents = parent.names(foreign.parent_columns)
    with taken_back(conn):
        changed = ask(conn, _prepared(child, parent, parents, row, given, without))
        if not changed.accepted or changed.row is None:
            return trial
        key = conn.execute(
            sql.SQL("SELECT {} FROM {} WHERE {}").format(
                _texts(columns), child.relation, here(changed.row[0])
            )
        ).fetchone()
        if key is None or None in key:
            return trial
        before = _count(conn, child, _matches(columns, key))
        answer = ask(conn, sql.SQL("DELETE FROM {} WHERE {}").format(parent.relation, _matches(parents, key)))
        left = _count(conn, child, _matches(columns, key))
    if answer.sqlstate == "23503":  # rows of others refer to it, too
        trial = replace(trial, expected=None)
    stored = f"{action}: of {before} rows that referred to it {left} still do" if answer.accepted else None
    return answered(trial, answer, stored)


def _prepared(
    child: TableCopy,
    parent: TableCopy,
    parents: tuple[str, ...],
    row: str,
    given: tuple[str, ...],
    without: tuple[str, ...],
) -> sql.Composed:
    """The statement that makes the child's row as wanted, and returns its new place."""
    somebody = sql.SQL("(SELECT {} FROM {} WHERE NOT ({}) LIMIT 1)").format(
        sql.Identifier(parents[0]), parent.relation, here(row)
    )
    settings = [sql.SQL("{} = {}").format(sql.Identifier(name), somebody) for name in given]
    settings += [sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in without]
    return sql.SQL("UPDATE {} SET {} WHERE {} RETURNING {}").format(
        child.relation,
        sql.SQL(", ").join(settings or [unchanged(child)]),
        here(row),
        PLACE,
    )


def answered(trial: ValueTrial, answer: Answer, stored: str | None = None) -> ValueTrial:
    """The trial with what the server said."""
    return ValueTrial(
        trial.relation, trial.subject, trial.kind, trial.columns, trial.tried, trial.expected,
        answer.accepted, stored, answer.sqlstate, answer.constraint, answer.message,
    )  # fmt: skip


def _texts(columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns)


def _matches(columns: tuple[str, ...], values: tuple[Any, ...]) -> sql.Composed:
    pairs = zip(columns, values, strict=True)
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in pairs
    )


def _count(conn: psycopg.Connection[Any], place: TableCopy, condition: sql.Composed) -> int:
    row = conn.execute(
        sql.SQL("SELECT count(*) FROM {} WHERE {}").format(place.relation, condition)
    ).fetchone()
    return int(row[0]) if row else 0
