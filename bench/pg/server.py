"""The server of a run: what to open, and one class for all kinds, which differ only in how they start and stop."""

from __future__ import annotations

import difflib
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import psycopg
from psycopg.rows import TupleRow

from bench.errors import UsageError
from bench.model.run import Note, ServerInfo
from bench.pg import capabilities as facts
from bench.pg.binaries import choose_installation
from bench.pg.capabilities import Capabilities, ManagedKind
from bench.pg.cluster import running_cluster, sweep_clusters
from bench.pg.embedded import embedded_installation
from bench.pg.endpoint import Endpoint, parse_dsn

ServerKind = Literal["auto", "container", "embedded", "cluster", "dsn"]
DEFAULT_IMAGE = "postgres:17"
DSN_SCHEMES = ("postgresql://", "postgres://")

Say = Callable[[str], None]


def quiet(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """Which server to open."""

    kind: ServerKind = "auto"
    dsn: str | None = field(default=None, repr=False)
    image: str = DEFAULT_IMAGE
    pg_bindir: Path | None = None
    durable: bool = True
    """False turns fsync off, for tests; measured runs keep it on."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of a server that we start."""


def parse_server(text: str, *, image: str = DEFAULT_IMAGE, pg_bindir: Path | None = None) -> ServerSpec:
    """Return the spec that ``--server`` names; UsageError, which never repeats a connection string."""
    if text.startswith(DSN_SCHEMES):
        parse_dsn(text)
        return ServerSpec("dsn", dsn=text, image=image, pg_bindir=pg_bindir)
    kinds = [kind for kind in get_args(ServerKind) if kind != "dsn"]
    if text in kinds:
        return ServerSpec(text, image=image, pg_bindir=pg_bindir)  # type: ignore[arg-type]
    offer = f"choose {', '.join(kinds)} or postgresql://user@host:5432/database"
    if "://" in text or "=" in text:
        raise UsageError("--server has a connection string that does not start with postgresql://", offer)
    close = difflib.get_close_matches(text, kinds, n=1)
    raise UsageError(f"unknown server {text!r}", f"did you mean {close[0]}?" if close else offer)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is open for this run."""

    kind: ManagedKind
    endpoint: Endpoint
    info: ServerInfo
    capabilities: Capabilities
    notes: tuple[Note, ...] = ()
    """Missing privileges, and what is therefore unknown."""
    stand_ins: tuple[str, ...] = ()
    """Extensions that the server takes from our stand-ins; a run that uses one says so."""
    owner: str = ""
    """Token that marks the databases of this run as ours."""

    @property
    def superuser(self) -> bool:
        return self.capabilities.superuser

    @property
    def managed(self) -> bool:
        """Whether we started it, so that everything on it is ours."""
        return self.kind != "dsn"

    def conninfo(self, dbname: str | None = None) -> str:
        """Return the libpq connection string. It holds the password: never print it."""
        return self.endpoint.conninfo(dbname)

    def connect(
        self, dbname: str | None = None, *, application_name: str = "pgrehearse"
    ) -> psycopg.Connection[TupleRow]:
        """Open an autocommit connection, by default to the maintenance database; ServerError if it fails."""
        return self.endpoint.connect(dbname, application_name=application_name)

    def environ(self, dbname: str | None = None) -> dict[str, str]:
        """Return PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE …, for psql and pg_dump."""
        return self.endpoint.environ(dbname)


def owner_key(token: str) -> int:
    """Return the key of the advisory lock that the owner of a token holds while it lives."""
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big", signed=True)


@contextmanager
def open_server(spec: ServerSpec, say: Say = quiet) -> Iterator[Server]:
    """Remove what dead runs left behind, then open the server; managed kinds are stopped and removed at the end.

    UsageError and ServerError say what is missing. A server of the DSN kind is left running.
    """
    sweep_leases(say)
    kind, started = _start(spec, say)
    with started as endpoint:
        token = secrets.token_hex(16)
        with endpoint.connect(application_name="pgrehearse owner") as conn:
            _hold_ownership(conn, token)
            server = _describe(conn, kind, endpoint, token)
            yield server


def sweep_leases(say: Say) -> None:
    """Stop and remove the servers whose owners are dead, and say so."""
    for sentence in sweep_clusters():
        say(sentence)


def _start(spec: ServerSpec, say: Say) -> tuple[ManagedKind, AbstractContextManager[Endpoint]]:
    if spec.kind == "dsn":
        return "dsn", _external(spec)
    if spec.kind == "cluster":
        installation = choose_installation(spec.pg_bindir)
        return "cluster", running_cluster(installation, durable=spec.durable, settings=spec.settings)
    installation = embedded_installation()
    return "embedded", running_cluster(installation, durable=spec.durable, settings=spec.settings)


@contextmanager
def _external(spec: ServerSpec) -> Iterator[Endpoint]:
    yield parse_dsn(spec.dsn or "")


def _hold_ownership(conn: psycopg.Connection[TupleRow], token: str) -> None:
    """Take the lock that says this run lives, for as long as the connection stands."""
    if conn.info.server_version >= 140000:
        conn.execute("SET idle_session_timeout = 0")
    conn.execute("SELECT pg_advisory_lock(%s)", [owner_key(token)])


def _describe(
    conn: psycopg.Connection[TupleRow], kind: ManagedKind, endpoint: Endpoint, token: str
) -> Server:
    capabilities = facts.read_capabilities(conn)
    facts.require_create_database(conn, capabilities)
    return Server(
        kind=kind,
        endpoint=endpoint,
        info=facts.read_info(conn, kind),
        capabilities=capabilities,
        notes=facts.privilege_notes(capabilities),
        stand_ins=facts.read_stand_ins(conn),
        owner=token,
    )
