"""Columns that would have the table written anew: added empty and filled in batches, or swapped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analyse.remedies.batches import batch_loop, in_batch
from bench.analyse.remedies.constraints import NameChooser, add_not_null
from bench.analyse.remedies.script import LOCK_TIMEOUT, OUTSIDE, Script
from bench.analyse.remedies.swap import collation
from bench.sql.names import identifier, literal
from bench.sql.tree import copy_of, expression, object_name, sql_of, tree, type_name

SERIALS = {
    "serial": "integer", "serial4": "integer", "bigserial": "bigint", "serial8": "bigint",
    "smallserial": "smallint", "serial2": "smallint",
}  # fmt: skip


def serial_type(column: Any) -> str | None:
    """The integer type behind serial, bigserial or smallserial; None for any other type."""
    return SERIALS.get(column.type_name.names[-1].string.sval)


def is_built_in(column: Any) -> bool:
    """Whether the server itself brings the column's type, which is then no domain with a constraint."""
    names = [part.string.sval for part in column.type_name.names]
    return names[0] == "pg_catalog" or (len(names) == 1 and names[0] in BUILT_IN)


BUILT_IN = frozenset({
    "text", "uuid", "json", "jsonb", "date", "bytea", "inet", "cidr", "macaddr", "macaddr8", "money",
    "name", "oid", "xml", "tsvector", "tsquery", "point", "line", "lseg", "box", "path", "polygon",
    "circle", "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "int4multirange",
    "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange", "datemultirange", "regclass",
    "regtype", "regproc", "pg_lsn", "timestamptz", "timetz", "int2", "int4", "int8", "float4", "float8",
    "bool", "varchar", "bpchar", "numeric", "timestamp", "time", "interval", "bit", "varbit", "jsonpath",
})  # fmt: skip
"""Types that are written without pg_catalog before them."""


def fill(script: Script, table: str, key: Sequence[str], assignment: str, condition: str) -> None:
    """Set a column in all rows, batch by batch."""
    change = f"UPDATE {table} SET {assignment} WHERE {in_batch(key)} AND {condition}"
    script.append(
        f"-- {OUTSIDE}, as it commits after each batch; after a failure go on from here\n"
        + batch_loop(table, key, change)
    )


def add_filled(
    script: Script, table: str, column: Any, default: Any, key: Sequence[str], *, missing_ok: bool
) -> None:
    """ADD COLUMN with a volatile default: rows that exist get their values in batches."""
    name = identifier(column.colname)
    script.add(
        f"ALTER TABLE {table} ADD COLUMN {'IF NOT EXISTS ' if missing_ok else ''}{name} "
        f"{type_name(column.type_name)}{_stored(column)}"
    )
    script.add(f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {expression(default)}")
    fill(script, table, key, f"{name} = DEFAULT", f"{name} IS NULL")


def add_serial(script: Script, table: str, relname: str, column: Any, key: Sequence[str]) -> None:
    """ADD COLUMN of a serial type: the sequence first, then as with any volatile default."""
    schema, dot, _ = table.rpartition(".")
    sequence = f"{schema}{dot}{identifier(object_name(relname, column.colname, 'seq'))}"
    name, integer = identifier(column.colname), serial_type(column)
    script.add(f"CREATE SEQUENCE {sequence} AS {integer}")
    script.add(f"ALTER TABLE {table} ADD COLUMN {name} {integer}")
    script.add(f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT nextval({literal(sequence)})")
    script.add(f"ALTER SEQUENCE {sequence} OWNED BY {table}.{name}")
    fill(script, table, key, f"{name} = DEFAULT", f"{name} IS NULL")


def add_identity(
    script: Script,
    table: str,
    relname: str,
    column: Any,
    identity: Any,
    key: Sequence[str],
    chooser: NameChooser,
) -> None:
    """ADD COLUMN … AS IDENTITY: filled from a sequence, whose place the column's own takes in the end."""
    schema, dot, _ = table.rpartition(".")
    sequence = f"{schema}{dot}{identifier(object_name(relname, column.colname, 'fill'))}"
    name = identifier(column.colname)
    when = "ALWAYS" if identity.generated_when == "a" else "BY DEFAULT"
    script.add(_fill_sequence(sequence, identity, column))
    script.add(f"ALTER TABLE {table} ADD COLUMN {name} {type_name(column.type_name)}")
    script.add(f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT nextval({literal(sequence)})")
    fill(script, table, key, f"{name} = DEFAULT", f"{name} IS NULL")
    add_not_null(script, table, column.colname, chooser, checked=True)
    script.add("BEGIN")
    script.add(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    script.add(f"ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT")
    script.add(
        f"ALTER TABLE {table} ALTER COLUMN {name} ADD GENERATED {when} AS IDENTITY{_options(identity)}"
    )
    script.add(
        f"SELECT setval(pg_get_serial_sequence({literal(table)}, {literal(column.colname)}), "
        f"nextval({literal(sequence)}), false)"
    )
    script.add(f"DROP SEQUENCE {sequence}")
    script.add("COMMIT")


def _options(identity: Any) -> str:
    """The options of an identity's sequence in parentheses, with a space before; empty where it has none."""
    made = tree.CreateSeqStmt(options=identity.options)
    made.sequence.relname = "s"
    made.sequence.relpersistence, made.sequence.inh = "p", True
    options = sql_of("create_seq_stmt", made).removeprefix("CREATE SEQUENCE s").strip()
    return f" ({options})" if options else ""


def _fill_sequence(sequence: str, identity: Any, column: Any) -> str:
    """The sequence that fills an identity column counts as the identity's own will."""
    unnamed = copy_of(identity)
    del unnamed.options[:]
    unnamed.options.extend(
        option for option in identity.options if option.def_elem.defname != "sequence_name"
    )
    options = _options(unnamed).strip(" ()")
    return f"CREATE SEQUENCE {sequence} AS {type_name(column.type_name)}" + (f" {options}" if options else "")


def _stored(column: Any) -> str:
    """How a column is stored and compared, as its definition has it."""
    storage = f" STORAGE {column.storage_name}" if column.storage_name else ""
    compression = f" COMPRESSION {column.compression}" if column.compression else ""
    return f"{storage}{compression}{collation(column)}"
