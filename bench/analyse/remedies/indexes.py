"""Indexes built, built again and dropped, and materialized views refreshed, while their table is in use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from postgast import PgQueryError, parse_plpgsql

from bench.analyse.remedies.script import LOCK_TIMEOUT, OUTSIDE, Script
from bench.sql.names import identifier, quoted
from bench.sql.tree import (
    copy_of,
    object_name,
    relation_name,
    sql_of,
    statement_of,
    tree,
)


def create_concurrently(text: str, partitions: Sequence[str] = ()) -> str | None:
    """The CREATE INDEX of this text without a lock that blocks writes; None where it is none.

    Of a partitioned table each partition is built by itself: the parent refuses CONCURRENTLY.
    https://www.postgresql.org/docs/current/ddl-partitioning.html
    """
    node = statement_of(text)
    if node is None or node[0] != "index_stmt":
        return None
    index = node[1]
    if index.access_method == "btree":
        index.access_method = ""
    script = Script()
    if not partitions:
        index.concurrent = True
        if index.if_not_exists and index.idxname:
            schema = f"{identifier(index.relation.schemaname)}." if index.relation.schemaname else ""
            script.add(*without_invalid(f"{schema}{identifier(index.idxname)}"))
        script.add(sql_of("index_stmt", index), OUTSIDE)
        return script.text
    name = index.idxname = index.idxname or _server_name(index)
    index.relation.inh = False
    parent = f"{identifier(index.relation.schemaname)}." if index.relation.schemaname else ""
    script.add(sql_of("index_stmt", index))
    for partition in partitions:
        schema, _, table = partition.rpartition(".")
        part = copy_of(index)
        part.relation.schemaname, part.relation.relname, part.relation.inh = schema, table, True
        part.idxname = _server_name(part)
        part.concurrent = True
        script.add(sql_of("index_stmt", part), OUTSIDE)
        owner = f"{identifier(schema)}." if schema else ""
        script.add(
            f"ALTER INDEX {parent}{identifier(name)} ATTACH PARTITION {owner}{identifier(part.idxname)}"
        )
    return script.text


def without_invalid(name: str) -> tuple[str, str]:
    """The statement that drops an index of this name where it is INVALID, and why; a valid one stays."""
    literal = name.replace("'", "''")
    return (
        f"""\
DO $invalid$ BEGIN
    SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';
    IF EXISTS (SELECT FROM pg_catalog.pg_index
                WHERE indexrelid = to_regclass('{literal}') AND NOT indisvalid) THEN
        DROP INDEX {name};
    END IF;
END $invalid$""",
        "a build that failed leaves an INVALID index, which IF NOT EXISTS would keep",
    )


def _server_name(index: Any) -> str:
    """The name that the server would choose, as ChooseIndexName has it."""
    statement = copy_of(index)
    elements = [item.index_elem for item in (*statement.index_params, *statement.index_including_params)]
    columns = "_".join(element.name or _expression_name(element.expr) for element in elements)
    return object_name(statement.relation.relname, columns, "idx")


def _expression_name(node: Any) -> str:
    """As FigureIndexColname has it: a function's name, else ``expr``."""
    if node.HasField("func_call"):
        return str(node.func_call.funcname[-1].string.sval)
    return "expr"


def name_of_index(text: str) -> str | None:
    """The index that a CREATE INDEX names, with its table's schema if written; None where it names none."""
    node = statement_of(text)
    if node is None or node[0] != "index_stmt" or not node[1].idxname:
        return None
    schema = node[1].relation.schemaname
    return f"{identifier(schema)}.{identifier(node[1].idxname)}" if schema else identifier(node[1].idxname)


def indexes_in_block(text: str, table: str) -> str | None:
    """The CREATE INDEX statements on a table inside a DO block, each CONCURRENTLY; None without one."""
    node = statement_of(text)
    if node is None or node[0] != "do_stmt":
        return None
    try:
        body = parse_plpgsql(text)
    except (PgQueryError, json.JSONDecodeError, RecursionError):
        return None
    scripts = [create_concurrently(query) for query in _queries(body) if _builds_on(query, table)]
    return "\n".join(script for script in scripts if script) or None


def _queries(node: Any) -> Iterator[str]:
    """The SQL of a PL/pgSQL tree, that of EXECUTE with a constant too."""
    if isinstance(node, dict):
        for name, child in node.items():
            if name == "query" and isinstance(child, str):
                yield _constant(child) or child
            else:
                yield from _queries(child)
    elif isinstance(node, list):
        for child in node:
            yield from _queries(child)


def _constant(query: str) -> str | None:
    """The string that an expression is, where it is nothing but a string."""
    node = statement_of(f"SELECT {query}") if query.startswith(("'", "$", "E'")) else None
    value = node[1].target_list[0].res_target.val if node is not None and node[1].target_list else None
    return str(value.a_const.sval.sval) if value is not None and value.HasField("a_const") else None


def _builds_on(query: str, table: str) -> bool:
    node = statement_of(query)
    if node is None or node[0] != "index_stmt":
        return False
    relation = node[1].relation
    schema, _, name = table.partition(".")
    return bool(relation.relname == name and relation.schemaname in ("", schema))


def drop_concurrently(text: str) -> str | None:
    """DROP INDEX CONCURRENTLY, one by one and without CASCADE; None where it is that already."""
    node = statement_of(text)
    if node is None or node[0] != "drop_stmt" or node[1].remove_type != tree.OBJECT_INDEX:
        return None
    if node[1].concurrent:
        return None
    script = Script()
    for item in node[1].objects:
        drop = copy_of(node[1])
        del drop.objects[:]
        drop.objects.add().CopyFrom(item)
        drop.concurrent = True
        drop.behavior = tree.DROP_RESTRICT
        script.add(sql_of("drop_stmt", drop), OUTSIDE)
    return script.text


def reindex_concurrently(text: str, table: str, indexes: Sequence[str]) -> str:
    """REINDEX … CONCURRENTLY: as the text has it, else of the indexes that were built, else of the table."""
    node = statement_of(text)
    script = Script()
    if node is not None and node[0] == "reindex_stmt":
        # The form that every version since 12 knows; among the options only 14 and newer do.
        target = r"\b(INDEX|TABLE|SCHEMA|DATABASE|SYSTEM)\b"
        script.add(re.sub(target, r"\1 CONCURRENTLY", sql_of("reindex_stmt", node[1]), count=1), OUTSIDE)
    elif indexes:
        for index in indexes:
            script.add(f"REINDEX INDEX CONCURRENTLY {quoted(index)}", OUTSIDE)
    else:
        script.add(f"REINDEX TABLE CONCURRENTLY {quoted(table)}", OUTSIDE)
    return script.text


def refresh_concurrently(text: str) -> str | None:
    """REFRESH MATERIALIZED VIEW CONCURRENTLY; None where it is no refresh, or one WITH NO DATA."""
    node = statement_of(text)
    if node is None or node[0] != "refresh_mat_view_stmt" or node[1].skip_data:
        return None
    node[1].concurrent = True
    script = Script()
    script.note(
        "needs a unique index of plain columns, once: "
        f"CREATE UNIQUE INDEX ON {relation_name(node[1].relation)} (…)"
    )
    script.add(sql_of("refresh_mat_view_stmt", node[1]))
    return script.text
