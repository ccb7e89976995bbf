"""Queries that list the rows which a statement would fail on, from the statement that failed."""

from __future__ import annotations

from typing import Any

from bench.analyse.remedies.batches import Keys
from bench.analyse.remedies.constraints import apply_attributes
from bench.sql.names import identifier
from bench.sql.tree import expression, relation_name, statement_of, tree, type_name

_TYPE_CHECK_VERSION = 160000
"""``pg_input_is_valid``."""


def offending_rows(text: str, sqlstate: str, keys: Keys, version_num: int) -> str | None:
    """A query for the rows that a constraint, unique index or cast refuses; None where it is not plain."""
    tagged = statement_of(text)
    if tagged is None:
        return None
    node, statement = tagged
    if node == "index_stmt" and sqlstate == "23505":
        return _duplicates_of_index(statement)
    if node != "alter_table_stmt":
        return None
    table = relation_name(statement.relation)
    for command in statement.cmds:
        query = _of_command(table, command.alter_table_cmd, sqlstate, keys, version_num)
        if query is not None:
            return query
    return None


def _of_command(table: str, command: Any, sqlstate: str, keys: Keys, version_num: int) -> str | None:
    definition = getattr(command, "def")
    if command.subtype == tree.AT_SetNotNull and sqlstate == "23502":
        return f"SELECT * FROM {table} WHERE {identifier(command.name)} IS NULL"
    if command.subtype == tree.AT_AddConstraint:
        return _of_constraint(table, definition.constraint, sqlstate, keys)
    if command.subtype == tree.AT_AddColumn:
        constraints = apply_attributes(
            [constraint.constraint for constraint in definition.column_def.constraints]
        )
        found = (
            _of_constraint(table, constraint, sqlstate, keys)
            for constraint in constraints
            if constraint.fk_attrs
        )
        return next((text for text in found if text), None)
    if command.subtype == tree.AT_AlterColumnType and sqlstate.startswith("22"):
        column = definition.column_def
        if version_num < _TYPE_CHECK_VERSION or column.HasField("raw_default"):
            return None
        name, kind = identifier(command.name), type_name(column.type_name).replace("'", "''")
        return f"SELECT * FROM {table} WHERE NOT pg_input_is_valid({name}::text, '{kind}')"
    return None


def _of_constraint(table: str, constraint: Any, sqlstate: str, keys: Keys) -> str | None:
    if constraint.contype == tree.CONSTR_CHECK and sqlstate == "23514":
        return f"SELECT * FROM {table} WHERE NOT ({expression(constraint.raw_expr)})"
    if constraint.contype in (tree.CONSTR_UNIQUE, tree.CONSTR_PRIMARY):
        columns = [identifier(key.string.sval) for key in constraint.keys]
        if sqlstate == "23505" and columns:
            return _duplicates(table, columns)
        if sqlstate == "23502" and columns:
            return f"SELECT * FROM {table} WHERE {' OR '.join(f'{name} IS NULL' for name in columns)}"
    if constraint.contype == tree.CONSTR_FOREIGN and sqlstate == "23503":
        return _orphans(table, constraint, keys)
    return None


def _orphans(table: str, constraint: Any, keys: Keys) -> str | None:
    parent = relation_name(constraint.pktable)
    referring = [identifier(attr.string.sval) for attr in constraint.fk_attrs]
    named = [attr.string.sval for attr in constraint.pk_attrs]
    full = (name for name in keys if name.partition(".")[2] == constraint.pktable.relname)
    referred = [identifier(name) for name in named or keys.get(next(full, ""), ())]
    if not referring or len(referring) != len(referred):
        return None
    present = " AND ".join(f"child.{name} IS NOT NULL" for name in referring)
    same = " AND ".join(
        f"parent.{theirs} = child.{ours}" for theirs, ours in zip(referred, referring, strict=True)
    )
    return (
        f"SELECT child.* FROM {table} AS child WHERE {present} "
        f"AND NOT EXISTS (SELECT FROM {parent} AS parent WHERE {same})"
    )


def _duplicates_of_index(index: Any) -> str:
    elements = [param.index_elem for param in index.index_params]
    columns = [identifier(element.name) if element.name else expression(element.expr) for element in elements]
    condition = expression(index.where_clause) if index.HasField("where_clause") else None
    return _duplicates(relation_name(index.relation), columns, condition)


def _duplicates(table: str, columns: list[str], condition: str | None = None) -> str:
    grouped = ", ".join(columns)
    terms = [f"({column}) IS NOT NULL" for column in columns] + ([f"({condition})"] if condition else [])
    return (
        f"SELECT {grouped}, count(*) FROM {table} WHERE {' AND '.join(terms)} "
        f"GROUP BY {', '.join(map(str, range(1, len(columns) + 1)))} HAVING count(*) > 1"
    )
