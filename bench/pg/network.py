"""A network that stands still: told after Ctrl-C by one try to connect, which ends every wait."""

from __future__ import annotations

import os
import socket
import threading
import weakref
from contextlib import suppress

import psycopg
from psycopg.rows import TupleRow

CONNECT_S = 2
"""The shortest connect_timeout that libpq takes, for the one try."""

_open: weakref.WeakSet[GuestConnection] = weakref.WeakSet()


class GuestConnection(psycopg.Connection[TupleRow]):
    """A session on a server that is not ours."""

    address: str = ""
    """See :attr:`bench.pg.endpoint.Endpoint.address`."""
    lost: threading.Event
    """Set where the server cannot be reached any more."""

    def watch(self, address: str, lost: threading.Event) -> None:
        """Have the session ended by :func:`end_dead_waits` where its server cannot be reached."""
        self.address, self.lost = address, lost
        _open.add(self)


def end_dead_waits() -> None:
    """In a thread of its own, try to reach the servers of the open sessions, and end those of dead ones.

    A session that waits for an answer then fails at once, and nothing more is tried on its server.
    """
    sessions: dict[str, list[GuestConnection]] = {}
    for conn in list(_open):
        if not conn.closed:
            sessions.setdefault(conn.address, []).append(conn)
    for conns in sessions.values():
        threading.Thread(target=_end_if_dead, args=(conns,), name="network", daemon=True).start()


def _end_if_dead(conns: list[GuestConnection]) -> None:
    password = conns[0].info.password
    try:
        psycopg.connect(conns[0].info.dsn, password=password, connect_timeout=CONNECT_S).close()
    except psycopg.OperationalError:
        for conn in conns:
            conn.lost.set()
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(conn.fileno())) as twin:
                twin.shutdown(socket.SHUT_RDWR)
