"""Syntax of statements before a server sees them, by PostgreSQL's own grammar (libpg_query)."""

from __future__ import annotations

from postgast import PgQueryError, split

PARSER_VERSION_NUM = 180000
"""The grammar's server version; a newer server may accept what it refuses."""


def error_in(text: str) -> PgQueryError | None:
    """The grammar's refusal; its ``cursorpos`` counts characters from 1, 0 where it is not known."""
    try:
        split(text, method="parser")
    except PgQueryError as error:
        return error
    return None
