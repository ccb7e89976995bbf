"""How many sessions of the application a server has room for, asked before anything runs."""

from __future__ import annotations

from dataclasses import replace

from bench.errors import UsageError
from bench.model.run import Note
from bench.pg.server import Server
from bench.run.traffic.onepass import LoadOptions

OURS = 8
"""Sessions of this run beside the traffic, at most: the deploy, who watches it, a hazard and its watcher."""
_ROOM = """
SELECT
    current_setting('max_connections')::int
    - CASE WHEN r.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int END
    - (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
    CASE WHEN r.rolconnlimit >= 0 AND NOT r.rolsuper THEN r.rolconnlimit
        - (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()) END
FROM pg_roles AS r
WHERE r.rolname = current_user
"""


def connection_room(server: Server) -> int:
    """How many connections the traffic may have, beside those of others and of this run; 0 at least.

    By max_connections, what is reserved for superusers, and the role's own limit:
    https://www.postgresql.org/docs/current/runtime-config-connection.html
    """
    with server.connect() as conn:
        row = conn.execute(_ROOM).fetchone()
    assert row is not None  # our own role
    return max(0, min(int(limit) for limit in row if limit is not None) - OURS)


def fitting(server: Server, load: LoadOptions | None) -> tuple[LoadOptions | None, tuple[Note, ...]]:
    """The traffic with as many connections as there is room for, and a note where these are fewer.

    None, with a note, where there is room for none. UsageError where so many were asked for.
    """
    if load is None or (room := connection_room(server)) >= load.connections:
        return load, ()
    if load.connections_asked:
        hint = f"take --connections {room}, " if room else ""
        raise UsageError(
            f"--connections {load.connections}: the server has room for {room} beside the run's own sessions",
            hint=f"{hint}raise max_connections, or leave the traffic out with --no-load",
        )
    if not room:
        text = "Left out: the server has no room for a connection of the application (max_connections)."
        return None, (Note("loaded pass", text, incomplete=True),)
    text = f"The application has {room} connections, not {load.connections}: the server has room for no more."
    return replace(load, connections=room), (Note("loaded pass", text),)
