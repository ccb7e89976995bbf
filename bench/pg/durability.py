"""fsync of a server of ours, off while databases are only copied and compared: no figure is taken then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from bench.pg.server import Server

RELOAD_TIMEOUT_S = 10.0


@contextmanager
def fsync(server: Server, *, on: bool) -> Iterator[None]:
    """Set fsync for the length of the block, on a server that we started to be durable; else do nothing."""
    if not (server.managed and server.superuser and server.info.settings.get("fsync") == "on"):
        yield
        return
    before = _read(server)
    _set(server, "on" if on else "off")
    try:
        yield
    finally:
        _set(server, before)


def _read(server: Server) -> str:
    with server.connect() as conn:
        row = conn.execute("SHOW fsync").fetchone()
        assert row is not None
        return str(row[0])


def _set(server: Server, value: str) -> None:
    """Change it and wait until sessions that begin now have it."""
    with server.connect() as conn:
        conn.execute(sql.SQL("ALTER SYSTEM SET fsync = {}").format(sql.Literal(value)))
        conn.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + RELOAD_TIMEOUT_S
    while _read(server) != value and time.monotonic() < deadline:
        time.sleep(0.005)
