"""Databases for one use: copies of the template, the schema alone, and the roles that go with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql

from bench.migrate.suite import Suite
from bench.pg.catalog import load_query
from bench.pg.database import (
    quiet,
    roles_of,
    temporary_database,
)
from bench.pg.globals import drop_own_roles
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.template.keep import Template
from bench.run.template.prepare import apply_deployed, apply_file
from bench.run.template.roles import take_role

KEPT_BYTES = 65_536
"""A table that is no larger keeps its rows where who would wait is tried."""


@contextmanager
def clone(server: Server, prepared: str, purpose: str) -> Iterator[str]:
    """A copy of the template: its files are in the operating system's cache, none in shared buffers."""
    with temporary_database(server, purpose, prepared) as dbname:
        if server.capabilities.checkpoint:
            with server.connect() as conn:
                conn.execute("CHECKPOINT")
        yield dbname


@contextmanager
def without_data(server: Server, suite: Suite, prepared: Template) -> Iterator[str]:
    """The schema before the suite, without the rows of the generator; or else, without those of large tables.

    A table of a few pages keeps its rows, unless it refers to one that does not: a migration may look there
    for what it does.
    """
    with temporary_database(server, "schema", prepared.dbname if suite.data is None else None) as dbname:
        if suite.data is None:
            _empty_large_tables(server, dbname)
        else:
            if suite.base is not None:
                apply_file(server, dbname, suite.base)
            if server.deploys_as is not None:
                list(take_role(server, dbname, server.deploys_as))
            apply_deployed(server, dbname, suite, silent)
        yield dbname


def _empty_large_tables(server: Server, dbname: str) -> None:
    with server.connect(dbname, application_name="pgrehearse base") as conn:
        large = conn.execute(
            load_query("large_tables", server.info.version_num), {"bytes": KEPT_BYTES}
        ).fetchall()
        if not large:
            return
        if server.superuser:  # no trigger may refuse it
            conn.execute("SET session_replication_role = replica")
        names = sql.SQL(", ").join(sql.Identifier(*name) for name in large)
        with suppress(psycopg.errors.DatabaseError):  # then it is tried on all rows
            conn.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))


@contextmanager
def own_roles(server: Server, say: Callable[[str], None] = quiet) -> Iterator[None]:
    """Roles belong to the whole server: drop those that the migrations made, before the next repeat.

    On a server that we started every new one, elsewhere those that this run's own sessions made, also after
    an error or Ctrl-C; after the clone in which they own things is gone.
    """
    if not server.managed:
        try:
            yield
        finally:
            drop_own_roles(server, say)
        return
    before = roles_of(server)
    yield
    made = roles_of(server) - before
    with server.connect() as conn:
        for role in made:
            # What it may do with objects of the whole server would keep it from being dropped.
            conn.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
