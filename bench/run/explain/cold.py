"""A cold cache: shared buffers without a page of one database, before each execution.

From PostgreSQL 17 on a superuser can evict pages (pg_buffercache_evict); a server of our own can be started
again. Both leave the operating system's cache as it is.
https://www.postgresql.org/docs/current/pgbuffercache.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from bench.model.run import Note
from bench.pg.database import (
    install_extension,
    temporary_database,
)
from bench.pg.server import Server

Chilled = Callable[[], psycopg.Connection[TupleRow]]
"""A connection to the database, when none of its pages is in shared buffers any more."""

EVICT = """
SELECT count(*) FROM (
    SELECT pg_buffercache_evict(bufferid)
      FROM pg_buffercache
     WHERE reldatabase = (SELECT oid FROM pg_database WHERE datname = %(dbname)s)
) AS evicted
"""


@dataclass(frozen=True, slots=True)
class Cold:
    """How the cache is made cold on this server."""

    note: Note
    executions: int
    """Of each query, as emptying the cache takes its time; 0 where it cannot be emptied."""
    empty: Callable[[str], None]
    """Leaves no page of this database in shared buffers; may end every session."""


@contextmanager
def cold_cache(server: Server) -> Iterator[Cold]:
    """The best way that there is on the server."""
    with ExitStack() as stack:
        if server.info.version_num >= 170000 and server.superuser and _offers(server):
            conn = stack.enter_context(_evicting(server))
            yield Cold(
                _note("its pages are evicted from shared buffers"), 3, lambda dbname: _evict(conn, dbname)
            )
        elif (postmaster := server.postmaster) is not None:
            yield Cold(_note("the server is started again"), 1, lambda _: postmaster.restart())
        else:
            yield Cold(_cannot(server), 0, lambda _: None)


def _offers(server: Server) -> bool:
    return "pg_buffercache" in server.info.extensions


@contextmanager
def _evicting(server: Server) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection to a database of our own with pg_buffercache, which sees the whole server's buffers."""
    with (
        temporary_database(server, "buffers") as dbname,
        server.connect(dbname, application_name="pgrehearse buffers") as conn,
    ):
        install_extension(conn, "pg_buffercache")
        yield conn


def _evict(conn: psycopg.Connection[TupleRow], dbname: str) -> None:
    """Pages that another process uses stay; what a query had to read stands with its figures."""
    conn.execute(EVICT, {"dbname": dbname})


def _note(how: str) -> Note:
    return Note(
        "cold",
        f"Before each execution with a cold cache {how}; the operating system's cache may still have them.",
    )


def _cannot(server: Server) -> Note:
    return Note(
        "cold",
        "No query was costed with a cold cache: its pages can be evicted on PostgreSQL 17 and newer by a "
        "superuser where pg_buffercache is installed, or the server started again where it is a cluster of "
        f"our own; this one is PostgreSQL {server.info.version} ({server.kind}).",
    )


class Chiller:
    """Opens the connections of a database that is cold."""

    def __init__(self, server: Server, dbname: str, cold: Cold) -> None:
        self._server, self._dbname, self._cold = server, dbname, cold
        self._conn: psycopg.Connection[TupleRow] | None = None

    def __call__(self) -> psycopg.Connection[TupleRow]:
        """Empty the cache and connect anew; the connection before is closed."""
        self.close()
        self._cold.empty(self._dbname)
        self._conn = self._server.connect(
            self._dbname, application_name="pgrehearse explain", kind="application"
        )
        return self._conn

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
