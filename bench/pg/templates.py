"""Templates that stay on a server: sealed databases named ``bench_cached_…``, marked by their comment.

Each is renamed and marked in one transaction, so that there is no half-made one. Who uses one holds
a shared advisory lock on its name, and who makes or drops one an exclusive one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.errors import ServerError
from bench.pg.catalog import load_query
from bench.pg.database import drop_database
from bench.pg.lease import TOOL
from bench.pg.server import Server

CACHED = "bench_cached_"

Conn = psycopg.Connection[TupleRow]


@dataclass(frozen=True, slots=True)
class KeptDatabase:
    """A template that stays on its server."""

    name: str
    bytes: int
    made_at: float
    """Seconds since 1970, as ``used_at``."""
    used_at: float
    about: dict[str, Any]
    """What its maker wrote about it."""


def kept_name(key: str, server: Server) -> str:
    """The database of a template's key on a server; a newer server or another role wants another one.

    What a template holds belongs to the role that made it, and another may not touch it.
    """
    with server.connect() as conn:
        (role,) = _row(conn, "SELECT current_user", [])
    digest = hashlib.sha256(f"{key} {server.info.version_num} {role}".encode()).hexdigest()
    return CACHED + digest[:24]


@contextmanager
def reserve(
    server: Server, name: str, waiting: Callable[[], None]
) -> Iterator[tuple[Conn, KeptDatabase | None]]:
    """The kept template of a name, which stays until the end of the block; or the right to make it.

    ``waiting`` is called where another run makes it at this moment.
    """
    with server.connect(application_name="pgrehearse template") as conn:
        if server.info.version_num >= 140000:
            conn.execute("SET idle_session_timeout = 0")
        kept = find_kept(conn, name)
        if kept is not None:
            conn.execute("SELECT pg_advisory_lock_shared(%s)", [_lock(name)])
            kept = find_kept(conn, name)  # or dropped while we waited
        if kept is None:
            conn.execute("SELECT pg_advisory_unlock_all()")
            if not _row(conn, "SELECT pg_try_advisory_lock(%s)", [_lock(name)])[0]:
                waiting()
                conn.execute("SELECT pg_advisory_lock(%s)", [_lock(name)])
            kept = find_kept(conn, name)
            if kept is not None:
                share(conn, name)
        yield conn, kept


def share(conn: Conn, name: str) -> None:
    """Let other runs use a template too, while this connection keeps it from being dropped."""
    conn.execute("SELECT pg_advisory_lock_shared(%s)", [_lock(name)])
    conn.execute("SELECT pg_advisory_unlock(%s)", [_lock(name)])


def find_kept(conn: Conn, name: str) -> KeptDatabase | None:
    """The kept template of a name, or None."""
    return next((kept for kept in list_kept(conn) if kept.name == name), None)


def list_kept(conn: Conn) -> list[KeptDatabase]:
    """The templates that stay on a server, the one used longest ago first."""
    templates = []
    for name, comment in conn.execute(load_query("our_databases", conn.info.server_version)).fetchall():
        if not name.startswith(CACHED):
            continue
        try:
            mark = json.loads(comment or "")
            size = _row(conn, "SELECT pg_database_size(%s::name)", [name])[0]
            if mark["tool"] == TOOL:
                templates.append(KeptDatabase(name, size, mark["made_at"], mark["used_at"], mark["cached"]))
        except (ValueError, KeyError, TypeError):
            continue
    return sorted(templates, key=lambda kept: kept.used_at)


def keep(conn: Conn, dbname: str, name: str, about: dict[str, Any]) -> None:
    """Make a sealed database the kept template of a name, in one transaction."""
    made_at = time.time()
    with conn.transaction():
        statement = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        conn.execute(statement.format(sql.Identifier(dbname), sql.Identifier(name)))
        _comment(conn, name, made_at, about)


def mark_used(conn: Conn, kept: KeptDatabase) -> None:
    """Write down that a template is used now, where the role may: another one may have made it."""
    with suppress(psycopg.errors.InsufficientPrivilege):
        _comment(conn, kept.name, kept.made_at, kept.about)


def prune_kept(
    server: Server, keep_bytes: int, *, older_than_s: float | None = None, spare: str | None = None
) -> list[KeptDatabase]:
    """Drop templates unused for long, then those used longest ago until the rest fits; returns the dropped.

    Templates in use and of other roles stay, and so does ``spare``.
    """
    dropped = []
    with server.connect(application_name="pgrehearse template") as conn:
        left = list_kept(conn)
        for kept in list(left):
            too_old = older_than_s is not None and time.time() - kept.used_at > older_than_s
            over = sum(template.bytes for template in left) > keep_bytes
            if kept.name == spare or not (too_old or over):
                continue
            if not _row(conn, "SELECT pg_try_advisory_lock(%s)", [_lock(kept.name)])[0]:
                continue
            with suppress(psycopg.errors.InsufficientPrivilege, ServerError):
                drop_database(server, kept.name)
                left.remove(kept)
                dropped.append(kept)
            conn.execute("SELECT pg_advisory_unlock(%s)", [_lock(kept.name)])
    return dropped


def _comment(conn: Conn, name: str, made_at: float, about: dict[str, Any]) -> None:
    mark = json.dumps({"tool": TOOL, "made_at": made_at, "used_at": time.time(), "cached": about})
    conn.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(mark)))


def _lock(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def _row(conn: Conn, query: str, parameters: list[Any]) -> TupleRow:
    row = conn.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row
