"""Statements sent as psql with ON_ERROR_STOP sends them, unwatched: for states, not for times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.model.statement import Statement, StatementError
from bench.pg.server import Server
from bench.run.execute import describe_error, execute

SAID_AT_MOST = 50
_RAISE = "exec_stmt_raise"
"""The server's function that reports what RAISE says: src/pl/plpgsql/src/pl_exec.c."""


@dataclass(slots=True)
class Played:
    """How far a file came in one session."""

    done: int = 0
    """Statements that ended well."""
    error: StatementError | None = None
    failed: Statement | None = None
    said: list[str] = field(default_factory=list)
    """Notices and warnings, the first ones."""
    raised: list[str] = field(default_factory=list)
    """Those that the file itself raises, by PL/pgSQL: what the server says of its own accord, such as that an
    index does not exist, is no word about data."""


def play(server: Server, dbname: str, statements: Sequence[Statement]) -> Played:
    """Run statements in a session of their own until one fails, and end the session as psql would."""
    with server.connect(dbname, application_name="pgrehearse proof", kind="deploy") as conn:
        played = play_on(conn, statements)
        if conn.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            conn.execute("ROLLBACK")
        return played


def play_on(
    conn: psycopg.Connection[TupleRow],
    statements: Sequence[Statement],
    between: Callable[[int], None] | None = None,
) -> Played:
    """Run statements on a session until one fails; ``between`` is called with the number of those done."""
    played = Played()

    def listen(notice: psycopg.errors.Diagnostic) -> None:
        if len(played.said) < SAID_AT_MOST and notice.message_primary:
            played.said.append(f"{notice.severity}: {notice.message_primary}")
            if notice.source_function == _RAISE:
                played.raised.append(notice.message_primary)

    conn.add_notice_handler(listen)
    try:
        for statement in statements:
            try:
                execute(conn, statement)
            except psycopg.Error as raised:
                played.error, played.failed = describe_error(raised, statement), statement
                return played
            played.done += 1
            if between is not None:
                between(played.done)
    finally:
        conn.remove_notice_handler(listen)
    return played
