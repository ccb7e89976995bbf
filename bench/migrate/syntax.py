"""Syntax of statements before a server sees them, by PostgreSQL's own grammar (libpg_query)."""

from __future__ import annotations

from collections.abc import Iterable
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
    for statement in statements:
        error = error_in(statement.text)
        if error is not None:
            line, column = statement.locate(max(error.cursorpos, 1))
            raise UsageError(
                f"{statement.path(path)}:{line}:{column}: {error.message}",
                hint="correct the statement; a server extension's own syntax cannot be checked beforehand",
            )
