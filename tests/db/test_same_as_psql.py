"""A suite applied under watch ends in the same schema as ``psql -f`` on the same files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.migrate.script import read_statements
from bench.migrate.suite import Suite, find_suite
from bench.pg.binaries import find_installations
from bench.pg.catalog import describe_schema
from bench.pg.database import clone_database, drop_database, new_name
from bench.pg.embedded import embedded_installation
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.solo.apply import MigrationApplier
from bench.run.solo.watch import watch
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template

ROOT = Path(__file__).parents[2] / "migrations"


@contextmanager
def clone(server: Server, prepared: str) -> Iterator[str]:
    name = new_name("psql")
    clone_database(server, prepared, name)
    try:
        yield name
    finally:
        drop_database(server, name)


def schema(server: Server, dbname: str) -> dict[str, str]:
    with server.connect(dbname) as conn:
        return describe_schema(conn)


def apply_with_psql(server: Server, dbname: str, suite: Suite) -> None:
    psql = [*(i.bindir for i in find_installations()), embedded_installation().bindir][0] / "psql"
    for migration in suite.migrations:
        done = subprocess.run(
            [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", migration.path],
            env={**os.environ, **server.environ(dbname)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def apply_under_watch(server: Server, dbname: str, suite: Suite) -> None:
    with watch(server, dbname, None) as watching:
        for migration in suite.migrations:
            with server.connect(dbname) as conn:
                statements = read_statements(migration.path)
                applier = MigrationApplier(
                    migration.id, statements, conn, watching, repeat=0, progress=silent
                )
                applier.run()
                result = applier.result()
                assert result.outcome == "applied", result.error


@pytest.mark.parametrize("name", ["crm", "crm_as_reviewed", "crm_one_transaction"])
def test_the_final_schema_is_that_of_psql(name: str, server: Server) -> None:
    suite = find_suite(name, ROOT)
    with template(server, suite, DataOptions(scale=0.002, dirt=0.0), silent) as prepared:
        before = None
        ends = []
        for apply in (apply_with_psql, apply_under_watch):
            with clone(server, prepared.dbname) as dbname:
                before = schema(server, dbname)
                apply(server, dbname, suite)
                ends.append(schema(server, dbname))
    by_psql, under_watch = ends
    assert len(by_psql) > len(before or {}) + 200, "the suite makes many objects"
    assert under_watch == by_psql
