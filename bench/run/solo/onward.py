"""What psql without ON_ERROR_STOP does after a failure: it sends the rest of the file, and exits with 0.

https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-VARIABLES-ON-ERROR-STOP
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.model.run import MigrationRun
from bench.model.statement import Notice, Onward, Statement
from bench.observe.inside import InsideReader
from bench.observe.notices import NoticeListener
from bench.run.execute import execute_with
from bench.run.solo.watch import Watch

LONGEST_PRINT = 200
"""Characters of a row, a message or an echo that are kept."""
MOST_PRINTS = 5


def go_on(
    conn: psycopg.Connection[TupleRow], statements: Sequence[Statement], failed: MigrationRun, watch: Watch
) -> MigrationRun:
    """The failed migration with what the rest of its file does, sent in the session in which it failed.

    Nothing is sent where the file sets ON_ERROR_STOP, where the session is gone, or where no statement
    failed. The database is changed by it: nothing may be measured there afterwards.
    """
    position = next(
        (at for at, statement in enumerate(failed.statements) if statement.outcome == "failed"), None
    )
    error = failed.error
    if position is None or conn.closed or error is None or error.sqlstate is None:
        return failed
    if statements[position].stops:
        return failed
    onward = tuple(_GoingOn(conn, watch).send(statements[position + 1 :]))
    return replace(failed, onward=onward)


class _GoingOn:
    def __init__(self, conn: psycopg.Connection[TupleRow], watch: Watch) -> None:
        self._conn = conn
        self._watch = watch
        self._reader = InsideReader(conn, watch.catalog())
        self._listener = NoticeListener(conn)
        self._open: list[Onward] = []
        """What the open transaction has done."""

    def send(self, statements: Sequence[Statement]) -> Iterator[Onward]:
        """Send each statement whatever becomes of the others; a transaction left open is lost at the end."""
        for statement in statements:
            if self._conn.closed:
                break
            yield from self._send(statement)
        yield from self._end(committed=False)

    def _send(self, statement: Statement) -> Iterator[Onward]:
        before = self._conn.info.transaction_status
        if before == TransactionStatus.IDLE:
            # Inside a transaction the server counts from 0, outside of one it goes on.
            self._reader.flush() if statement.kind == "BEGIN" else self._reader.mark()
        self._listener.begin()
        sqlstate: str | None = None
        printed: tuple[str, ...] = ()
        try:
            with self._conn.cursor() as cursor:
                printed = _first_row(cursor, execute_with(cursor, statement))
                tag = cursor.statusmessage or ""
        except psycopg.Error as error:
            sqlstate, tag = error.sqlstate or "", ""
        notices, _ = self._listener.end(statement)
        said = Onward(
            statement.index,
            statement.line,
            statement.kind,
            sqlstate,
            committed=False,
            prints=_prints(statement, printed, notices),
        )
        yield from self._settle(said, before, tag)

    def _settle(self, said: Onward, before: TransactionStatus, tag: str) -> Iterator[Onward]:
        """Put in what it changed, and what became of it where its transaction has ended."""
        after = self._conn.info.transaction_status
        if self._conn.closed or said.sqlstate is not None:
            self._open.append(said)
            if after == TransactionStatus.IDLE:
                yield from self._end(committed=False)
        elif before == after == TransactionStatus.IDLE:
            changes = self._reader.read_marked(said.kind).row_changes
            yield replace(said, committed=True, row_changes=changes)
        elif after == TransactionStatus.INTRANS:
            held = self._watch.locks_of(self._conn.info.backend_pid)
            writes = before == TransactionStatus.INTRANS and said.kind != "SET TRANSACTION"
            changes = self._reader.read(said.kind, held.oids).row_changes if writes else ()
            self._open.append(replace(said, row_changes=changes))
        else:
            self._open.append(said)
            yield from self._end(committed=tag == "COMMIT")

    def _end(self, *, committed: bool) -> Iterator[Onward]:
        """The open transaction has ended: after an error COMMIT too rolls back."""
        if not committed:
            self._reader.roll_back()
        done, self._open = self._open, []
        yield from (replace(tried, committed=committed and tried.sqlstate is None) for tried in done)


def _first_row(cursor: psycopg.Cursor[TupleRow], rows: int | None) -> tuple[str, ...]:
    """The first row that psql prints, its columns joined; none where nothing was returned."""
    if not rows or cursor.description is None:
        return ()
    row = cursor.fetchone()
    return (" | ".join("" if value is None else str(value) for value in row),) if row else ()


def _prints(statement: Statement, row: Sequence[str], notices: Sequence[Notice]) -> tuple[str, ...]:
    raised = [notice.message for notice in notices if notice.raised]
    texts = [*row, *raised, *(text for _, text in statement.echoes)]
    return tuple(text[:LONGEST_PRINT] for text in texts[:MOST_PRINTS])
