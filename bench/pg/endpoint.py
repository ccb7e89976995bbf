"""Where a server listens and who we are there: connection strings, sessions, errors without passwords."""

from __future__ import annotations

import os
import socket
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Literal

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from bench.errors import Unreachable, UsageError

APPLICATION_NAME = "pgrehearse"
CONNECT_TIMEOUT_S = 10
DSN_SCHEMES = ("postgresql://", "postgres://")
MAINTENANCE_DATABASE = "postgres"
KEEPALIVE = {
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""Of connections over TCP: a network that stands still ends them within a minute.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
"""
SessionKind = Literal["own", "base", "application", "deploy"]
"""Whose session it is: the tool's own, one that makes the state before, one that stands for the application,
or one that deploys."""
OWN_SETTINGS = {
    "role": "none",
    "search_path": '"$user",public',
    "default_transaction_isolation": "read\\ committed",
    "default_transaction_read_only": "off",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "0",
    "statement_timeout": "0",
    "standard_conforming_strings": "on",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
}
"""What sessions of our own say for themselves, whatever a role, a database or PGOPTIONS has set: settings of
the connection come before those (https://www.postgresql.org/docs/current/config-setting.html)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address as libpq parameters; the password never shows in ``repr``."""

    parameters: Mapping[str, str] = field(repr=False)
    """libpq keywords: host, port, user, password, dbname, sslmode …"""

    @property
    def address(self) -> str:
        """Host and port, by which leases know the server."""
        return f"{self.parameters.get('host', '')}:{self.parameters.get('port', '5432')}"

    @property
    def local(self) -> bool:
        """Whether it is reached by a Unix socket."""
        return self.parameters.get("host", "").startswith(("/", "@")) and "hostaddr" not in self.parameters

    def conninfo(self, dbname: str | None = None, kind: SessionKind = "own") -> str:
        """Return the libpq connection string. It holds the password: never print it.

        What is sent and read is UTF-8 whatever the environment, the role or the server has. Sessions that
        are not our own keep the settings of their role and database, as those of production do.
        """
        chosen = {**({} if self.local else KEEPALIVE), **self.parameters}
        chosen["client_encoding"] = "UTF8"
        if kind in ("own", "base"):
            given = chosen.get("options") or os.environ.get("PGOPTIONS")  # which a string would replace
            kept = ("search_path", "standard_conforming_strings") if kind == "base" else ()
            chosen["options"] = with_options(
                given, {name: value for name, value in OWN_SETTINGS.items() if name not in kept}
            )
        chosen.setdefault("connect_timeout", str(CONNECT_TIMEOUT_S))
        chosen.setdefault("fallback_application_name", APPLICATION_NAME)
        if dbname is not None:
            chosen["dbname"] = dbname
        return make_conninfo("", **chosen)

    def environ(self, dbname: str | None = None) -> dict[str, str]:
        """Return the same as libpq's environment variables, for psql and pg_dump."""
        names = {
            option.keyword.decode(): option.envvar.decode()
            for option in pq.Conninfo.get_defaults()
            if option.envvar
        }
        chosen = dict(self.parameters)
        if dbname is not None:
            chosen["dbname"] = dbname
        return {names[keyword]: value for keyword, value in chosen.items() if keyword in names}

    def describe(self, dbname: str | None = None) -> str:
        """Return host, port, user and database as a reader may see them."""
        get = self.parameters.get
        host = get("host") or get("hostaddr") or "the default host"
        return (
            f"{host}, port {get('port') or '5432'}, user {get('user') or 'of the environment'}, "
            f"database {dbname or get('dbname') or 'of the environment'}"
        )

    def scrub(self, text: str) -> str:
        """Return the text without the password, should it stand in it."""
        password = self.parameters.get("password")
        return text.replace(password, "***") if password else text

    def connect(
        self,
        dbname: str | None = None,
        *,
        application_name: str = APPLICATION_NAME,
        kind: SessionKind = "own",
        guest_of: Event | None = None,
        timeout_s: int | None = None,
    ) -> psycopg.Connection[TupleRow]:
        """Open an autocommit connection; Unreachable names host, port, user and database.

        ``guest_of``: the server is not ours, and this is set where it cannot be reached any more.
        ``timeout_s``: at most, whatever the connection string allows. Raises UsageError for a pooler that
        refuses the settings of a session.
        """
        session = GuestConnection if guest_of is not None else psycopg.Connection[TupleRow]
        try:
            chosen = make_conninfo(self.conninfo(dbname, kind), application_name=application_name)
            if timeout_s is not None:
                chosen = make_conninfo(chosen, connect_timeout=timeout_s)
            conn = session.connect(chosen, autocommit=True)
            if isinstance(conn, GuestConnection) and guest_of is not None:
                conn.watch(self.address, guest_of)
            return conn
        except psycopg.OperationalError as error:
            if "unsupported startup parameter" in str(error):  # so says PgBouncer
                raise _pooled(self) from None
            reason = " ".join(self.scrub(str(error)).split())
            raise Unreachable(
                f"cannot connect to {self.describe(dbname)}: {reason}",
                "check that the server runs, that its address is right and that the role may log in",
                reason=reason,
            ) from None

    def answers(self) -> bool:
        """Whether the server takes connections at the moment, of whatever role."""
        return pq.PGconn.ping(self.conninfo().encode()) == pq.Ping.OK


def with_options(options: str | None, settings: Mapping[str, str]) -> str:
    """libpq's ``options`` with further settings, which win; blanks in a value are escaped already."""
    return " ".join(filter(None, [options, *(f"-c {name}={value}" for name, value in settings.items())]))


def require_no_pooler(conn: psycopg.Connection[TupleRow], endpoint: Endpoint) -> None:
    """Raise UsageError where a connection pooler answers in the server's place.

    It gives its clients numbers of its own in place of the backends', and sessions that are not theirs alone:
    locks by which runs know each other, and settings, would be worth nothing.
    """
    try:
        row = conn.execute("SELECT pg_backend_pid()").fetchone()
        pooled = row is None or row[0] != conn.info.backend_pid
    except psycopg.Error:
        pooled = True  # the console of a pooler, which knows no such function
    if pooled:
        raise _pooled(endpoint)


def _pooled(endpoint: Endpoint) -> UsageError:
    return UsageError(
        f"a connection pooler stands before the server: {endpoint.describe()}",
        "give the server's own address; a pooler such as PgBouncer shares sessions among its clients",
    )


def parse_dsn(dsn: str) -> Endpoint:
    """Return the endpoint that a libpq URL names; UsageError, without the URL, if it is malformed."""
    try:
        parsed = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # libpq's message quotes the part that it cannot read, which may be the password.
        raise UsageError(
            "the connection string cannot be read",
            "write postgresql://user@host:5432/database, with reserved characters percent-encoded",
        ) from None
    parameters = {key: str(value) for key, value in parsed.items() if value is not None}
    _refuse_misread(parameters)
    if "service" not in parameters and "PGDATABASE" not in os.environ:
        parameters.setdefault("dbname", MAINTENANCE_DATABASE)
    return Endpoint(parameters)


def _refuse_misread(parameters: Mapping[str, str]) -> None:
    """UsageError where a password with ``/`` or ``@`` in it was read as port or host; it is not repeated."""
    ports = [port for port in parameters.get("port", "").split(",") if port]
    if "@" in parameters.get("host", "") or not all(port.isdecimal() for port in ports):
        raise UsageError(
            "the connection string has a host or a port that cannot be one",
            "percent-encode the password's reserved characters: / is %2F, @ is %40, : is %3A",
        )


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
