"""What the server says to a migration's session without refusing anything, and on which line of a block."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import psycopg
from postgast import PgQueryError, scan
from postgast import pg_query_pb2 as tree
from psycopg.rows import TupleRow

from bench.model.statement import Notice, Statement

MOST_RAISED = 20
"""So many messages of RAISE are kept of one statement: a loop may write one for each row."""
MOST_OWN = 60
"""So many of the server's own are kept, such as those of IF NOT EXISTS and CASCADE."""
_COMMIT_WAIT = "SyncRepWaitForLSN"
"""The server's function that warns where we have ended a commit's wait for a standby that does not exist."""
LONGEST = 2_000
"""Characters of a message, a detail, a hint and a context that are kept."""


class NoticeListener:
    """Keeps what a session is told between :meth:`begin` and :meth:`end`, and passes over the rest.

    The session's own client_min_messages decides what is sent at all.
    """

    def __init__(self, conn: psycopg.Connection[TupleRow]) -> None:
        self._listening = False
        self._raised: list[Notice] = []
        self._kept: list[Notice] = []
        self._left_out = 0
        conn.add_notice_handler(self._take)

    def begin(self) -> None:
        """Keep what comes from now on."""
        self._listening, self._kept, self._raised, self._left_out = True, [], [], 0

    def end(self, statement: Statement) -> tuple[tuple[Notice, ...], int]:
        """What came since :meth:`begin` while ``statement`` ran, and how many more than are kept."""
        self._listening = False
        return tuple(_placed(notice, statement) for notice in self._kept), self._left_out

    def _take(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if not self._listening or diagnostic.source_function == _COMMIT_WAIT:
            return
        notice = _notice(diagnostic)
        many = len(self._raised) if notice.raised else len(self._kept) - len(self._raised)
        if many >= (MOST_RAISED if notice.raised else MOST_OWN):
            self._left_out += 1
            return
        self._kept.append(notice)
        if notice.raised:
            self._raised.append(notice)


def _notice(diagnostic: Any) -> Notice:
    return Notice(
        severity=diagnostic.severity_nonlocalized or diagnostic.severity or "NOTICE",
        sqlstate=diagnostic.sqlstate,
        message=_cut(diagnostic.message_primary) or "",
        detail=_cut(diagnostic.message_detail),
        hint=_cut(diagnostic.message_hint),
        context=_cut(diagnostic.context),
    )


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _placed(notice: Notice, statement: Statement) -> Notice:
    line = inner_line(statement, notice.context)
    return notice if line is None else replace(notice, line=line)


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
