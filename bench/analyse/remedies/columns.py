"""Columns that would have the table written anew: added empty and filled in batches, or swapped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analyse.names import identifier
from bench.analyse.remedies.batches import batch_loop, in_batch
from bench.analyse.remedies.constraints import NameChooser, add_not_null
from bench.analyse.remedies.script import LOCK_TIMEOUT, OUTSIDE, Script
from bench.analyse.remedies.tree import copy_of, expression, messages, object_name, type_name

SERIALS = {
    "serial": "integer", "serial4": "integer", "bigserial": "bigint", "serial8": "bigint",
    "smallserial": "smallint", "serial2": "smallint",
}  # fmt: skip


def serial_type(column: Any) -> str | None:
    """The integer type behind serial, bigserial or smallserial; None for any other type."""
    return SERIALS.get(column.type_name.names[-1].string.sval)


def fill(script: Script, table: str, key: Sequence[str], assignment: str, condition: str) -> None:
    """Set a column in all rows, batch by batch; without a known key, in words."""
    if key:
        change = f"UPDATE {table} SET {assignment} WHERE {in_batch(key)} AND {condition}"
        script.append(f"-- {OUTSIDE}, as it commits after each batch\n{batch_loop(table, key, change)}")
    else:
        script.note(f"in batches along a unique key, each committed: UPDATE {table} SET {assignment} …")


def add_filled(
    script: Script, table: str, column: Any, default: Any, key: Sequence[str], *, missing_ok: bool
) -> None:
    """ADD COLUMN with a volatile default: rows that exist get their values in batches."""
    name = identifier(column.colname)
    script.add(
        f"ALTER TABLE {table} ADD COLUMN {'IF NOT EXISTS ' if missing_ok else ''}{name} "
        f"{type_name(column.type_name)}{_collation(column)}"
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
    script.add(f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT nextval('{sequence}')")
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
    script.add(f"CREATE SEQUENCE {sequence}")
    script.add(f"ALTER TABLE {table} ADD COLUMN {name} {type_name(column.type_name)}")
    script.add(f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT nextval('{sequence}')")
    fill(script, table, key, f"{name} = DEFAULT", f"{name} IS NULL")
    add_not_null(script, table, column.colname, chooser, checked=True)
    script.add("BEGIN")
    script.add(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    script.add(f"ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT")
    script.add(f"ALTER TABLE {table} ALTER COLUMN {name} ADD GENERATED {when} AS IDENTITY")
    column_text = column.colname.replace("'", "''")
    script.add(
        f"SELECT setval(pg_get_serial_sequence('{table}', '{column_text}'), nextval('{sequence}'), false)"
    )
    script.add(f"DROP SEQUENCE {sequence}")
    script.add("COMMIT")


def swap_type(
    script: Script, table: str, relname: str, command: Any, key: Sequence[str], indexes: Sequence[str]
) -> None:
    """ALTER COLUMN … TYPE: a second column beside the first, kept current by a trigger; then names swap."""
    definition = getattr(command, "def").column_def
    old, new = identifier(command.name), identifier(object_name(command.name, None, "new"))
    trigger = identifier(object_name(relname, command.name, "new"))
    schema, dot, _ = table.rpartition(".")
    function = f"{schema}{dot}{trigger}"
    kind = type_name(definition.type_name)
    value = expression(definition.raw_default) if definition.HasField("raw_default") else f"{old}::{kind}"
    script.add(f"ALTER TABLE {table} ADD COLUMN {new} {kind}{_collation(definition)}")
    script.add(
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        f"BEGIN\n    NEW.{new} := {_of_new_row(definition, old, kind)};\n    RETURN NEW;\nEND $$"
    )
    script.add(
        f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()"
    )
    fill(script, table, key, f"{new} = {value}", f"{new} IS DISTINCT FROM {value}")
    named = f", such as {', '.join(indexes)}" if indexes else ""
    script.note(
        f"give {new} what {old} has, without a scan: indexes (CONCURRENTLY{named}), constraints, default"
    )
    script.add("BEGIN")
    script.add(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    script.add(f"DROP TRIGGER {trigger} ON {table}")
    script.add(f"ALTER TABLE {table} DROP COLUMN {old}")
    script.add(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}")
    script.add(f"DROP FUNCTION {function}()")
    script.add("COMMIT")


def _of_new_row(definition: Any, old: str, kind: str) -> str:
    """The new value in terms of the trigger's row."""
    if not definition.HasField("raw_default"):
        return f"NEW.{old}::{kind}"
    value = copy_of(definition.raw_default)
    for reference in messages(value, "ColumnRef"):
        column = copy_of(reference.fields[-1])
        del reference.fields[:]
        reference.fields.add().string.sval = "new"
        reference.fields.add().CopyFrom(column)
    return expression(value)


def _collation(column: Any) -> str:
    if not column.HasField("coll_clause"):
        return ""
    return " COLLATE " + ".".join(identifier(part.string.sval) for part in column.coll_clause.collname)
