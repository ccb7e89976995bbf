"""Sessions that end: why, in words, and one that only watches opened again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from bench.errors import ServerError, Unreachable
from bench.pg.endpoint import Endpoint
from bench.pg.server import Server

AGAIN_S = 0.05
"""Between two tries to open it again."""


@dataclass(slots=True)
class Reopening:
    """The session as it is now; one thread at a time uses it."""

    server: Server
    dbname: str | None
    application_name: str
    conn: psycopg.Connection[TupleRow]

    def reopen(self) -> bool:
        """Open it again in place of the one that was lost; whether the server could be reached."""
        with suppress(psycopg.Error):
            self.conn.close()
        try:
            self.conn = self.server.connect(self.dbname, application_name=self.application_name)
        except ServerError:
            return False
        return True


@contextmanager
def reopening(server: Server, dbname: str | None, application_name: str) -> Iterator[Reopening]:
    """Open the session, and close whichever it is at the end. ServerError if it cannot be opened at first."""
    conn = server.connect(dbname, application_name=application_name)
    session = Reopening(server, dbname, application_name, conn)
    try:
        yield session
    finally:
        with suppress(psycopg.Error):
            session.conn.close()


_CONNECTION_LOST = ("08", "57P")
"""SQLSTATE classes connection exception, and operator intervention that ends a session.
https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_TERMINATED = ("57P01", "57P05")
"""admin_shutdown, which pg_terminate_backend sends, too; idle_session_timeout."""
KEPT = "what was measured until then is kept; look at the server's log, then run again"


def describe_loss(
    endpoint: Endpoint, error: psycopg.OperationalError | Unreachable, hint: str = KEPT
) -> ServerError:
    """The error that a user is shown where a query or a connection of ours has failed."""
    if isinstance(error, Unreachable):
        return error if endpoint.answers() else ServerError(f"the server went away: {error.reason}", hint)
    said = endpoint.scrub(str(error)).strip().splitlines()[0]
    if error.sqlstate is not None and not error.sqlstate.startswith(_CONNECTION_LOST):
        return ServerError(f"a query of ours was refused: {said} ({error.sqlstate})", hint)
    if error.sqlstate in _TERMINATED and endpoint.answers():
        return ServerError(f"a session of ours was ended: {said}", hint)
    return ServerError(f"the server went away: {said}", hint)
