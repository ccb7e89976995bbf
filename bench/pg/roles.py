"""Roles that this run's own sessions make on a server that is not ours: written down at once, dropped again.

A role is known by its number in the catalog, read in the very session that made it: one of the same name
that somebody else makes later is another. A lease holds it, so that the next start drops what a killed run
left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from bench.pg.lease import Lease, end_lease, orphans, read_leases, this_process, write_lease
from bench.pg.network import GuestConnection
from bench.pg.server import Server

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
