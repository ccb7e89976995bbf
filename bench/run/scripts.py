"""The migrations of a suite as statements, with what may not run on this server refused beforehand."""

from __future__ import annotations

from bench.migrate.suite import Migration, Suite
from bench.migrate.transactions import read_migrations
from bench.model.statement import Statement
from bench.pg.server import Server
from bench.run.execute import psql_variables
from bench.run.extensions import require_extensions
from bench.run.guard import refuse_own_role, refuse_server_wide

Scripts = tuple[tuple[Migration, tuple[Statement, ...]], ...]


def read_scripts(server: Server, suite: Suite, *, allow_roles: bool = False) -> Scripts:
    """Each migration with its statements. Raises UsageError for what cannot be read or may not run there.

    What the grammar refuses is no reason: the server refuses it, as it would on the day.
    """
    known = psql_variables(server.info)
    scripts = read_migrations(suite.migrations, known)
    with server.connect() as conn:
        role = conn.execute("SELECT current_user").fetchone()
    for migration, statements in scripts:
        refuse_own_role(migration.path, statements, role[0] if role else "")
    require_extensions(server, scripts)
    if not server.managed:
        for migration, statements in scripts:
            refuse_server_wide(migration.path, statements, allow_roles=allow_roles)
    return scripts
