"""What IF NOT EXISTS found in its place: whether it is what the statement would have made.

On a database for one use, each such statement is made again with what is there dropped before it, in a
transaction that is rolled back; the catalog says what differs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.analyse.dangers.spoken import SKIPPED, is_skip, name_in
from bench.model.run import MigrationRun, Repeat
from bench.model.statement import Notice, Skip, Statement
from bench.pg.catalog import describe_schema
from bench.pg.server import Server
from bench.run.execute import execute
from bench.run.scripts import Scripts, StatementKey
from bench.sql.tree import sql_of, statement_of, tree

Description = Mapping[str, str]

_INNER = re.compile(r'^SQL statement "(.*?)"(?:\nPL/pgSQL function |\Z)', re.DOTALL)
_NO_MATTER = re.compile(
    r"^(?:owner|acl|storage|compression|statistics|options|toast options|columns|access method"
    r"|replica identity|valid|row security|tablespace|validated|local|populated|clustered on)\b[^\n]*$\n?",
    re.MULTILINE,
)
"""What a statement that makes an object does not say, and what comes later."""
_INDEX_NAME = re.compile(r"(INDEX) (?:\"(?:[^\"]|\"\")+\"|\S+) ON (?:ONLY )?\S+")
_TIMEOUT = "30s"
_MOST = 200
"""So many statements are compared; of more, it is not known."""


def skipping(repeat: Repeat) -> dict[StatementKey, tuple[Notice, ...]]:
    """The messages of IF NOT EXISTS that found something, by statement."""
    skips = {
        (migration.id, statement.index): tuple(filter(is_skip, statement.notices))
        for migration in repeat.migrations
        for statement in migration.statements
        if statement.outcome == "applied"
    }
    return dict([(place, notices) for place, notices in skips.items() if notices][:_MOST])


def compare_skips(
    server: Server,
    dbname: str,
    scripts: Scripts,
    wanted: Mapping[StatementKey, Sequence[Notice]],
    invalid: Collection[str] = (),
) -> dict[StatementKey, tuple[Skip, ...]]:
    """Apply the migrations in a database that is as before them, and compare at each of these statements.

    ``invalid``: the indexes that are not valid where the migrations were measured.

    It ends with the last of them, or at the first statement that fails, after which nothing is known.
    """
    compared: dict[StatementKey, tuple[Skip, ...]] = {}
    left = set(wanted)
    for migration, statements in scripts:
        if not left:
            break
        with server.connect(dbname, application_name="pgrehearse compare", kind="deploy") as conn:
            for statement in statements:
                place = (migration.id, statement.index)
                try:
                    execute(conn, statement)
                except psycopg.Error:
                    return compared
                if place in left:
                    left.discard(place)
                    skips = (_compared(conn, statement, notice) for notice in wanted[place])
                    compared[place] = tuple(_with_validity(skip, invalid) for skip in skips)
    return compared


def put_skips(repeat: Repeat, skips: Mapping[StatementKey, tuple[Skip, ...]]) -> Repeat:
    """The repeat with what was found in its statements' places."""

    def filled(migration: MigrationRun) -> MigrationRun:
        statements = (
            replace(statement, skips=skips.get((migration.id, statement.index), ()))
            for statement in migration.statements
        )
        return replace(migration, statements=tuple(statements))

    return replace(repeat, migrations=tuple(map(filled, repeat.migrations)))


@dataclass(frozen=True, slots=True)
class _Making:
    """How to make one object again."""

    kind: str
    schema: str
    name: str
    drop: sql.Composed
    make: str
    table: str = ""
    """Of a column, its table."""


def _compared(conn: psycopg.Connection[TupleRow], statement: Statement, notice: Notice) -> Skip:
    inner = _INNER.match(notice.context or "")
    text = inner[1] if inner else statement.text
    unknown = Skip(SKIPPED[notice.sqlstate or ""], name_in(notice), None, line=notice.line)
    parsed = statement_of(text)
    if parsed is None or conn.closed:
        return unknown
    own = conn.info.transaction_status == TransactionStatus.IDLE
    conn.execute("BEGIN" if own else "SAVEPOINT pgrehearse_compare")
    try:
        skip = _skip(conn, *parsed, notice)
    except psycopg.Error:
        skip = None
    finally:
        conn.execute("ROLLBACK" if own else "ROLLBACK TO SAVEPOINT pgrehearse_compare")
        if not own:
            conn.execute("RELEASE SAVEPOINT pgrehearse_compare")
    return replace(skip, line=notice.line) if skip else unknown


def _with_validity(skip: Skip, invalid: Collection[str]) -> Skip:
    """An index that is not valid, whose name is written with its schema or without."""
    full = [name for name in invalid if skip.name in (name, name.partition(".")[2])]
    if not full or skip.kind not in ("index", "relation"):
        return skip
    return replace(skip, kind="index", name=full[0], invalid=True)


def _skip(conn: psycopg.Connection[TupleRow], node: str, parsed: Any, notice: Notice) -> Skip | None:
    if node in ("create_schema_stmt", "create_extension_stmt", "alter_enum_stmt"):
        kind = {"create_schema_stmt": "schema", "create_extension_stmt": "extension"}.get(node, "label")
        return Skip(kind, name_in(notice), same=True)
    conn.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(_TIMEOUT))
    making = _making(conn, node, parsed, name_in(notice))
    if making is None:
        return None
    there = _described(conn, making)
    full = f"{making.schema}.{making.name}" if making.kind != "column" else f"{making.table}.{making.name}"
    if not there and making.kind != "column":
        return Skip(making.kind, full, same=False, differences=(f"it is no {making.kind}",))
    conn.execute(making.drop)
    conn.execute(making.make.encode())
    differences = tuple(_differences(there, _described(conn, making)))
    return Skip(making.kind, full, not differences, differences)


def _making(conn: psycopg.Connection[TupleRow], node: str, parsed: Any, name: str) -> _Making | None:
    if node == "alter_table_stmt":
        return _making_column(conn, parsed, name)
    if node == "index_stmt":
        schema = _schema_of(conn, parsed.relation.schemaname, parsed.relation.relname)
        parsed.concurrent = False
        kind, relation = "index", parsed.idxname
        drop = sql.SQL("DROP INDEX {} CASCADE")
    else:
        target = parsed.into.rel if node == "create_table_as_stmt" else getattr(parsed, "relation", None)
        target = parsed.sequence if node == "create_seq_stmt" else target
        if node not in ("create_stmt", "create_table_as_stmt", "create_seq_stmt") or target is None:
            return None
        schema = _schema_of(conn, target.schemaname, target.relname)
        materialized = node == "create_table_as_stmt" and parsed.objtype == tree.OBJECT_MATVIEW
        kind = "sequence" if node == "create_seq_stmt" else "materialized view" if materialized else "table"
        relation = target.relname
        drop = sql.SQL(f"DROP {kind.upper()} {{}} CASCADE")
    if schema is None:
        return None
    dropping = drop.format(sql.Identifier(schema, relation))
    return _Making(kind, schema, relation, dropping, sql_of(node, parsed))


def _making_column(conn: psycopg.Connection[TupleRow], parsed: Any, name: str) -> _Making | None:
    """The one ADD COLUMN of an ALTER TABLE that names the column."""
    adding = [
        command
        for command in parsed.cmds
        if command.alter_table_cmd.subtype == tree.AT_AddColumn
        and getattr(command.alter_table_cmd, "def").column_def.colname == name
    ]
    schema = _schema_of(conn, parsed.relation.schemaname, parsed.relation.relname)
    if not adding or schema is None:
        return None
    only = adding[0]
    del parsed.cmds[:]
    parsed.cmds.add().CopyFrom(only)
    table = sql.Identifier(schema, parsed.relation.relname)
    drop = sql.SQL("ALTER TABLE {} DROP COLUMN {} CASCADE").format(table, sql.Identifier(name))
    make = sql_of("alter_table_stmt", parsed)
    return _Making("column", schema, name, drop, make, f"{schema}.{parsed.relation.relname}")


def _schema_of(conn: psycopg.Connection[TupleRow], schema: str, relation: str) -> str | None:
    """The schema that is written, else the one in which the search_path finds the relation."""
    if schema:
        return schema
    row = conn.execute(
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.oid = to_regclass(quote_ident(%s))",
        (relation,),
    ).fetchone()
    return str(row[0]) if row else None


def _raw(conn: psycopg.Connection[TupleRow], making: _Making) -> Description:
    """The descriptions of the object and its parts."""
    own = f"{making.schema}.{making.name}" if making.kind != "column" else making.table
    schema, _, name = own.partition(".")
    row = conn.execute(
        "SELECT format('%%I.%%I', %s::text, %s::text), quote_ident(%s)", (schema, name, making.name)
    )
    quoted, column = row.fetchone() or (own, making.name)
    every = describe_schema(conn)
    if making.kind == "column":
        return {key: text for key, text in every.items() if key == f"column {quoted}.{column}"}
    if making.kind != "table":
        return {key: text for key, text in every.items() if key == f"{making.kind} {quoted}"}
    parts = (f"column {quoted}.", f"constraint {quoted}.")
    on_it = re.compile(rf" ON (?:ONLY )?{re.escape(quoted)} ")
    return {
        key: text
        for key, text in every.items()
        if key == f"table {quoted}"
        or key.startswith(parts)
        or (key.startswith("index ") and on_it.search(text))
    }


def _described(conn: psycopg.Connection[TupleRow], making: _Making) -> Description:
    """As they can be compared: columns by name, constraints and indexes by what they say."""
    descriptions: dict[str, str] = {}
    said: Counter[str] = Counter()
    for key, text in _raw(conn, making).items():
        plain = " ".join(_NO_MATTER.sub("", text).split())
        if key.startswith("column "):
            descriptions[f"column {key.rpartition('.')[2]}"] = plain.removeprefix("type ")
        elif key.startswith(("constraint ", "index ")) and making.kind == "table":
            plain = _INDEX_NAME.sub(r"\1", plain)
            if not plain.startswith(("NOT NULL", "CREATE UNIQUE INDEX", "CREATE INDEX")):
                said[plain] += 1
                descriptions[f"{plain}{f' ({said[plain]})' if said[plain] > 1 else ''}"] = ""
        else:
            descriptions[making.kind] = plain
    return descriptions


def _differences(there: Description, wanted: Description) -> Iterator[str]:
    """What is wanted and not there; that there is more is no difference: it may have come later."""
    for key, text in wanted.items():
        if key not in there:
            yield f"{key} is not there"
        elif there[key] != text:
            yield f"{key} is {there[key] or 'plain'}, wanted {text or 'plain'}"
