"""Constraints that are added without a scan under their lock: NOT VALID, then VALIDATE; and built online."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analyse.remedies.script import OUTSIDE, OWN, Script
from bench.sql.names import identifier
from bench.sql.tree import (
    column_names,
    copy_of,
    messages,
    object_name,
    relation_name,
    sql_of,
    tree,
)

CHECKED = (tree.CONSTR_CHECK, tree.CONSTR_FOREIGN)
BUILT = (tree.CONSTR_UNIQUE, tree.CONSTR_PRIMARY)


class NameChooser:
    """Names of constraints that have none, as the server would choose them where no other has them."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._used: set[str] = set()

    def name(self, constraint: Any) -> str:
        """The constraint's own name, or the server's."""
        return str(constraint.conname) or self.free(*_parts(constraint))

    def free(self, addition: str | None, label: str) -> str:
        """A name with this ending that no other of the statement has."""
        for number in ("", *map(str, range(1, 100))):
            name = object_name(self._table, addition, label + number)
            if name not in self._used:
                break
        self._used.add(name)
        return name


def _parts(constraint: Any) -> tuple[str | None, str]:
    """As ChooseConstraintName, ChooseForeignKeyConstraintNameAddition and ChooseIndexName have it."""
    if constraint.contype == tree.CONSTR_CHECK:
        columns = column_names(constraint.raw_expr)
        return (columns[0] if len(columns) == 1 else None), "check"
    if constraint.contype == tree.CONSTR_FOREIGN:
        return "_".join(column.string.sval for column in constraint.fk_attrs), "fkey"
    if constraint.contype == tree.CONSTR_PRIMARY:
        return None, "pkey"
    keys = [*constraint.keys, *constraint.including]
    return "_".join(column.string.sval for column in keys), "key"


def not_valid(constraint: Any, name: str) -> Any:
    """The constraint by this name, so that rows that exist are not read when it is added."""
    added = copy_of(constraint)
    added.conname = name
    added.skip_validation = True
    added.initially_valid = False
    return added


def validate(script: Script, table: str, name: str) -> None:
    """Have the rows checked under SHARE UPDATE EXCLUSIVE, which reads and writes do not wait for."""
    script.add(f"ALTER TABLE {table} VALIDATE CONSTRAINT {identifier(name)}", OWN)


def add_not_null(script: Script, table: str, column: str, chooser: NameChooser, *, checked: bool) -> None:
    """SET NOT NULL without a scan: a validated CHECK proves it (12 and newer).

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL
    """
    name = chooser.free(column, "present")
    check = f"CHECK ({identifier(column)} IS NOT NULL) NOT VALID"
    script.add(f"ALTER TABLE {table} ADD CONSTRAINT {identifier(name)} {check}", OWN if checked else "")
    validate(script, table, name)
    # Not in one statement: it would drop the constraint first, and scan for want of the proof.
    script.add(f"ALTER TABLE {table} ALTER COLUMN {identifier(column)} SET NOT NULL", OWN)
    script.add(f"ALTER TABLE {table} DROP CONSTRAINT {identifier(name)}")


def build_online(
    script: Script,
    relation: Any,
    constraint: Any,
    chooser: NameChooser,
    partitions: Sequence[str] | None = None,
) -> None:
    """A unique index built CONCURRENTLY, and the constraint made of it; of a partitioned table by partition.

    https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
    """
    name = chooser.name(constraint)
    table = relation_name(relation)
    if constraint.contype == tree.CONSTR_PRIMARY:
        script.note("only for columns that are not NOT NULL yet:")
        for column in constraint.keys:
            add_not_null(script, table, column.string.sval, chooser, checked=False)
    if partitions is not None:
        _build_on_partitions(script, relation, constraint, name, partitions)
        return
    _build(script, relation, constraint, name)
    script.add(constraint_of_index(relation, constraint, name, name), OWN)


def in_schema(relation: Any, name: str) -> str:
    """An object of this name in the relation's schema, where the statement names that."""
    return (
        f"{identifier(relation.schemaname)}.{identifier(name)}" if relation.schemaname else identifier(name)
    )


def _build_on_partitions(
    script: Script, relation: Any, constraint: Any, name: str, partitions: Sequence[str]
) -> None:
    """The parent's constraint as an empty shell, which each partition's own is then put into."""
    only = copy_of(relation)
    only.inh = False
    named = copy_of(constraint)
    named.conname = name
    script.add(_add_constraint(only, named))
    for partition in partitions:
        part = copy_of(relation)
        part.schemaname, _, part.relname = partition.rpartition(".")
        own = NameChooser(part.relname).free(*_parts(constraint))
        _build(script, part, constraint, own)
        script.add(constraint_of_index(part, constraint, own, own), OWN)
        script.add(f"ALTER INDEX {in_schema(relation, name)} ATTACH PARTITION {in_schema(part, own)}")


def refer_by_partition(
    script: Script, relation: Any, constraint: Any, name: str, partitions: Sequence[str]
) -> None:
    """A foreign key of a partitioned table that takes no NOT VALID one, as before 18: by partition first.

    The table's own then takes theirs over, and reads no row.
    https://www.postgresql.org/docs/18/release-18.html
    """
    for partition in partitions:
        part = copy_of(relation)
        part.schemaname, _, part.relname = partition.rpartition(".")
        script.add(_add_constraint(part, not_valid(constraint, name)), OWN)
        validate(script, relation_name(part), name)
    named = copy_of(constraint)
    named.conname = name
    script.add(_add_constraint(relation, named), OWN)


def _build(script: Script, relation: Any, constraint: Any, name: str) -> None:
    again = f"DROP INDEX CONCURRENTLY {in_schema(relation, name)}"
    script.add(
        sql_of("index_stmt", unique_index(relation, constraint, name)),
        f"{OUTSIDE}; if it fails it leaves an INVALID index, to be dropped before it is tried again: {again}",
    )


def _add_constraint(relation: Any, constraint: Any) -> str:
    added = tree.AlterTableStmt(objtype=tree.OBJECT_TABLE)
    added.relation.CopyFrom(relation)
    command = added.cmds.add().alter_table_cmd
    command.subtype = tree.AT_AddConstraint
    getattr(command, "def").constraint.CopyFrom(constraint)
    return sql_of("alter_table_stmt", added)


def constraint_of_index(relation: Any, constraint: Any, name: str, index: str) -> str:
    """ADD CONSTRAINT … USING INDEX, which gives the index the constraint's name."""
    made = copy_of(constraint)
    for field in ("keys", "including", "options", "indexspace", "nulls_not_distinct"):
        made.ClearField(field)
    made.conname, made.indexname = name, index
    return _add_constraint(relation, made)


def unique_index(relation: Any, constraint: Any, name: str) -> Any:
    """The index of a primary key or unique constraint, built CONCURRENTLY under this name."""
    index = tree.IndexStmt(idxname=name, unique=True, concurrent=True, access_method="btree")
    index.relation.CopyFrom(relation)
    for columns, params in (
        (constraint.keys, index.index_params),
        (constraint.including, index.index_including_params),
    ):
        for column in columns:
            element = params.add().index_elem
            element.name = column.string.sval
            element.ordering = tree.SORTBY_DEFAULT
            element.nulls_ordering = tree.SORTBY_NULLS_DEFAULT
    index.options.extend(constraint.options)
    index.table_space = constraint.indexspace
    index.nulls_not_distinct = constraint.nulls_not_distinct
    return index


def apply_attributes(constraints: list[Any]) -> list[Any]:
    """A column's constraints, each with the DEFERRABLE that follows it as a node of its own."""
    found: list[Any] = []
    for constraint in constraints:
        if constraint.contype == tree.CONSTR_ATTR_DEFERRABLE and found:
            found[-1].deferrable = True
        elif constraint.contype == tree.CONSTR_ATTR_DEFERRED and found:
            found[-1].deferrable = found[-1].initdeferred = True
        elif constraint.contype not in (tree.CONSTR_ATTR_NOT_DEFERRABLE, tree.CONSTR_ATTR_IMMEDIATE):
            found.append(copy_of(constraint))
    return found


def is_volatile(node: Any) -> bool:
    """Whether a default may give each row another value, as far as its text says.

    The date of a transaction is the same for all of its rows and so is stored once; what other functions do
    is for the server to say, and it has: this is asked only where it wrote the table anew.
    """
    return any(
        call.funcname[-1].string.sval not in ("now", "transaction_timestamp", "statement_timestamp")
        for call in messages(node, "FuncCall")
    )
