"""Partitions attached without a scan: a validated CHECK proves that their rows fit the bounds.

https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from bench.analyse.remedies.constraints import validate
from bench.analyse.remedies.script import OWN, Remedy, Script
from bench.sql.names import identifier, quoted
from bench.sql.tree import (
    code_of,
    copy_of,
    expression,
    object_name,
    relation_name,
    sql_of,
    statement_of,
    tree,
)

_KEY = re.compile(r"(RANGE|LIST) \((.+)\)", re.DOTALL)
_STRATEGIES = {
    tree.PARTITION_STRATEGY_RANGE: "RANGE",
    tree.PARTITION_STRATEGY_LIST: "LIST",
}


def attach_checked(
    text: str,
    partitioned_by: Mapping[str, str],
    texts: Iterable[str],
    default_partition: Mapping[str, str] = MappingProxyType({}),
) -> str | None:
    """The ATTACH PARTITION of this text after a CHECK of its bounds; None where they cannot be told.

    ``partitioned_by``: table, with its schema → its key; ``texts``: the statements before, one of which
    may have created the parent. Bounds over one column or expression alone. A default partition is read too,
    unless a CHECK proves that none of its rows fits the bounds.
    """
    node = statement_of(text)
    if node is None or node[0] != "alter_table_stmt" or len(node[1].cmds) != 1:
        return None
    command = node[1].cmds[0].alter_table_cmd
    if command.subtype != tree.AT_AttachPartition:
        return None
    attached = getattr(command, "def").partition_cmd
    key = _key(node[1].relation, partitioned_by, texts)
    bounds = _bounds(attached.bound, key) if key else None
    if bounds is None:
        return None
    default = _of_parent(node[1].relation, default_partition)
    script = Script()
    checks = [(relation_name(attached.name), bounds), *_opposite(default, bounds)]
    dropped = _checked(script, checks)
    script.add(code_of(text).rstrip(";"), OWN)
    script.append(dropped)
    return script.text


def create_and_attach(
    text: str, partitioned_by: Mapping[str, str], default_partition: Mapping[str, str]
) -> Remedy | None:
    """CREATE TABLE … PARTITION OF as a table of its own that is attached then; None where it is no such text.

    ATTACH PARTITION takes SHARE UPDATE EXCLUSIVE on the parent, PARTITION OF takes ACCESS EXCLUSIVE.
    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-ATTACH-PARTITION
    """
    node = statement_of(text)
    if node is None or node[0] != "create_stmt" or not node[1].HasField("partbound"):
        return None
    made = node[1]
    parent = made.inh_relations[0].range_var
    default = _of_parent(parent, default_partition)
    key = _key(parent, partitioned_by, ())
    bounds = _bounds(made.partbound, key) if key else None
    say = f"Create the table by itself and attach it: reads and writes of {relation_name(parent)} then go on."
    if default:
        say += f" First have a CHECK validated that no row of {quoted(default)} fits, so that it is not read."
    if made.table_elts or made.HasField("partspec") or made.partbound.is_default or (default and not bounds):
        return Remedy(say)
    script = Script()
    script.add(_alone(made, parent))
    dropped = _checked(script, _opposite(default, bounds or ""))
    attach = tree.AlterTableStmt(objtype=tree.OBJECT_TABLE)
    attach.relation.CopyFrom(parent)
    command = attach.cmds.add().alter_table_cmd
    command.subtype, command.behavior = tree.AT_AttachPartition, tree.DROP_RESTRICT
    attached = getattr(command, "def").partition_cmd
    attached.name.CopyFrom(made.relation)
    attached.bound.CopyFrom(made.partbound)
    script.add(sql_of("alter_table_stmt", attach), OWN)
    script.append(dropped)
    return Remedy(say, script.text)


def _alone(made: Any, parent: Any) -> str:
    """CREATE TABLE with what a partition takes from its parent, and without what it does not."""
    alone = copy_of(made)
    alone.ClearField("partbound")
    del alone.inh_relations[:]
    like = "LIKE %s INCLUDING ALL EXCLUDING IDENTITY EXCLUDING COMMENTS EXCLUDING STATISTICS"
    template = statement_of(f"CREATE TABLE t ({like % relation_name(parent)})")
    assert template is not None
    alone.table_elts.extend(template[1].table_elts)
    return sql_of("create_stmt", alone)


def _opposite(default: str | None, bounds: str) -> list[tuple[str, str]]:
    return [(quoted(default), f"NOT ({bounds})")] if default else []


def _checked(script: Script, checks: Iterable[tuple[str, str]]) -> str:
    """Have each CHECK validated; returns the statements that take them away again."""
    dropped = Script()
    for table, condition in checks:
        name = object_name(_bare(table), None, "bounds")
        script.add(f"ALTER TABLE {table} ADD CONSTRAINT {identifier(name)} CHECK ({condition}) NOT VALID")
        validate(script, table, name)
        dropped.add(f"ALTER TABLE {table} DROP CONSTRAINT {identifier(name)}")
    return dropped.text


def _bare(table: str) -> str:
    """The name of a table without its schema and quotes."""
    node = statement_of(f"TABLE {table}")
    assert node is not None
    return str(node[1].from_clause[0].range_var.relname)


def _of_parent(parent: Any, by_table: Mapping[str, str]) -> str | None:
    """What is known of a partitioned table, as a statement names it."""
    for name, value in by_table.items():
        schema, _, table = name.partition(".")
        if table == parent.relname and parent.schemaname in ("", schema):
            return value
    return None


def _key(parent: Any, partitioned_by: Mapping[str, str], texts: Iterable[str]) -> str | None:
    """Strategy and expression, ``RANGE (created_at)``."""
    if known := _of_parent(parent, partitioned_by):
        return known
    for text in texts:
        node = statement_of(text) if "partition" in text.lower() else None
        if node is None or node[0] != "create_stmt" or not node[1].HasField("partspec"):
            continue
        if node[1].relation.relname == parent.relname:
            spec = node[1].partspec
            parts = [param.partition_elem for param in spec.part_params]
            columns = [identifier(part.name) if part.name else f"({expression(part.expr)})" for part in parts]
            strategy = _STRATEGIES.get(spec.strategy)
            return f"{strategy} ({columns[0]})" if strategy and len(columns) == 1 else None
    return None


def _bounds(bound: Any, key: str) -> str | None:
    """The condition that the rows of a partition fulfil."""
    matched = _KEY.fullmatch(key)
    if matched is None or bound.is_default or "," in matched[2]:
        return None
    column = matched[2]
    if matched[1] == "LIST":
        values = [listdatum for listdatum in bound.listdatums if not listdatum.a_const.isnull]
        listed = f"{column} IN ({', '.join(map(expression, values))})" if values else "false"
        with_null = len(values) < len(bound.listdatums)
        return f"{column} IS NULL OR {listed}" if with_null else f"{column} IS NOT NULL AND {listed}"
    if len(bound.lowerdatums) != 1 or len(bound.upperdatums) != 1:
        return None
    conditions = [f"{column} IS NOT NULL"]
    for datum, operator, open_end in (
        (bound.lowerdatums[0], ">=", "minvalue"),
        (bound.upperdatums[0], "<", "maxvalue"),
    ):
        if not _is_word(datum, open_end):
            conditions.append(f"{column} {operator} {expression(datum)}")
    return " AND ".join(conditions)


def _is_word(datum: Any, word: str) -> bool:
    return datum.HasField("column_ref") and bool(datum.column_ref.fields[0].string.sval == word)
