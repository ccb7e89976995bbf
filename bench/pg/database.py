"""Databases of our own on a server: made, cloned, sealed as templates, dropped. No other is ever touched."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors, sql

from bench.errors import ServerError, Unreachable, UsageError
from bench.pg.catalog import load_query
from bench.pg.lease import TOOL, Mark, end_lease, orphans, owner_lives, read_mark, runs_here, write_lease
from bench.pg.locale import Locale
from bench.pg.server import Server

PREFIX = "bench_"
NAME_BYTES = 63
CLEANUP_TIMEOUT_S = 3
"""For a connection that cleans up: where the network stands still, the end of a run shall not."""

Say = Callable[[str], None]


def quiet(_: str) -> None:
    """Say nothing."""


def new_name(purpose: str) -> str:
    """Return ``bench_<purpose>_<8 hex>``, unused with near certainty; the purpose is cut to fit 63 bytes."""
    slug = re.sub(r"[^a-z0-9]+", "_", purpose.lower()).strip("_")[:40] or "work"
    return f"{PREFIX}{slug}_{secrets.token_hex(4)}"


def create_database(server: Server, name: str, locale: Locale | None = None) -> None:
    """Create an empty database that is marked as this run's; ServerError if the name is taken.

    Also where the server's system does not have the locale.
    """
    _create(server, name, template=None, locale=locale)


_IN_KERNEL = "clone"
"""Value of file_copy_method, since 18; refused where the server was built without it."""


def clone_database(server: Server, template: str, name: str) -> None:
    """Copy a database, file by file on 15 and newer; ServerError if it is in use or the name is taken."""
    _require_ours(template)
    _create(server, name, template=template)


def seal_template(server: Server, name: str) -> None:
    """Close a finished database to connections and make it a template, so that no clone waits for it."""
    _require_ours(name)
    with server.connect() as conn:
        if not server.managed:
            _require_unused(conn, name, "sealed as a template")
        conn.execute(
            sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true").format(
                sql.Identifier(name)
            )
        )


def install_extension(conn: psycopg.Connection[Any], name: str) -> None:
    """Create an extension in a database of our own, whose schemas may be those of any template1."""
    conn.execute("CREATE SCHEMA IF NOT EXISTS pgrehearse")
    create = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA pgrehearse")
    conn.execute(create.format(sql.Identifier(name)))
    look_in_schema_of(conn, name)


def look_in_schema_of(conn: psycopg.Connection[Any], extension: str) -> None:
    """Let a session of our own find an extension's objects by their bare names, wherever it is installed."""
    conn.execute(
        "SELECT set_config('search_path', quote_ident(n.nspname), false)"
        " FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = %s",
        [extension],
    )


def roles_of(server: Server) -> frozenset[str]:
    """Names of the server's roles."""
    with server.connect() as conn:
        return frozenset(role for (role,) in conn.execute(load_query("roles", conn.info.server_version)))


def drop_database(server: Server, name: str, *, timeout_s: int | None = None) -> None:
    """Drop a database, sealed or not; one that is gone already is no error.

    On a server that we started, every session in it ends. On any other server sessions of this tool end, and
    somebody else's are named in a ServerError.
    """
    _require_ours(name)
    with server.connect(timeout_s=timeout_s) as conn:
        _drop(server, conn, name)


def discard_database(server: Server, name: str) -> None:
    """Drop a database where that can be; what cannot go is tried again, and said, at the end of the run."""
    if server.lost.is_set():
        return
    try:
        drop_database(server, name, timeout_s=CLEANUP_TIMEOUT_S)
    except Unreachable:
        server.lost.set()
    except (ServerError, psycopg.Error):
        pass


@contextmanager
def temporary_database(server: Server, purpose: str, template: str | None = None) -> Iterator[str]:
    """A new database, empty or a copy of one that nobody is connected to; dropped at the end."""
    name = new_name(purpose)
    try:
        if template is None:
            create_database(server, name)
        else:
            clone_database(server, template, name)
        yield name
    finally:
        discard_database(server, name)


def sweep_databases(server: Server, say: Say = quiet) -> None:
    """Drop the databases that dead runs of this tool left on the server, and say so; what cannot go is said.

    A run lives while its owner's lock is held, from whatever host, or a session of this tool is in one of its
    databases, or its process runs on this machine: the connection with the lock may have been cut. A database
    without our mark is touched only if a lease on this machine says that a dead process was just making it.
    """
    with server.connect() as conn:
        unmarked = {}
        owned: dict[str, list[str]] = {}
        for name, comment in conn.execute(load_query("our_databases", server.info.version_num)).fetchall():
            mark = read_mark(comment)
            if mark is None:
                unmarked[name] = comment
            else:
                owned.setdefault(mark.owner, []).append(name)
        for owner, names in owned.items():
            if not _lives(conn, owner, names):
                for name in names:
                    _sweep(server, conn, name, say)
        for lease in orphans("database"):
            if lease.details["server"] != server.endpoint.address:
                continue
            name = lease.details["name"]
            if name in unmarked and unmarked[name] is None:
                _sweep(server, conn, name, say)
            end_lease(lease)


def drop_own_databases(server: Server, say: Say = quiet) -> None:
    """Drop what this run has made and not dropped, as after an error; what cannot go is said.

    ServerError where the server cannot be reached.
    """
    with server.connect(timeout_s=CLEANUP_TIMEOUT_S) as conn:
        for name, comment in conn.execute(load_query("our_databases", server.info.version_num)).fetchall():
            mark = read_mark(comment)
            if mark is not None and mark.owner == server.owner:
                _sweep(server, conn, name, say, own=True)


def _sweep(server: Server, conn: psycopg.Connection[Any], name: str, say: Say, *, own: bool = False) -> None:
    try:
        _drop(server, conn, name)
    except (ServerError, psycopg.Error) as error:
        said = server.endpoint.scrub(str(error)).strip()
        say(f"database {name} stays: {' '.join(said.split())}; {_stays_until(own=own)}")
    else:
        say(f"dropped database {name}, left by {'this run' if own else 'a run that is gone'}")


def _stays_until(*, own: bool) -> str:
    return "the next run drops it" if own else "the run after this one tries again"


def _lives(conn: psycopg.Connection[Any], owner: str, names: Sequence[str]) -> bool:
    if owner_lives(conn, owner):
        return True
    here = runs_here(owner)  # backends of a process that was killed may go on for a while
    if here is not None:
        return here
    return any(application.startswith(TOOL) for name in names for _, application, _ in _sessions(conn, name))


def _require_ours(name: str) -> None:
    if not name.startswith(PREFIX) or len(name.encode()) > NAME_BYTES:
        raise UsageError(
            f"database {name!r} is not one of ours",
            f"only databases named {PREFIX}…, of {NAME_BYTES} bytes at most, are made or dropped",
        )


def _create(server: Server, name: str, *, template: str | None, locale: Locale | None = None) -> None:
    """Create and mark a database; the two cannot be one transaction, so a lease covers the time between."""
    _require_ours(name)
    mark = Mark(name.removeprefix(PREFIX).rsplit("_", 1)[0], server.owner)
    with server.connect() as conn:
        if conn.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None:
            raise ServerError(f"database {name} exists already", "choose another name, or drop it")
        lease = None
        if not server.managed:  # a server of ours goes whole
            lease = write_lease("database", {"name": name, "server": server.endpoint.address})
        try:
            _copy(server, conn, name, template, locale)
        except psycopg.Error as error:
            if lease is not None and error.sqlstate is not None:  # else the server may still be making it
                end_lease(lease)
            raise _not_created(server, conn, name, template, error) from None
        comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
        conn.execute(comment.format(sql.Identifier(name), sql.Literal(mark.encode())))
        if template is not None:
            carry_over(conn, template, name)
        if lease is not None:
            end_lease(lease)


def _copy(
    server: Server, conn: psycopg.Connection[Any], name: str, template: str | None, locale: Locale | None
) -> None:
    """Create the database; its files are copied inside the kernel where server and filesystem can do that."""
    statement = _create_statement(server, name, template, locale)
    if template is not None and server.info.version_num >= 180000:
        try:
            conn.execute(sql.SQL("SET file_copy_method = {}").format(sql.Literal(_IN_KERNEL)))
            conn.execute(statement)
            return
        except (errors.InvalidParameterValue, errors.InternalError_, errors.FeatureNotSupported):
            conn.execute("RESET file_copy_method")
    conn.execute(statement)


def _not_created(
    server: Server, conn: psycopg.Connection[Any], name: str, template: str | None, error: psycopg.Error
) -> ServerError:
    if isinstance(error, errors.ObjectInUse):
        return _in_use(conn, template or "template1", "cloned")
    return ServerError(
        f"database {name} cannot be created: {server.endpoint.scrub(str(error)).strip()}",
        "check disk space, connection limits and the role's privileges",
    )


def _create_statement(server: Server, name: str, template: str | None, locale: Locale | None) -> sql.Composed:
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template is not None:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        if server.capabilities.file_copy:
            statement += sql.SQL(" STRATEGY FILE_COPY")
    if locale is not None:
        statement += sql.SQL(" ") + locale.clause(server.info.version_num)
    return statement


def _drop(server: Server, conn: psycopg.Connection[Any], name: str) -> None:
    identifier = sql.Identifier(name)
    row = conn.execute("SELECT datistemplate FROM pg_database WHERE datname = %s", [name]).fetchone()
    if row is None:
        return
    if not server.managed:
        _require_unused(conn, name, "dropped")
    if row[0]:
        conn.execute(sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE false").format(identifier))
    _end_what_keeps(server, conn, name)
    conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))


def _end_what_keeps(server: Server, conn: psycopg.Connection[Any], name: str) -> None:
    """End the prepared transactions, subscriptions and logical slots of a database of ours.

    The server drops no database that has one. The slot that a subscription has at its publisher is not ours
    to drop. https://www.postgresql.org/docs/current/sql-dropsubscription.html#SQL-DROPSUBSCRIPTION-NOTES
    """
    rows = conn.execute(load_query("keeps_database", conn.info.server_version), {"database": name}).fetchall()
    if not rows:
        return
    allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true")
    conn.execute(allow.format(sql.Identifier(name)))
    with server.connect(name) as inside:
        for kind, thing in rows:
            if kind == "transaction":
                inside.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(thing)))
            elif kind == "slot":
                inside.execute("SELECT pg_drop_replication_slot(%s)", [thing])
            else:
                for rest in ("ALTER SUBSCRIPTION {} DISABLE", "ALTER SUBSCRIPTION {} SET (slot_name = NONE)",
                             "DROP SUBSCRIPTION {}"):  # fmt: skip
                    inside.execute(sql.SQL(rest).format(sql.Identifier(thing)))


def _sessions(conn: psycopg.Connection[Any], name: str) -> list[tuple[int, str, str]]:
    query = load_query("sessions", conn.info.server_version)
    return conn.execute(query, {"database": name}).fetchall()


def _require_unused(conn: psycopg.Connection[Any], name: str, action: str) -> None:
    """Raise where a session in the database is not this tool's."""
    if any(not application.startswith(TOOL) for _, application, _ in _sessions(conn, name)):
        raise _in_use(conn, name, action)


def _in_use(conn: psycopg.Connection[Any], name: str, action: str) -> ServerError:
    who = ", ".join(f"{who} (pid {pid}, role {role})" for pid, who, role in _sessions(conn, name))
    return ServerError(
        f"database {name} cannot be {action}: it is in use by {who or 'a session that has left since'}",
        "end these sessions and try again",
    )


Conn = psycopg.Connection[Any]
Setting = tuple[str | None, str, str]
"""Role (None: everybody), name, value."""

LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
"""Settings that hold a list of quoted names, as pg_dump's variable_is_guc_list_quote() knows them."""


def carry_over(conn: Conn, source: str, target: str) -> None:
    """Give a copy the settings, the grants and the owner of the database that it was made from."""
    set_all(conn, target, settings_of(conn, source))
    identifier = sql.Identifier(target)
    row = conn.execute(
        "SELECT datacl IS NOT NULL, pg_get_userbyid(datdba), datdba = current_user::regrole"
        " FROM pg_database WHERE datname = %s",
        [source],
    ).fetchone()
    assert row is not None
    granted, owner, mine = row
    if granted:
        conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(identifier))
        query = load_query("database_access", conn.info.server_version)
        for role, privilege, grantable in conn.execute(query, {"database": source}).fetchall():
            grant = sql.SQL("GRANT {} ON DATABASE {} TO {}").format(
                sql.SQL(privilege), identifier, sql.SQL("PUBLIC") if role is None else sql.Identifier(role)
            )
            conn.execute(grant + sql.SQL(" WITH GRANT OPTION" if grantable else ""))
    if not mine:
        conn.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(identifier, sql.Identifier(owner)))


def settings_of(conn: Conn, dbname: str) -> list[Setting]:
    """What ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET have set for a database."""
    query = load_query("database_settings", conn.info.server_version)
    return conn.execute(query, {"database": dbname}).fetchall()


def set_all(conn: Conn, dbname: str, settings: Iterable[Setting]) -> None:
    """Set them for a database; raises psycopg.Error where the role may not, or the server knows one not."""
    for role, name, value in settings:
        database = sql.Identifier(dbname)
        whose = (
            sql.SQL("ALTER DATABASE {}").format(database)
            if role is None
            else sql.SQL("ALTER ROLE {} IN DATABASE {}").format(sql.Identifier(role), database)
        )
        setting = sql.SQL(".").join(map(sql.Identifier, name.split(".")))
        if name.lower() not in LISTS:
            conn.execute(whose + sql.SQL(" SET {} TO {}").format(setting, sql.Literal(value)))
            continue
        with conn.transaction():  # one literal would be one name; the server itself splits its own list
            conn.execute("SELECT set_config(%s, %s, true)", [name, value])
            conn.execute(whose + sql.SQL(" SET {} FROM CURRENT").format(setting))


RELOAD_TIMEOUT_S = 10.0


@contextmanager
def fsync(server: Server, *, on: bool) -> Iterator[None]:
    """Set fsync for the length of the block, on a server that we started to be durable; else do nothing."""
    if not (server.managed and server.superuser and server.info.settings.get("fsync") == "on"):
        yield
        return
    before = _read(server)
    _set(server, "on" if on else "off")
    try:
        yield
    finally:
        _set(server, before)


def _read(server: Server) -> str:
    with server.connect() as conn:
        row = conn.execute("SHOW fsync").fetchone()
        assert row is not None
        return str(row[0])


def _set(server: Server, value: str) -> None:
    """Change it and wait until sessions that begin now have it."""
    with server.connect() as conn:
        conn.execute(sql.SQL("ALTER SYSTEM SET fsync = {}").format(sql.Literal(value)))
        conn.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + RELOAD_TIMEOUT_S
    while _read(server) != value and time.monotonic() < deadline:
        time.sleep(0.005)
