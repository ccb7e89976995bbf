"""The SQL in the body of a DO block or a function, and the commands that it puts together for EXECUTE."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError
from postgast import PgQueryError, parse, parse_plpgsql
from postgast import pg_query_pb2 as tree

MYSELF = "\x01myself"
"""Stands for the session's own role in a command that a body puts together."""
MY_DATABASE = "\x01mydatabase"
"""Stands for the session's own database there."""
_UNKNOWN = "\x01unknown"
_FORMAT = re.compile(r"%(?:\d+\$)?(?:-?\d*)?([sIL%])")
_ASSIGNED = re.compile(r"\s*(?P<name>[\w.\"]+)(?:\[[^\]]*\])?\s*:?=\s*(?P<value>.*)", re.DOTALL)
_MY_VALUES = (
    tree.SVFOP_CURRENT_USER, tree.SVFOP_USER, tree.SVFOP_SESSION_USER, tree.SVFOP_CURRENT_ROLE,
)  # fmt: skip
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def commands_in(text: str, node: Any) -> Iterator[str]:
    """The statements in a body, given the text and the node of its DO, CREATE FUNCTION or PROCEDURE.

    Parts that are not known beforehand stand in them as a name. A body that PL/pgSQL's parser refuses is
    given whole, without comments; one in another language than SQL and PL/pgSQL not at all.
    """
    given = node.options if node.DESCRIPTOR.name == "CreateFunctionStmt" else node.args
    options = {option.def_elem.defname: option.def_elem.arg for option in given}
    language = options["language"].string.sval.lower() if "language" in options else "plpgsql"
    body = _body(options.get("as"))
    if body is None or language not in ("sql", "plpgsql"):
        return
    if language == "sql":
        yield body
        return
    try:
        parsed = parse_plpgsql(text)
    except (PgQueryError, json.JSONDecodeError, RecursionError, DecodeError):
        yield _COMMENT.sub("", body)
        return
    yield from _Body(parsed).commands()


def _body(node: Any) -> str | None:
    if node is None:
        return None
    if node.WhichOneof("node") == "list":
        return str(node.list.items[0].string.sval) if node.list.items else None
    return str(node.string.sval)


class _Body:
    """A parsed body: its static statements, and what it may EXECUTE."""

    def __init__(self, parsed: Any) -> None:
        self._parsed = parsed
        held: dict[str, set[str]] = {}
        for name, value in self._assigned():
            held.setdefault(name, set()).add(_value(value, {}))
        self._known = {
            name: next(iter(values))
            for name, values in held.items()
            if len(values) == 1 and values <= {MYSELF, MY_DATABASE}
        }

    def commands(self) -> Iterator[str]:
        dynamic = list(self._dynamic())
        yield from dynamic
        for kind, expression in _expressions(self._parsed):
            if kind == "dynamic":
                continue
            match = _ASSIGNED.fullmatch(expression) if kind == "assign" else None
            yield expression if kind == "statement" else f"SELECT {match['value'] if match else expression}"
        if any(_UNKNOWN in command[: len(_UNKNOWN) + 1] for command in dynamic):
            yield from self._possible()

    def _dynamic(self) -> Iterator[str]:
        for kind, expression in _expressions(self._parsed):
            if kind == "dynamic":
                yield _value(expression, self._known)

    def _possible(self) -> Iterator[str]:
        """What a variable may hold that is executed: whatever constants the body has."""
        for kind, expression in _expressions(self._parsed):
            match = _ASSIGNED.fullmatch(expression) if kind == "assign" else None
            if match is not None:
                yield _value(match["value"], self._known)
            for constant in _constants(expression if kind == "statement" else f"SELECT {expression}"):
                if " " in constant.strip():
                    yield constant

    def _assigned(self) -> Iterator[tuple[str, str]]:
        for kind, expression in _expressions(self._parsed):
            if kind == "assign" and (match := _ASSIGNED.fullmatch(expression)) is not None:
                yield match["name"].lower(), match["value"]
            elif kind.startswith("default "):
                yield kind.removeprefix("default ").lower(), expression


def _expressions(node: Any, kind: str = "expression") -> Iterator[tuple[str, str]]:
    """Every expression of a body with what it is: statement, dynamic, assign, ``default <name>``, expression.

    What RAISE prints is left out.
    """
    if isinstance(node, list):
        for part in node:
            yield from _expressions(part, kind)
        return
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        if name == "PLpgSQL_expr":
            yield kind, value.get("query", "")
        elif name == "PLpgSQL_stmt_raise":
            continue
        elif name == "PLpgSQL_var":
            yield from _expressions(value.get("default_val"), f"default {value.get('refname', '')}")
            yield from _expressions(value.get("cursor_explicit_expr"), "statement")
        elif name in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"):
            yield from _expressions(value.get("query"), "dynamic")
            yield from _expressions({key: rest for key, rest in value.items() if key != "query"})
        elif name == "dynquery":
            yield from _expressions(value, "dynamic")
        elif name == "PLpgSQL_stmt_assign":
            yield from _expressions(value.get("expr"), "assign")
        elif name in ("sqlstmt", "PLpgSQL_stmt_perform", "PLpgSQL_stmt_call", "PLpgSQL_stmt_fors"):
            yield from _expressions(value, "statement")
        elif name == "body":
            yield from _expressions(value)
        else:
            yield from _expressions(value, "expression" if name.startswith("PLpgSQL_stmt") else kind)


def _value(expression: str, known: dict[str, str]) -> str:
    """The text that an expression makes, with a name for every part that is not known beforehand."""
    try:
        select = parse(f"SELECT {expression}").stmts[0].stmt.select_stmt
        return _text(select.target_list[0].res_target.val, known)
    except (PgQueryError, DecodeError, IndexError, RecursionError):
        return _UNKNOWN


def _text(node: Any, known: dict[str, str]) -> str:
    kind = node.WhichOneof("node")
    if kind == "a_const":
        constant = node.a_const
        return str(constant.sval.sval) if constant.WhichOneof("val") == "sval" else _UNKNOWN
    if kind == "type_cast":
        return _text(node.type_cast.arg, known)
    if kind == "sqlvalue_function":
        if node.sqlvalue_function.op == tree.SVFOP_CURRENT_CATALOG:
            return MY_DATABASE
        return MYSELF if node.sqlvalue_function.op in _MY_VALUES else _UNKNOWN
    if kind == "column_ref" and len(node.column_ref.fields) == 1:
        return known.get(node.column_ref.fields[0].string.sval.lower(), _UNKNOWN)
    if kind == "a_expr" and [name.string.sval for name in node.a_expr.name] == ["||"]:
        sides = (_text(side, known) for side in (node.a_expr.lexpr, node.a_expr.rexpr))
        return "".join(_quoted(side) for side in sides)
    if kind == "func_call":
        return _called(node.func_call, known)
    return _UNKNOWN


def _quoted(part: str) -> str:
    """A part that stands for a name, as a name."""
    return f'"{part}"' if part in (_UNKNOWN, MYSELF, MY_DATABASE) else part


def _called(call: Any, known: dict[str, str]) -> str:
    name = call.funcname[-1].string.sval
    values = [_text(argument, known) for argument in call.args]
    if name == "current_database":
        return MY_DATABASE
    if name == "quote_ident" and values:
        return _quoted(values[0]) if values[0].startswith("\x01") else f'"{values[0]}"'
    if name == "quote_literal":
        return "''"
    if name == "concat":
        return "".join(_quoted(value) for value in values)
    if name != "format" or not values:
        return _UNKNOWN
    rest = iter(values[1:])

    def filled(place: re.Match[str]) -> str:
        if place[1] == "%":
            return "%"
        value = next(rest, _UNKNOWN)
        if place[1] == "L":
            return "''"
        return f'"{value}"' if place[1] == "I" or value.startswith("\x01") else value

    return _FORMAT.sub(filled, values[0])


def _constants(text: str) -> Iterator[str]:
    """The string constants of a statement."""
    try:
        parsed = parse(text)
    except (PgQueryError, DecodeError, RecursionError):
        return
    waiting = [statement.stmt for statement in parsed.stmts]
    while waiting:
        message = waiting.pop()
        if message.DESCRIPTOR.name == "A_Const" and message.WhichOneof("val") == "sval":
            yield str(message.sval.sval)
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting += value if field.is_repeated else (value,)
