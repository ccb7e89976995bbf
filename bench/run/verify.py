"""The verify scripts of a migration tool, run on what the migrations have left in a copy."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg

from bench.migrate.migration import Part
from bench.migrate.suite import Suite
from bench.migrate.transactions import read_alone
from bench.model.run import Verified
from bench.model.statement import StatementError
from bench.pg.server import Server
from bench.run.execute import describe_error, execute, psql_variables


def verify(server: Server, dbname: str, suite: Suite) -> Iterator[Verified]:
    """Run each migration's verify script as psql does, up to its first error, in their order."""
    for migration in suite.migrations:
        if migration.verify is not None:
            file = os.path.relpath(migration.verify.path, suite.path)
            yield Verified(migration.id, file, _first_error(server, dbname, migration.verify))


def _first_error(server: Server, dbname: str, part: Part) -> StatementError | None:
    statements = read_alone(part, psql_variables(server.info))
    with server.connect(dbname, application_name="pgrehearse verify", kind="deploy") as conn:
        for statement in statements:
            try:
                execute(conn, statement)
            except psycopg.Error as error:
                return describe_error(error, statement)
    return None
