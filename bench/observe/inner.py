"""Where in a DO block the server was when it said something, as a line of the file."""

from __future__ import annotations

import re

from postgast import PgQueryError, scan
from postgast import pg_query_pb2 as tree

from bench.model.statement import Statement

_FRAME = re.compile(r"^PL/pgSQL function inline_code_block line (\d+) at ", re.MULTILINE)
_LONGEST = 1_000_000
"""Characters of a statement that are looked through for its body."""


def inner_line(statement: Statement, context: str | None) -> int | None:
    """Line of the file, from 1, that a message's context names inside a DO block; None where it names none.

    PL/pgSQL counts lines from the beginning of the body's text:
    https://www.postgresql.org/docs/current/plpgsql-structure.html
    """
    frame = _FRAME.search(context or "")
    start = body_start(statement.text) if frame and statement.kind == "DO" else None
    if frame is None or start is None:
        return None
    return statement.locate(start + 1)[0] + int(frame[1]) - 1


def body_start(text: str) -> int | None:
    """Offset of the first character inside the quotes of a DO block's body; None where it has no body."""
    if len(text) > _LONGEST:
        return None
    try:
        tokens = scan(text).tokens
    except PgQueryError:
        return None
    source = text.encode()
    names_language = False
    for token in tokens:
        if token.token == tree.SCONST and not names_language:
            before = len(source[: token.start].decode())
            quoted = source[token.start : token.end].decode()
            opening = re.match(r"\$[^$]*\$|[eE]?'", quoted)
            return before + (opening.end() if opening else 0)
        names_language = source[token.start : token.end].lower() == b"language"
    return None
