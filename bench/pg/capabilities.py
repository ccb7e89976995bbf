"""What the server is and what our role may do there: read once, when the server is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from bench.errors import ServerError
from bench.model.run import Note, ServerInfo
from bench.pg.catalog import load_query
from bench.pg.settings import RECORDED
from bench.pg.spec import ManagedKind

OLDEST_MAJOR = 13


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Yes or no: may our role, and can this server."""

    superuser: bool
    create_database: bool
    create_role: bool
    checkpoint: bool
    """May send CHECKPOINT: superuser, or member of pg_checkpoint on 15 and newer."""
    read_all_stats: bool
    """Sees other roles' queries in pg_stat_activity: superuser, or member of pg_read_all_stats."""
    statement_counters: bool
    """pg_stat_statements is preloaded, and our role may create its extension."""
    file_copy: bool
    """CREATE DATABASE … STRATEGY FILE_COPY: 15 and newer."""


def read_capabilities(conn: psycopg.Connection[Any]) -> Capabilities:
    """Ask the server what our role may do; ServerError for a server older than 13.

    Whether it may create pg_stat_statements no catalog says on a managed server: that must be tried.
    """
    version_num = conn.info.server_version
    if version_num < OLDEST_MAJOR * 10000:
        raise ServerError(
            f"the server is PostgreSQL {version_num // 10000}, older than {OLDEST_MAJOR}",
            f"rehearse on PostgreSQL {OLDEST_MAJOR} or newer",
        )
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(load_query("privileges", version_num)).fetchone()
    assert row is not None
    return Capabilities(
        superuser=row["superuser"],
        create_database=row["create_database"],
        create_role=row["create_role"],
        checkpoint=row["checkpoint"],
        read_all_stats=row["read_all_stats"],
        statement_counters=row["statements_preloaded"],
        file_copy=version_num >= 150000,
    )


def read_info(conn: psycopg.Connection[Any], kind: ManagedKind) -> ServerInfo:
    """Return version, every setting that matters or that is not the default, and the extensions on offer."""
    version_num = conn.info.server_version
    rows = conn.execute(load_query("settings", version_num), {"recorded": list(RECORDED)}).fetchall()
    locale = conn.execute(load_query("locale", version_num)).fetchall()
    extensions = conn.execute("SELECT name FROM pg_available_extensions ORDER BY name").fetchall()
    version = conn.execute("SELECT current_setting('server_version')").fetchone()
    assert version is not None
    settings: Mapping[str, str] = {name: value for name, value in (*locale, *rows) if value is not None}
    return ServerInfo(
        kind=kind,
        version=version[0],
        version_num=version_num,
        settings=dict(sorted(settings.items())),
        extensions=tuple(name for (name,) in extensions),
    )


def read_stand_ins(conn: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Return the extensions that the server takes from our stand-ins, because its installation lacks them."""
    rows = conn.execute(
        "SELECT name FROM pg_available_extensions WHERE comment LIKE 'pgrehearse stand-in%' ORDER BY name"
    ).fetchall()
    return tuple(name for (name,) in rows)


def require_create_database(conn: psycopg.Connection[Any], capabilities: Capabilities) -> None:
    """Raise ServerError, with the statement to run, where our role cannot create a database."""
    if capabilities.create_database:
        return
    role = conn.info.user
    grant = sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(role)).as_string()
    raise ServerError(
        f"role {role} may not create databases on {conn.info.host}, port {conn.info.port}; "
        "a rehearsal runs only in databases of its own",
        f"as a superuser: {grant};",
    )


def privilege_notes(capabilities: Capabilities) -> tuple[Note, ...]:
    """Return what is missing on this server, and what is therefore unknown in the run."""
    missing = (
        (
            capabilities.statement_counters,
            "pg_stat_statements",
            "pg_stat_statements is not in shared_preload_libraries, or the role may not create the extension:"
            " WAL, block and temporary-file counters of statements are null.",
        ),
        (
            capabilities.read_all_stats,
            "pg_read_all_stats",
            "The role is not a member of pg_read_all_stats (or pg_monitor): queries of other roles that hold"
            " or await locks are null.",
        ),
        (
            capabilities.checkpoint,
            "CHECKPOINT",
            "The role may not CHECKPOINT (superuser, or pg_checkpoint on 15 and newer): WAL volume depends on"
            " when the server's last checkpoint was, and full-page images are not comparable.",
        ),
        (
            capabilities.create_role,
            "CREATEROLE",
            "The role lacks CREATEROLE: roles that the migrations or the base need must exist already.",
        ),
    )
    return tuple(Note(subject, text) for present, subject, text in missing if not present)
