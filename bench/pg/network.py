"""A network that stands still: told after Ctrl-C by one try to connect, which ends every wait."""

from __future__ import annotations

import os
import socket
import threading
import weakref
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

CONNECT_S = 3
"""For the one try; a server that refuses, as it has too many sessions, is not dead."""

_DESCRIPTORS = Path("/proc/self/fd")
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

    Whoever waits for an answer then fails at once, and nothing more is tried on the server. Needs Linux.
    """
    sessions: dict[str, list[GuestConnection]] = {}
    for conn in list(_open):
        if not conn.closed:
            sessions.setdefault(conn.address, []).append(conn)
    for conns in sessions.values():
        threading.Thread(target=_end_if_dead, args=(conns,), name="network", daemon=True).start()


def _end_if_dead(conns: list[GuestConnection]) -> None:
    password = conns[0].info.password
    dead = False
    try:
        psycopg.connect(conns[0].info.dsn, password=password, connect_timeout=CONNECT_S).close()
    except psycopg.errors.ConnectionTimeout:
        dead = True
    except psycopg.OperationalError:
        pass  # it refuses, or is gone, which its sessions notice
    if dead:
        peers = {(conn.info.hostaddr, conn.info.port) for conn in conns if not conn.closed}
        for conn in conns:
            conn.lost.set()
        for descriptor in _DESCRIPTORS.iterdir() if _DESCRIPTORS.is_dir() else ():
            _shut_down(int(descriptor.name), peers)


def _shut_down(descriptor: int, peers: set[tuple[str, int]]) -> None:
    """End a connection of this process, whoever opened it, if it goes to one of these addresses."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as twin:
        if twin.getpeername()[:2] in peers:
            twin.shutdown(socket.SHUT_RDWR)
