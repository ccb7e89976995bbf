"""Partitions attached without a scan: a validated CHECK proves that their rows fit the bounds.

https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bench.analyse.names import identifier
from bench.analyse.remedies.constraints import validate
from bench.analyse.remedies.script import OWN, Script
from bench.analyse.remedies.tree import code_of, expression, object_name, relation_name, statement_of, tree

_KEY = re.compile(r"(RANGE|LIST) \((.+)\)", re.DOTALL)
_STRATEGIES = {
    tree.PARTITION_STRATEGY_RANGE: "RANGE",
    tree.PARTITION_STRATEGY_LIST: "LIST",
}


def attach_checked(text: str, partitioned_by: Mapping[str, str], texts: Iterable[str]) -> str | None:
    """The ATTACH PARTITION of this text after a CHECK of its bounds; None where they cannot be told.

    ``partitioned_by``: table, with its schema → its key; ``texts``: the statements before, one of which
    may have created the parent. Bounds over one column or expression alone.
    """
    found = statement_of(text)
    if found is None or found[0] != "alter_table_stmt" or len(found[1].cmds) != 1:
        return None
    command = found[1].cmds[0].alter_table_cmd
    if command.subtype != tree.AT_AttachPartition:
        return None
    attached = getattr(command, "def").partition_cmd
    key = _key(found[1].relation, partitioned_by, texts)
    bounds = _bounds(attached.bound, key) if key else None
    if bounds is None:
        return None
    table = relation_name(attached.name)
    name = object_name(attached.name.relname, None, "bounds")
    script = Script()
    script.add(f"ALTER TABLE {table} ADD CONSTRAINT {identifier(name)} CHECK ({bounds}) NOT VALID")
    validate(script, table, name)
    script.add(code_of(text).rstrip(";"), OWN)
    script.add(f"ALTER TABLE {table} DROP CONSTRAINT {identifier(name)}")
    return script.text


def _key(parent: Any, partitioned_by: Mapping[str, str], texts: Iterable[str]) -> str | None:
    """Strategy and expression, ``RANGE (created_at)``."""
    for name, key in partitioned_by.items():
        schema, _, table = name.partition(".")
        if table == parent.relname and parent.schemaname in ("", schema):
            return key
    for text in texts:
        found = statement_of(text) if "partition" in text.lower() else None
        if found is None or found[0] != "create_stmt" or not found[1].HasField("partspec"):
            continue
        if found[1].relation.relname == parent.relname:
            spec = found[1].partspec
            parts = [each.partition_elem for each in spec.part_params]
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
        values = [each for each in bound.listdatums if not each.a_const.isnull]
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
