"""The migrations of a suite as statements, with what may not run on this server refused beforehand."""

from __future__ import annotations

from bench.migrate.suite import Migration, Suite
from bench.migrate.transactions import read_alone, read_migrations
from bench.model.statement import Statement
from bench.pg.server import Server
from bench.run.execute import psql_variables
from bench.run.guard import check_file, check_queries, check_state_before, refuse_own_role
from bench.run.template.extensions import require_extensions
from bench.run.template.options import DataOptions

Scripts = tuple[tuple[Migration, tuple[Statement, ...]], ...]


def read_scripts(server: Server, suite: Suite, data: DataOptions) -> Scripts:
    """Each migration with its statements.

    Raises UsageError for what cannot be read or may not run there, also of the state before, with ``data``.
    What the grammar refuses is no reason: the server refuses it, as it would on the day.
    """
    known = psql_variables(server.info)
    scripts = read_migrations(suite.migrations, known)
    with server.connect() as conn:
        role = conn.execute("SELECT current_user").fetchone()
    for migration, statements in scripts:
        refuse_own_role(migration.path, statements, role[0] if role else "")
    require_extensions(server, scripts)
    check_state_before(server, suite, data)
    for migration, statements in scripts:
        check_file(server, migration.path, statements)
    for migration in suite.migrations:
        if migration.verify is not None:
            check_file(server, migration.verify.path, read_alone(migration.verify, known))
    for query in suite.queries:
        check_queries(server, ((query.name, text) for text in (query.sql, *query.params.values())))
    return scripts
