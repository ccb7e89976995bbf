"""Parse trees of statements (libpg_query), and the SQL of what was changed in them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from postgast import PgQueryError, deparse, parse, scan, split
from postgast import pg_query_pb2 as tree

from bench.sql.names import identifier

__all__ = [
    "alter_table_lines",
    "code_of",
    "column_names",
    "copy_of",
    "expression",
    "messages",
    "relation_name",
    "sql_of",
    "statement_of",
    "tree",
]

LONGEST_NAME = 63
"""Bytes of an identifier, NAMEDATALEN - 1."""
_PARSED_CHARACTERS = 200_000


@lru_cache(maxsize=256)
def _parsed(text: str) -> Any | None:
    if len(text) > _PARSED_CHARACTERS:
        return None
    try:
        result = parse(text)
    except (PgQueryError, DecodeError):
        return None
    return result if len(result.stmts) == 1 else None


def statement_of(text: str) -> tuple[str, Any] | None:
    """Kind and node of a statement, for example ``index_stmt``; None where the grammar refuses the text.

    The node is a copy: it may be changed, and :func:`sql_of` makes SQL of it again.
    """
    result = _parsed(text)
    if result is None:
        return None
    node = result.stmts[0].stmt.WhichOneof("node")
    return (node, copy_of(getattr(result.stmts[0].stmt, node))) if node else None


def copy_of(message: Any) -> Any:
    """A copy that may be changed."""
    twin = type(message)()
    twin.CopyFrom(message)
    return twin


def sql_of(node: str, statement: Any) -> str:
    """The SQL of one statement, without a semicolon."""
    result = tree.ParseResult()
    getattr(result.stmts.add().stmt, node).CopyFrom(statement)
    return str(deparse(result))


def code_of(text: str) -> str:
    """A statement's text without the comments before it, its further lines moved left with the first."""
    try:
        tokens = scan(text).tokens
    except PgQueryError:
        return text.strip()
    code = next((token for token in tokens if token.token not in (tree.SQL_COMMENT, tree.C_COMMENT)), None)
    if code is None:
        return text.strip()
    before = text.encode()[: code.start].decode()
    indent = before[before.rfind("\n") + 1 :]
    return text[len(before) :].replace("\n" + indent, "\n").strip() if indent else text[len(before) :].strip()


def alter_table_lines(statement: Any) -> str:
    """The SQL of an ALTER TABLE, each of several commands on a line of its own."""
    head = "ALTER TABLE " + ("IF EXISTS " if statement.missing_ok else "")
    head += ("" if statement.relation.inh else "ONLY ") + relation_name(statement.relation) + " "
    parts: list[str] = []
    for command in statement.cmds:
        alone = copy_of(statement)
        del alone.cmds[:]
        alone.cmds.add().CopyFrom(command)
        parts.append(sql_of("alter_table_stmt", alone))
    if len(parts) == 1 or not all(part.startswith(head) for part in parts):
        return sql_of("alter_table_stmt", statement)
    return f"{head.rstrip()}\n    " + ",\n    ".join(part.removeprefix(head) for part in parts)


def expression(node: Any) -> str:
    """The SQL of an expression."""
    select = tree.SelectStmt(limit_option=tree.LIMIT_OPTION_DEFAULT, op=tree.SETOP_NONE)
    select.target_list.add().res_target.val.CopyFrom(node)
    return sql_of("select_stmt", select).removeprefix("SELECT ")


def type_name(node: Any) -> str:
    """The SQL of a type's name."""
    cast = tree.Node()
    cast.type_cast.arg.a_const.isnull = True
    cast.type_cast.type_name.CopyFrom(node)
    text = expression(cast)
    return text.removeprefix("NULL::") if text.startswith("NULL::") else text[len("CAST(NULL AS ") : -1]


def relation_name(range_var: Any) -> str:
    """A relation as the statement names it, in quotes where it needs them."""
    parts = [part for part in (range_var.schemaname, range_var.relname) if part]
    return ".".join(map(identifier, parts))


def messages(message: Any, type_name: str) -> Iterator[Any]:
    """Every message of a type below another, in the order of the tree."""
    if message.DESCRIPTOR.name == type_name:
        yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in value if field.is_repeated else (value,):
                yield from messages(child, type_name)


def column_names(node: Any) -> tuple[str, ...]:
    """The columns that an expression names without a table, each once."""
    names = [ref.fields[-1].string.sval for ref in messages(node, "ColumnRef") if ref.fields]
    return tuple(dict.fromkeys(name for name in names if name))


def object_name(table: str, addition: str | None, label: str) -> str:
    """The name that the server chooses for a constraint or index without one, where it is free.

    As makeObjectName of ``src/backend/commands/indexcmds.c``: the longer part gives way, by bytes.
    """
    parts = [table.encode(), (addition or "").encode()]
    room = LONGEST_NAME - len(label.encode()) - 1 - (1 if addition else 0)
    while sum(map(len, parts)) > room:
        longer = 0 if len(parts[0]) > len(parts[1]) else 1
        parts[longer] = parts[longer][:-1]
    names = [part.decode(errors="ignore") for part in parts if part]
    return "_".join([*names, label])


PARSER_VERSION_NUM = 180000
"""The grammar's server version; a newer server may accept what it refuses."""


def error_in(text: str) -> PgQueryError | None:
    """The grammar's refusal; its ``cursorpos`` counts characters from 1, 0 where it is not known."""
    try:
        split(text, method="parser")
    except PgQueryError as error:
        return error
    return None
