"""What all databases of a server share: compared before and after a run; roles of this run's own are dropped.

A file can change it in ways that nobody sees beforehand: a command that it reads from a table, a function in
another language. Others work on the server as well, so that a difference is told, never undone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from bench.errors import ServerError
from bench.pg.catalog import load_query
from bench.pg.endpoint import GuestConnection
from bench.pg.lease import Lease, end_lease, orphans, read_leases, this_process, write_lease
from bench.pg.server import Server, SharedState

_CONFIGURATION = """
SELECT 'setting', name, coalesce(setting, '') FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'
"""


def read_shared(server: Server) -> SharedState:
    """Roles, members, databases, tablespaces, settings, slots, origins, subscriptions, and their rights.

    Our own databases are left out, and so is the configuration where the role may not see it.
    """
    with server.connect() as conn:
        rows = conn.execute(load_query("shared_state", conn.info.server_version)).fetchall()
        if server.superuser:
            rows += conn.execute(_CONFIGURATION.encode()).fetchall()
    return {(kind, name): state for kind, name, state in rows}


def changes_since(server: Server) -> str | None:
    """What changed since the server was opened, in one sentence; None: nothing, or it is a server of ours."""
    if server.managed:
        return None
    try:
        differences = list(_differences(server.shared, read_shared(server)))
    except (psycopg.Error, ServerError):
        return None
    if not differences:
        return None
    return (
        "Changed on the whole server since this run began, by one of its files or by somebody else: "
        f"{'; '.join(differences)}."
    )


def _differences(before: SharedState, after: SharedState) -> Iterator[str]:
    for kind, name in sorted(before.keys() | after.keys()):
        old, new = before.get((kind, name)), after.get((kind, name))
        if old is None:
            yield f"{kind} {name} is new"
        elif new is None:
            yield f"{kind} {name} is gone"
        elif old != new:
            yield f"{kind} {name} is changed"


_MAKES = re.compile(r"\b(?:ROLE|USER|GROUP)\b", re.IGNORECASE)


@contextmanager
def writing_down_roles(conn: psycopg.Connection[Any], text: str) -> Iterator[None]:
    """Write leases for the roles that the statement in this block makes, on a server that is not ours."""
    if not isinstance(conn, GuestConnection) or not _MAKES.search(text):
        yield
        return
    before = _roles(conn)
    try:
        yield
    finally:
        _write_down(conn, before, text)


def _write_down(conn: GuestConnection, before: set[tuple[int, str]], text: str) -> None:
    for number, name in _roles(conn) - before:
        if name.lower() in text.lower():  # else somebody else's, made at this very moment
            write_lease("role", {"name": name, "oid": number, "server": conn.address})


def _roles(conn: psycopg.Connection[Any]) -> set[tuple[int, str]]:
    if conn.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
        return set()
    return set(conn.execute("SELECT oid::bigint, rolname FROM pg_roles").fetchall())


def drop_own_roles(server: Server, say: Callable[[str], None]) -> None:
    """Drop the roles that this process made; what cannot go is said, and left to the next start."""
    me = this_process()
    _drop(server, (lease for lease in read_leases("role") if lease.owner == me), say, "this run")


def sweep_roles(server: Server, say: Callable[[str], None]) -> None:
    """Drop the roles that dead runs on this machine made on the server."""
    _drop(server, orphans("role"), say, "a run that is gone")


def _drop(server: Server, leases: Iterable[Lease], say: Callable[[str], None], whose: str) -> None:
    here = [lease for lease in leases if lease.details["server"] == server.endpoint.address]
    if not here:
        return
    with server.connect() as conn:
        for lease in here:
            query = "SELECT rolname FROM pg_roles WHERE oid = %s::bigint::oid"
            row = conn.execute(query, [lease.details["oid"]]).fetchone()
            if row is not None:
                try:
                    conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(row[0])))
                except psycopg.Error as error:
                    say(f"role {row[0]} stays, made by {whose}: {str(error).splitlines()[0]}")
                    continue
                if whose != "this run":
                    say(f"dropped role {row[0]}, left by {whose}")
            end_lease(lease)
