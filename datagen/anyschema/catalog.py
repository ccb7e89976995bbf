"""What a database says about its tables: columns, keys, checks, foreign keys and partitions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from psycopg import sql
from psycopg.rows import class_row

from datagen.engine.parallel import Connection

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column:
    """One column; for a domain, the type and the checks are those of its base."""

    table: int
    """Oid of the table."""
    number: int
    name: str
    type: str
    """Name of the base type; of its elements where ``array``."""
    category: str
    """``pg_type.typtype`` of that: b, e, r, c …"""
    modifier: int
    array: bool
    required: bool
    has_default: bool
    identity: bool
    generated: bool
    labels: list[str] | None
    """Of an enum."""
    checks: list[str]
    """Of its domains, with VALUE for the value."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that rows go into: ordinary or the root of a partitioned one."""

    oid: int
    schema: str
    name: str
    partition_key: str | None
    filled: bool
    """Whether it holds rows already, which stay as they are."""

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Unique:
    """Columns that no two rows share: a primary key, a unique constraint or index."""

    table: int
    name: str
    columns: list[int]
    expression: bool
    """Whether an expression is unique, of which these are the columns."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A foreign key."""

    oid: int
    table: int
    name: str
    columns: list[int]
    parent: int
    parent_columns: list[int]
    definition: str
    comment: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """A check constraint, or an exclusion constraint, which cannot be planned for."""

    table: int
    name: str
    kind: str
    """``pg_constraint.contype``: c or x."""
    columns: list[int]
    expression: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A partition that holds rows, with the bounds on the way to it."""

    root: int
    bounds: list[str]
    """``pg_get_expr`` of each level's bound, the root's first."""
    keys: list[str]
    """``pg_get_partkeydef`` of the level above each."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that would fire for each row."""

    table: int
    name: str
    enabled: str


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables of a database, without the server's own and those of extensions."""

    tables: list[Table]
    columns: list[Column]
    uniques: list[Unique]
    foreign: list[Foreign]
    checks: list[Check]
    leaves: list[Leaf]
    triggers: list[Trigger]


_TABLES = """
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name,
       pg_get_partkeydef(c.oid) AS partition_key, false AS filled
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 2, 3
"""
_COLUMNS = """
WITH RECURSIVE base AS (
  SELECT a.attrelid, a.attnum, a.atttypid AS typ, a.atttypmod AS modifier, a.attnotnull AS required,
         ARRAY[]::text[] COLLATE "C" AS checks
  FROM pg_attribute a WHERE a.attrelid = ANY (%(tables)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT b.attrelid, b.attnum, t.typbasetype,
         CASE WHEN t.typtypmod = -1 THEN b.modifier ELSE t.typtypmod END, b.required OR t.typnotnull,
         b.checks || ARRAY(SELECT pg_get_expr(k.conbin, 0) COLLATE "C" FROM pg_constraint k
                           WHERE k.contypid = t.oid AND k.contype = 'c')
  FROM base b JOIN pg_type t ON t.oid = b.typ WHERE t.typtype = 'd'
)
SELECT a.attrelid::bigint AS "table", a.attnum::int AS number, a.attname AS name, e.typname AS type,
       e.typtype::text AS category, b.modifier, t.typcategory = 'A' AND t.typelem <> 0 AS array,
       b.required, a.atthasdef AS has_default, a.attidentity <> '' AS identity,
       a.attgenerated <> '' AS generated,
       (SELECT array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = e.oid)
         AS labels, b.checks
FROM base b
JOIN pg_attribute a ON a.attrelid = b.attrelid AND a.attnum = b.attnum
JOIN pg_type t ON t.oid = b.typ AND t.typtype <> 'd'
JOIN pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem ELSE t.oid END
ORDER BY 1, 2
"""
_UNIQUES = """
SELECT i.indrelid::bigint AS "table", x.relname AS name, i.indexprs IS NOT NULL AS expression,
       ARRAY(SELECT DISTINCT k::int FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) k WHERE k > 0
             UNION SELECT DISTINCT d.refobjsubid FROM pg_depend d
             WHERE i.indexprs IS NOT NULL AND d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
               AND d.refobjid = i.indrelid AND d.refobjsubid > 0 ORDER BY 1) AS columns
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
WHERE i.indisunique AND i.indrelid = ANY (%(tables)s::oid[])
ORDER BY 1, NOT i.indisprimary, 2
"""
_FOREIGN = """
SELECT c.oid::bigint AS oid, c.conrelid::bigint AS "table", c.conname AS name, c.conkey::int[] AS columns,
       c.confrelid::bigint AS parent, c.confkey::int[] AS parent_columns,
       pg_get_constraintdef(c.oid) AS definition, obj_description(c.oid, 'pg_constraint') AS comment
FROM pg_constraint c
WHERE c.contype = 'f' AND c.conparentid = 0
  AND (c.conrelid = ANY (%(tables)s::oid[]) OR c.confrelid = ANY (%(tables)s::oid[]))
ORDER BY 2, 3
"""
_CHECKS = """
SELECT c.conrelid::bigint AS "table", c.conname AS name, c.contype::text AS kind,
       coalesce(c.conkey, ARRAY[]::int2[])::int[] AS columns,
       coalesce(pg_get_expr(c.conbin, c.conrelid), pg_get_constraintdef(c.oid)) AS expression
FROM pg_constraint c
WHERE c.contype IN ('c', 'x') AND c.conrelid = ANY (%(tables)s::oid[])
ORDER BY 1, 2
"""
_LEAVES = """
WITH RECURSIVE tree AS (
  SELECT i.inhparent AS root, c.oid, c.relkind, ARRAY[pg_get_expr(c.relpartbound, c.oid)] AS bounds,
         ARRAY[pg_get_partkeydef(i.inhparent)] AS keys
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
  WHERE i.inhparent = ANY (%(tables)s::oid[])
  UNION ALL
  SELECT t.root, c.oid, c.relkind, t.bounds || pg_get_expr(c.relpartbound, c.oid),
         t.keys || pg_get_partkeydef(i.inhparent)
  FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid JOIN pg_class c ON c.oid = i.inhrelid
)
SELECT root::bigint AS root, bounds, keys FROM tree WHERE relkind <> 'p' ORDER BY root, bounds
"""
_TRIGGERS = """
SELECT g.tgrelid::bigint AS "table", g.tgname AS name, g.tgenabled::text AS enabled
FROM pg_trigger g
WHERE NOT g.tgisinternal AND g.tgenabled <> 'D'
  AND g.tgrelid IN (SELECT relid FROM unnest(%(tables)s::oid[]) o, pg_partition_tree(o)
                    UNION SELECT unnest(%(tables)s::oid[]))
ORDER BY 1, 2
"""


def read_schema(conn: Connection) -> Schema:
    """Read the schema of a connection's database."""
    with conn.cursor(row_factory=class_row(Table)) as cursor:
        found = cursor.execute(_TABLES).fetchall()
    tables = [_with_fill(conn, table) for table in found]
    oids = {"tables": [table.oid for table in tables]}
    return Schema(
        tables,
        _all(conn, Column, _COLUMNS, oids),
        _all(conn, Unique, _UNIQUES, oids),
        _all(conn, Foreign, _FOREIGN, oids),
        _all(conn, Check, _CHECKS, oids),
        _all(conn, Leaf, _LEAVES, oids),
        _all(conn, Trigger, _TRIGGERS, oids),
    )


def _with_fill(conn: Connection, table: Table) -> Table:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table.schema, table.name))
    return replace(table, filled=conn.execute(query).fetchone() == (True,))


def _all(conn: Connection, kind: type[Row], query: str, parameters: dict[str, list[int]]) -> list[Row]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()
