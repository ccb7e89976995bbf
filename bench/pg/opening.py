"""A server opened for a run and left as it was: what dead runs left goes, servers of ours are stopped."""

from __future__ import annotations

import hashlib
import platform
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from bench.errors import Interrupted, ServerError
from bench.pg import capabilities as facts
from bench.pg.account import Account
from bench.pg.binaries import Installation, choose_installation
from bench.pg.choice import DECISION_S, choose
from bench.pg.cluster import Postmaster, running_cluster, sweep_clusters
from bench.pg.container import running_container, sweep_containers
from bench.pg.database import (
    Say,
    drop_own_databases,
    install_extension,
    quiet,
    sweep_databases,
    temporary_database,
)
from bench.pg.datacache import CacheError, sweep_partial, take_out
from bench.pg.embedded import embedded_installation
from bench.pg.endpoint import Endpoint, parse_dsn, require_no_pooler
from bench.pg.globals import changes_since, drop_own_roles, read_shared, sweep_roles
from bench.pg.lease import Lease, end_lease, end_leases, staying_owner, sweep_directories, write_lease
from bench.pg.server import Server
from bench.pg.spec import ManagedKind, ServerSpec, StartedKind


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
    try:
        with temporary_database(server, "probe") as name, server.connect(name) as conn:
            install_extension(conn, "pg_stat_statements")
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True
