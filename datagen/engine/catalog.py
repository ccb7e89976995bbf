"""What the target database says about the tables: columns, rows, keys, indexes, triggers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.rows import class_row

from datagen.engine.columns import columns_of
from datagen.engine.parallel import Connection
from datagen.engine.plan import Plan
from datagen.errors import UsageError


@dataclass(frozen=True, slots=True)
class Key:
    """A constraint or index that is taken away while rows are loaded."""

    table: str
    name: str
    kind: str
    """``pg_constraint.contype``: p, u, x or f; ``i`` for an index that no constraint owns."""
    definition: str
    """As pg_get_constraintdef or pg_get_indexdef has it."""
    schema: str
    valid: bool
    comment: str | None

    @property
    def is_foreign(self) -> bool:
        return self.kind == "f"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A user's trigger that would fire per row."""

    table: str
    name: str
    enabled: str
    """``pg_trigger.tgenabled``: O, R or A."""


_KEYS = """
SELECT n.nspname || '.' || t.relname AS "table", c.conname AS name, c.contype::text AS kind,
       pg_catalog.pg_get_constraintdef(c.oid) AS definition, n.nspname AS schema, c.convalidated AS valid,
       pg_catalog.obj_description(c.oid, 'pg_constraint') AS comment
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE c.contype IN ('p', 'u', 'x', 'f') AND c.conparentid = 0
  AND (%(tables)s::text[]::regclass[]) && ARRAY[c.conrelid::regclass, c.confrelid::regclass]
UNION ALL
SELECT n.nspname || '.' || t.relname, x.relname, 'i', pg_catalog.pg_get_indexdef(i.indexrelid), n.nspname,
       true, pg_catalog.obj_description(i.indexrelid, 'pg_class')
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE i.indrelid = ANY (%(tables)s::text[]::regclass[])
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c
                  WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
ORDER BY 1, 2
"""

_TRIGGERS = """
SELECT n.nspname || '.' || t.relname AS "table", g.tgname AS name, g.tgenabled::text AS enabled
FROM pg_catalog.pg_trigger g
JOIN pg_catalog.pg_class t ON t.oid = g.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE g.tgrelid = ANY (%(tables)s::text[]::regclass[]) AND NOT g.tgisinternal AND g.tgenabled <> 'D'
ORDER BY 1, 2
"""

_COLUMNS = """
SELECT a.attname, a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required, a.attgenerated <> ''
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = %(table)s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""


def read_keys(conn: Connection, tables: Sequence[str]) -> list[Key]:
    """Keys, exclusion constraints and indexes of the tables, and every foreign key from or to them."""
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(_KEYS, {"tables": list(tables)}).fetchall()


def read_triggers(conn: Connection, tables: Sequence[str]) -> list[Trigger]:
    """The tables' enabled triggers, without the server's own."""
    with conn.cursor(row_factory=class_row(Trigger)) as cursor:
        return cursor.execute(_TRIGGERS, {"tables": list(tables)}).fetchall()


def check_tables(conn: Connection, plan: Plan) -> None:
    """Raise UsageError unless the plan's tables are there, have the columns that are sent, and are empty."""
    require_tables(conn, plan)
    for table in plan.rows:
        if conn.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(qualified(table))).fetchone() == (
            True,
        ):
            raise UsageError(
                f"table {table} of database {conn.info.dbname} holds rows already",
                "load into a fresh copy of the schema, or TRUNCATE the table first",
            )


def require_tables(conn: Connection, plan: Plan) -> None:
    """Raise UsageError unless the plan's tables are there and have the columns that are sent."""
    missing = [
        table for table in plan.rows if conn.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,)
    ]
    if missing:
        raise UsageError(
            f"database {conn.info.dbname} lacks the tables {', '.join(missing)}",
            f"create the schema first, for example: psql -v ON_ERROR_STOP=1 -f {plan.data.schema}",
        )
    for table in plan.rows:
        _check_columns(conn, plan, table)


def _check_columns(conn: Connection, plan: Plan, table: str) -> None:
    there = {
        name: (required, generated) for name, required, generated in conn.execute(_COLUMNS, {"table": table})
    }
    sent = {column.name for column in columns_of(plan, table)}
    absent = sorted(name for name in sent if name not in there or there[name][1])
    unfilled = sorted(name for name, (required, _) in there.items() if required and name not in sent)
    if absent:
        raise UsageError(
            f"table {table} has no column {', '.join(absent)} to load",
            f"datagen loads {plan.data.title} as {plan.data.schema} makes it",
        )
    if unfilled:
        raise UsageError(
            f"column {', '.join(unfilled)} of table {table} needs a value that is not generated",
            "give it a default, or load before the migration that adds it",
        )


def qualified(name: str) -> sql.Identifier:
    """A schema-qualified name as an SQL identifier."""
    return sql.Identifier(*name.split(".", 1))
