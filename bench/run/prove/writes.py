"""What an application writes between a deploy and its rollback, and what is left of it afterwards."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from bench.model.proof import Difference, RollbackProof, UserWrite
from bench.pg.catalog import load_query
from bench.pg.contents import ContentTable, plain_texts, read_tables
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.prove.chain import Link
from bench.run.prove.play import play
from bench.run.prove.states import State, compare

MARK = "written by a user"
TEXTS = frozenset({"text", "varchar", "citext"})
NUMBERS = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8"})


@dataclass(frozen=True, slots=True)
class WritableColumn:
    relation: str
    schema: str
    table: str
    column: str
    type: str
    distinct_values: bool
    refers: bool


def schemas_of(state: State) -> frozenset[str]:
    """The schemas that a state has tables in, as identifiers are quoted."""
    return frozenset(name.partition(".")[0] for name in state.tables)


def prove_after_writes(server: Server, link: Link, schemas: Collection[str]) -> RollbackProof | None:
    """Write as an application would, take the migration back, and look for what was written.

    ``schemas``: those that the application writes in. None where there is nothing to take back with. Only
    rows are followed here: that the rollback is exact where nobody wrote is another proof.
    """
    if link.after is None or link.script.backward is None:
        return None
    touched = compare(server, link.before, link.after)
    with temporary_database(server, "writes", link.after.dbname) as dbname:
        with server.connect(dbname, application_name="pgrehearse writes", kind="application") as conn:
            written = write(conn, touched, schemas)
        played = play(server, dbname, link.script.backward)
        with server.connect(dbname) as conn:
            writes = tuple(_follow(conn, written, played.raised))
    lost = any(written.outcome == "lost" for written in writes)
    return RollbackProof(
        "after-writes",
        (link.id,),
        "failed" if played.error else "differs" if lost else "exact",
        error=played.error,
        writes=writes,
        said=tuple(played.said),
    )


def write(
    conn: psycopg.Connection[Any], touched: Sequence[Difference], schemas: Collection[str]
) -> list[tuple[UserWrite, str]]:
    """Update rows of every table and insert one; returns each write with the value to look for.

    Rows that the migration changed or made are preferred. What a constraint refuses, nobody wrote.
    """
    with conn.cursor(row_factory=class_row(WritableColumn)) as cursor:
        query = load_query("writable_columns", conn.info.server_version)
        columns = cursor.execute(query).fetchall()
    tables = read_tables(conn)
    made = {
        difference.object.partition(" ")[2]
        for difference in touched
        if difference.object.startswith("column ")
    }
    done: list[tuple[UserWrite, str]] = []
    for relation, group in groupby(columns, key=lambda column: column.relation):
        table, own = tables[relation], list(group)
        if not table.key or relation.partition(".")[0] not in schemas:
            continue
        for key in _chosen_rows(conn, table, touched):
            new = [column for column in own if f"{relation}.{column.column}" in made]
            old = [column for column in own if column not in new]
            done += (update for some in (old, new) if (update := _update(conn, table, some, key)))
        if (inserted := _insert(conn, table, own)) is not None:
            done.append(inserted)
    return done


def _chosen_rows(
    conn: psycopg.Connection[Any], table: ContentTable, touched: Sequence[Difference]
) -> Iterator[str]:
    keys = [
        column.keys[0]
        for column in touched
        if column.thing == "rows"
        and column.object == table.name
        and column.keys
        and column.change != "removed"
    ]
    with plain_texts(conn):
        first = conn.execute(
            sql.SQL("SELECT {0}::text FROM {1} ORDER BY {0} LIMIT 1").format(_key(table), table.source)
        ).fetchone()
    yield from dict.fromkeys(([first[0]] if first else []) + keys[:1])


def _update(
    conn: psycopg.Connection[Any], table: ContentTable, columns: Sequence[WritableColumn], key: str
) -> tuple[UserWrite, str] | None:
    """Give the first column that takes it a new value."""
    for target in sorted(columns, key=lambda column: column.type not in TEXTS):
        if target.refers or target.column in table.key or target.type not in TEXTS | NUMBERS:
            continue
        column = sql.Identifier(target.column)
        mark = f"{MARK} {key}" if target.distinct_values else MARK
        value = sql.SQL("CASE WHEN {0} = 1 THEN 0 ELSE 1 END").format(column)
        statement = sql.SQL("UPDATE {} SET {} = {} WHERE {}::text = {} RETURNING {}::text").format(
            sql.Identifier(table.schema, table.relation),
            column,
            sql.Literal(mark) if target.type in TEXTS else value,
            _key(table),
            sql.Literal(key),
            column,
        )
        row = _try(conn, statement)
        if row is not None:
            return UserWrite(table.name, "UPDATE", target.column, key, "survived"), row[0]
    return None


def _insert(
    conn: psycopg.Connection[Any], table: ContentTable, columns: Sequence[WritableColumn]
) -> tuple[UserWrite, str] | None:
    """Insert a copy of a row with values of its own where it must have them."""
    with plain_texts(conn):
        inserted = conn.execute(
            sql.SQL("SELECT to_json(t)::text FROM {} AS t LIMIT 1").format(table.source)
        ).fetchone()
    if inserted is None:
        return None
    document = json.loads(inserted[0])
    fresh = {
        column.column: _fresh(column) for column in columns if column.distinct_values and not column.refers
    }
    if not fresh:
        return None
    document |= fresh
    names = sql.SQL(", ").join(sql.Identifier(column.column) for column in columns)
    column = next(iter(fresh))
    statement = sql.SQL(
        "INSERT INTO {0} ({1}) SELECT {1} FROM json_populate_record(NULL::{0}, {4}) "
        "RETURNING {2}::text, {3}::text"
    ).format(
        sql.Identifier(table.schema, table.relation),
        names,
        _key(table),
        sql.Identifier(column),
        sql.Literal(json.dumps(document)),
    )
    row = _try(conn, statement)
    return (UserWrite(table.name, "INSERT", column, row[0], "survived"), row[1]) if row else None


def _fresh(column: WritableColumn) -> Any:
    if column.type == "uuid":
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{MARK} {column.relation}.{column.column}"))
    return 2_000_000_000 if column.type in NUMBERS else f"{MARK} {column.column}"


def _try(conn: psycopg.Connection[Any], statement: sql.Composed) -> Any | None:
    try:
        with conn.transaction():
            return conn.execute(statement).fetchone()
    except psycopg.Error:
        return None


def _follow(
    conn: psycopg.Connection[Any], written: Sequence[tuple[UserWrite, str]], raised: Sequence[str]
) -> Iterator[UserWrite]:
    tables: Mapping[str, ContentTable] = read_tables(conn)
    for user_write, value in written:
        table = tables.get(user_write.relation)
        row = None
        if table is not None and table.key and user_write.column in table.columns:
            query = sql.SQL("SELECT {}::text FROM {} WHERE {}::text = {}").format(
                sql.Identifier(user_write.column), table.source, _key(table), sql.Literal(user_write.key)
            )
            with plain_texts(conn):
                row = conn.execute(query).fetchone()
        names = {user_write.relation.rpartition(".")[2].strip('"'), user_write.column}
        named = any(names & set(re.findall(r"\w+", line)) for line in raised)
        kept = row is not None and row[0] == value
        yield user_write if kept else replace(user_write, outcome="lost", named=named)


def _key(table: ContentTable) -> sql.Composed:
    return sql.SQL("ROW({})").format(sql.SQL(", ").join(map(sql.Identifier, table.key)))
