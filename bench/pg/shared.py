"""What all databases of a server share, read before a run and compared after it.

A file can change it in ways that nobody sees beforehand: a command that it reads from a table, a function in
another language. Others work on the server as well, so that a difference is told, never undone.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bench.errors import ServerError
from bench.pg.catalog import load_query
from bench.pg.server import Server, SharedState

_CONFIGURATION = """
SELECT 'setting', name, coalesce(setting, '') FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'
"""


def read_shared(server: Server) -> SharedState:
    """Roles, members, databases, tablespaces, settings, slots, origins, subscriptions, and their rights.

    Our own databases are left out, and so is the configuration where the role may not see it.
    """
    with server.connect() as conn:
        rows = conn.execute(load_query("shared_state", conn.info.server_version)).fetchall()
        if server.superuser:
            rows += conn.execute(_CONFIGURATION.encode()).fetchall()
    return {(kind, name): state for kind, name, state in rows}


def changes_since(server: Server) -> str | None:
    """What changed since the server was opened, in one sentence; None: nothing, or it is a server of ours."""
    if server.managed:
        return None
    try:
        differences = list(_differences(server.shared, read_shared(server)))
    except (psycopg.Error, ServerError):
        return None
    if not differences:
        return None
    return (
        "Changed on the whole server since this run began, by one of its files or by somebody else: "
        f"{'; '.join(differences)}."
    )


def _differences(before: SharedState, after: SharedState) -> Iterator[str]:
    for kind, name in sorted(before.keys() | after.keys()):
        old, new = before.get((kind, name)), after.get((kind, name))
        if old is None:
            yield f"{kind} {name} is new"
        elif new is None:
            yield f"{kind} {name} is gone"
        elif old != new:
            yield f"{kind} {name} is changed"
