"""Roles of production in a rehearsal: made where the state before names them, owners of what is there.

Roles belong to a whole server. On one that we started they are made; on any other nothing is made, and what
names a role that is not there is left out and told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import errors, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.errors import UsageError
from bench.model.run import Note
from bench.model.statement import Statement
from bench.pg.catalog import load_query
from bench.pg.database import roles_of
from bench.pg.server import Server
from bench.sql.reach import dispensable, roles_needed

Conn = psycopg.Connection[TupleRow]
_MAY_BE = re.compile(r"\b(?:OWNER|GRANT|REVOKE|PRIVILEGES|POLICY|COMMENT|LABEL|SET)\b", re.IGNORECASE)
RESERVED = "pg_"
"""Roles whose names begin so are the server's own; nobody can make one."""


@dataclass(slots=True)
class Roles:
    """Provides what the files of a state before say of roles."""

    server: Server
    known: set[str] = field(default_factory=set)
    made: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    left_out: int = 0
    """Statements that were not run."""

    def provide(self, text: str) -> bool:
        """Make the roles that a statement needs; False where it is to be left out.

        Raises UsageError where it cannot be left out.
        """
        needed = roles_needed(text)
        if needed <= self.known:
            return True
        self.known |= roles_of(self.server)
        lacking = needed - self.known
        for role in sorted(lacking):
            if self.server.managed and not role.startswith(RESERVED):
                with self.server.connect() as conn:
                    conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
                self.made.append(role)
                self.known.add(role)
        lacking -= self.known
        if not lacking:
            return True
        self.missing |= lacking
        if dispensable(text):
            self.left_out += 1
            return False
        return True  # and let the server say what it lacks

    @contextmanager
    def allowing(self, conn: Conn, statement: Statement) -> Iterator[None]:
        """Leave a statement on owners and grants out where our role may not run it on this server."""
        if self.server.managed or not _MAY_BE.search(statement.text) or not dispensable(statement.text):
            yield
            return
        inside = conn.info.transaction_status == TransactionStatus.INTRANS
        if inside:
            conn.execute("SAVEPOINT pgrehearse_owner")
        try:
            yield
        except errors.InsufficientPrivilege:
            if inside:
                conn.execute("ROLLBACK TO SAVEPOINT pgrehearse_owner")
            self.left_out += 1

    def notes(self) -> Iterator[Note]:
        """What became of them, one note for all of them."""
        if self.made:
            yield Note(
                "roles",
                f"Made for this rehearsal, as the state before names them: {', '.join(self.made)}. They may "
                "not log in, and have no privileges but those that it gives them.",
            )
        if self.missing or self.left_out:
            lacks = f"The server lacks {', '.join(sorted(self.missing))}. " if self.missing else ""
            yield Note(
                "roles",
                f"{lacks}Left out of the state before: {self.left_out} statements on owners, grants and "
                "policies, which need roles that are not there or not ours. Nothing is made on this server.",
            )


def take_role(server: Server, dbname: str, role: str) -> Iterator[Note]:
    """Let a role deploy to a database: make it where that is ours to do, and give it what it must own.

    Raises UsageError where it is not there, or where we may not act for it.
    """
    with server.connect(dbname, application_name="pgrehearse base") as conn:
        if role not in roles_of(server):
            if not server.managed:
                raise UsageError(
                    f"--role {role}: this server has no such role",
                    "name one that it has; on a server that runs already none is made",
                )
            conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
            yield Note("roles", f"{role}, which deploys, was made for this rehearsal, and is no superuser.")
        if not _yes(conn, "SELECT pg_has_role(current_user, %(role)s::name, 'MEMBER')", role):
            raise UsageError(
                f"--role {role}: {conn.info.user} is not a member of it, so that it cannot act for it",
                f'as a superuser: GRANT "{role}" TO "{conn.info.user}"',
            )
        superuser = _yes(conn, "SELECT rolsuper FROM pg_roles WHERE rolname = %(role)s", role)
        owns = _yes(conn, load_query("owns_something", conn.info.server_version), role)
        if not (superuser or owns):
            count = _give_all(conn, role)
            if count:
                yield Note(
                    "roles",
                    f"{role} owned nothing of the state before: it was given all {count} objects there, as "
                    "the role that deploys owns them in most databases.",
                )
        if not superuser:
            yield from _give_database(conn, dbname, role)


def _give_all(conn: Conn, role: str) -> int:
    rows = conn.execute(load_query("change_owner", conn.info.server_version), {"role": role}).fetchall()
    for (statement,) in rows:
        conn.execute(statement.encode())
    return len(rows)


def _give_database(conn: Conn, dbname: str, role: str) -> Iterator[Note]:
    """Owner of the database, as whoever deploys mostly is, unless the state before says who may what."""
    row = conn.execute(
        "SELECT datacl IS NULL AND datdba = current_user::regrole FROM pg_database WHERE datname = %s",
        [dbname],
    ).fetchone()
    if row is None or not row[0]:
        return
    grant = sql.SQL("GRANT ALL ON DATABASE {} TO {}")
    conn.execute(grant.format(sql.Identifier(dbname), sql.Identifier(role)))
    yield Note(
        "roles",
        f"The migrations run as {role}, which may create schemas in the database. Traffic, costs of queries "
        "and what looks inside statements are those of the role that the rehearsal has.",
    )


def _yes(conn: Conn, query: str, role: str) -> bool:
    row = conn.execute(query.encode(), {"role": role}).fetchone()
    return bool(row and row[0])
