"""The server of a run: one class for all kinds, which differ only in how they are started and stopped."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Event

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.model.run import Note, ServerInfo
from bench.pg.capabilities import Capabilities
from bench.pg.catalog import load_query
from bench.pg.cluster import Postmaster
from bench.pg.endpoint import Endpoint, SessionKind, with_options
from bench.pg.spec import ManagedKind

SharedState = dict[tuple[str, str], str]
"""The state of each thing that all databases of a server share, by its kind and name, for example
``("role", "app")``."""
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
