"""Syntax of statements before a server sees them, by PostgreSQL's own grammar (libpg_query)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from postgast import PgQueryError, split

from bench.errors import UsageError
from bench.model.statement import Statement

PARSER_VERSION_NUM = 180000
"""The grammar's server version; a newer server may accept what it refuses."""


def error_in(text: str) -> PgQueryError | None:
    """The grammar's refusal; its ``cursorpos`` counts characters from 1, 0 where it is not known."""
    try:
        split(text, method="parser")
    except PgQueryError as error:
        return error
    return None


def check_syntax(path: Path, statements: Iterable[Statement]) -> None:
    """Raise UsageError for a migration's first statement that the grammar refuses: ``file:line:column: …``.

    Meant for servers up to the grammar's version (:data:`PARSER_VERSION_NUM`).
    """
    every = list(statements)
    for position, statement in enumerate(every):
        error = error_in(statement.text)
        if error is not None:
            line, column = statement.locate(max(error.cursorpos, 1))
            raise UsageError(
                f"{statement.path(path)}:{line}:{column}: {error.message}",
                hint=_nested(statement, every[position + 1 :])
                or "correct the statement; a server extension's own syntax cannot be checked beforehand",
            )


def _nested(statement: Statement, rest: Sequence[Statement]) -> str | None:
    """The hint where a body in dollar quotes ends at a quote that was meant for a body inside it."""
    body = statement.kind == "DO" or statement.kind.endswith(("FUNCTION", "PROCEDURE"))
    if not body or statement.text.count("$$") < 2:
        return None
    broken = [number for number, each in enumerate(rest, 1) if error_in(each.text) is not None]
    stray = f"; psql would send the {broken[-1]} after it, which are its rest, one by one" if broken else ""
    return (
        "a body quoted by $$ ends at the next $$: give the one inside a quote of its own, such as $body$"
        + stray
    )
