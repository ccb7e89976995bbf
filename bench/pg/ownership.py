"""Which databases are ours: a mark in the comment, and a lock that the owner holds while it lives.

The lock's connection is idle for hours, so that a firewall or a restart of the server may cut it: it is
looked at every minute, and at once where the system says that it ended, and the lock is taken again on
another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from bench.errors import ServerError
from bench.pg.catalog import load_query
from bench.pg.lease import read_leases

TOOL = "pgrehearse"
LOOK_EVERY_S = 60.0
AGAIN_AFTER_S = 1.0
"""Between tries to reach a server that cannot be reached."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The comment on a database of ours."""

    purpose: str
    owner: str
    """Token of the run that made it."""

    def encode(self) -> str:
        return json.dumps({"tool": TOOL, "purpose": self.purpose, "owner": self.owner})


def read_mark(comment: str | None) -> Mark | None:
    """Return the mark that a comment is, or None for any other comment."""
    try:
        fields = json.loads(comment or "")
    except ValueError:
        return None
    if not isinstance(fields, dict) or fields.get("tool") != TOOL:
        return None
    purpose, owner = fields.get("purpose"), fields.get("owner")
    return Mark(purpose, owner) if isinstance(purpose, str) and isinstance(owner, str) else None


def _key(token: str) -> int:
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big")


def hold_ownership(conn: psycopg.Connection[Any], token: str) -> None:
    """Take the advisory lock that says the owner of a token lives, for as long as the connection stands."""
    if conn.info.server_version >= 140000:
        conn.execute("SET idle_session_timeout = 0")
    conn.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(_key(token).to_bytes(8, "big"), signed=True)])


def runs_here(token: str) -> bool | None:
    """Tell whether the run of a token is a living process of this machine; None: of no run here."""
    lives = (lease.owner.alive for lease in read_leases("run") if lease.details.get("token") == token)
    return next(lives, None)


def owner_lives(conn: psycopg.Connection[Any], token: str) -> bool:
    """Tell whether somebody holds a token's lock, on whatever host and in whatever database of the server."""
    halves = {"high": _key(token) >> 32, "low": _key(token) & 0xFFFFFFFF}
    row = conn.execute(load_query("owner_lives", conn.info.server_version), halves).fetchone()
    return bool(row and row[0])


@contextmanager
def staying_owner(token: str, connect: Callable[[], psycopg.Connection[Any]]) -> Iterator[None]:
    """Hold a token's lock until the end of the block, on another connection where the first one is cut."""
    conn = connect()
    hold_ownership(conn, token)
    woken, wake = os.pipe()
    keeper = threading.Thread(
        target=_keep, args=(token, connect, conn, woken), name="pgrehearse owner", daemon=True
    )
    keeper.start()
    try:
        yield
    finally:
        os.close(wake)
        keeper.join(AGAIN_AFTER_S)  # a network that stands still holds it longer; it ends with the process
        if not keeper.is_alive():
            os.close(woken)


def _keep(
    token: str, connect: Callable[[], psycopg.Connection[Any]], conn: psycopg.Connection[Any], woken: int
) -> None:
    """Look at the connection until the other end of ``woken`` is closed; then close it."""
    wait_s = LOOK_EVERY_S
    while True:
        watched = [woken] if conn.closed else [woken, conn.fileno()]
        if woken in select.select(watched, [], [], wait_s)[0]:
            conn.close()
            return
        try:
            if conn.closed:
                conn = connect()
                hold_ownership(conn, token)
            conn.execute("SELECT 1")
            wait_s = LOOK_EVERY_S
        except (psycopg.Error, ServerError):
            with suppress(psycopg.Error):
                conn.close()
            wait_s = AGAIN_AFTER_S
