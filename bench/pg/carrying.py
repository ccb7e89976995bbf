"""What a copy of a database lacks: CREATE DATABASE … TEMPLATE copies neither settings, grants nor owner.

https://www.postgresql.org/docs/current/manage-ag-templatedbs.html: these belong to the database's own rows
of pg_database and pg_db_role_setting, which name it by its oid.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from bench.pg.catalog import load_query

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
