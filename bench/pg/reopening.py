"""A session that only watches: where it is lost, as the server ended it or went down, it is opened again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from bench.errors import ServerError
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
