"""Databases of our own on a server: made, cloned, sealed as templates, dropped. No other one is ever touched."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

import psycopg
from psycopg import errors, sql

from bench.errors import ServerError, UsageError
from bench.pg.catalog import load_query
from bench.pg.server import Say, Server, owner_key, quiet

PREFIX = "bench_"
TOOL = "pgrehearse"


def new_name(purpose: str) -> str:
    """Return ``bench_<purpose>_<8 hex>``, unused with near certainty; the purpose is cut to fit 63 bytes."""
    slug = re.sub(r"[^a-z0-9]+", "_", purpose.lower()).strip("_")[:40] or "work"
    return f"{PREFIX}{slug}_{secrets.token_hex(4)}"


def create_database(server: Server, name: str) -> None:
    """Create an empty database that is marked as this run's."""
    _create(server, name, sql.SQL(""))


def clone_database(server: Server, template: str, name: str) -> None:
    """Copy a database file by file (STRATEGY FILE_COPY on 15 and newer); ServerError if the template is in use."""
    _require_ours(template)
    options = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    if server.capabilities.file_copy:
        options += sql.SQL(" STRATEGY FILE_COPY")
    _create(server, name, options, template=template)


def seal_template(server: Server, name: str) -> None:
    """Close a finished database to connections and make it a template, so that clones never wait for it."""
    _require_ours(name)
    with server.connect() as conn:
        _require_unused(server, conn, name, "sealed as a template")
        conn.execute(
            sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true").format(
                sql.Identifier(name)
            )
        )


def drop_database(server: Server, name: str) -> None:
    """Drop a database, sealed or not; one that is gone already is no error.

    On a server that we started every session in it ends. On any other server sessions of this tool end, and
    somebody else's are named in a ServerError.
    """
    _require_ours(name)
    with server.connect() as conn:
        _drop(server, conn, name)


def sweep_databases(server: Server, say: Say = quiet) -> None:
    """Drop the databases that dead runs of this tool left on the server, and say so.

    A run lives while its owner's advisory lock is held, from whatever host; unmarked databases are never touched.
    """
    with server.connect() as conn:
        for (
            name,
            comment,
        ) in conn.execute(load_query("marked_databases", server.info.version_num)).fetchall():
            mark = read_mark(comment)
            if mark is None or _owner_lives(conn, mark["owner"]):
                continue
            _drop(server, conn, name)
            say(f"dropped database {name} ({mark['purpose']}) left by a run that is gone")


def read_mark(comment: str | None) -> dict[str, str] | None:
    """Return owner and purpose from a database's comment, or None where it is not our mark."""
    try:
        mark = json.loads(comment or "")
    except ValueError:
        return None
    if not isinstance(mark, dict) or mark.get("tool") != TOOL:
        return None
    owner, purpose = mark.get("owner"), mark.get("purpose")
    return (
        {"owner": owner, "purpose": purpose} if isinstance(owner, str) and isinstance(purpose, str) else None
    )


def _owner_lives(conn: psycopg.Connection[Any], token: str) -> bool:
    key = owner_key(token) % 2**64
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
        " AND classid::bigint = %s AND objid::bigint = %s)",
        [key >> 32, key & 0xFFFFFFFF],
    ).fetchone()
    return bool(row and row[0])


def _require_ours(name: str) -> None:
    if not name.startswith(PREFIX) or len(name.encode()) > 63:
        raise UsageError(
            f"database {name!r} is not one of ours",
            f"only databases named {PREFIX}…, of 63 bytes at most, are made or dropped",
        )


def _create(server: Server, name: str, options: sql.Composable, template: str | None = None) -> None:
    _require_ours(name)
    identifier = sql.Identifier(name)
    purpose = name.removeprefix(PREFIX).rsplit("_", 1)[0]
    mark = json.dumps({"tool": TOOL, "purpose": purpose, "owner": server.owner})
    with server.connect() as conn:
        try:
            conn.execute(sql.SQL("CREATE DATABASE {}{}").format(identifier, options))
        except errors.DuplicateDatabase:
            raise ServerError(f"database {name} exists already", "choose another name") from None
        except errors.ObjectInUse:
            raise _in_use(conn, template or "template1", "cloned") from None
        conn.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(identifier, sql.Literal(mark)))


def _drop(server: Server, conn: psycopg.Connection[Any], name: str) -> None:
    identifier = sql.Identifier(name)
    sealed = conn.execute(
        "SELECT datistemplate OR NOT datallowconn FROM pg_database WHERE datname = %s", [name]
    ).fetchone()
    if sealed is None:
        return
    if sealed[0]:
        conn.execute(sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE false").format(identifier))
    if not server.managed:
        _require_unused(server, conn, name, "dropped")
    conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))


def _require_unused(server: Server, conn: psycopg.Connection[Any], name: str, action: str) -> None:
    """Raise where sessions that are not this tool's are in a database."""
    if _strangers(conn, name):
        raise _in_use(conn, name, action)


def _strangers(conn: psycopg.Connection[Any], name: str) -> list[tuple[int, str, str]]:
    return conn.execute(
        "SELECT pid, application_name, coalesce(usename, '') FROM pg_stat_activity"
        " WHERE datname = %s AND backend_type = 'client backend' AND application_name NOT LIKE 'pgrehearse%%'"
        " ORDER BY pid",
        [name],
    ).fetchall()


def _in_use(conn: psycopg.Connection[Any], name: str, action: str) -> ServerError:
    rows = conn.execute(
        "SELECT pid, coalesce(nullif(application_name, ''), backend_type), coalesce(usename, '') FROM pg_stat_activity"
        " WHERE datname = %s ORDER BY pid",
        [name],
    ).fetchall()
    who = ", ".join(f"{application} (pid {pid}, role {role})" for pid, application, role in rows)
    return ServerError(
        f"database {name} cannot be {action}: it is in use by {who or 'a session that has just left'}",
        "end these sessions and try again",
    )
