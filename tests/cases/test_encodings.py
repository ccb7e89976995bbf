"""Servers that are not in UTF-8, and roles with settings of their own: it works, or ends in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from fix_db import chosen_spec

from bench.analyse.conclude import conclude
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template

ROLES = {
    "with_search_path": "SET search_path = app",
    "with_encoding": "SET client_encoding = latin1",
    "with_role": "SET role = app",
    "with_timeouts": "SET statement_timeout = '1s'",
    "read_only": "SET default_transaction_read_only = on",
    "quoting": "SET standard_conforming_strings = off",
}


@pytest.fixture(scope="module", params=["LATIN1", "SQL_ASCII"])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose new databases have another encoding; we own it, and treat it as not ours."""
    with open_server(replace(chosen_spec(), settings={"max_connections": "60"})) as server:
        with server.connect() as conn:
            conn.execute("UPDATE pg_database SET datistemplate = false WHERE datname = 'template1'")
            conn.execute("DROP DATABASE template1")
            provider = " LOCALE_PROVIDER libc" if server.info.version_num >= 150000 else ""
            conn.execute(
                f"CREATE DATABASE template1 TEMPLATE template0 ENCODING '{request.param}' "
                f"LC_COLLATE 'C' LC_CTYPE 'C'{provider}".encode()
            )
            conn.execute("CREATE ROLE app CREATEDB; CREATE ROLE plain CREATEDB LOGIN")
            for role, setting in ROLES.items():
                conn.execute(f"CREATE ROLE {role} SUPERUSER LOGIN; ALTER ROLE {role} {setting}".encode())
        yield server


def rehearsed(server: Server, role: str, tmp_path: Path) -> Run:
    suite = tmp_path / "m"
    suite.mkdir()
    (suite / "001_t.sql").write_text("CREATE TABLE t (id int);\nDO $$ BEGIN UPDATE t SET id = 1; END $$;")
    base = tmp_path / "base.sql"
    base.write_text("CREATE SCHEMA app;\n")
    where = server.endpoint.parameters
    dsn = f"postgresql://{role}@/postgres?host={quote(where['host'], safe='')}&port={where['port']}"
    with open_server(ServerSpec("dsn", dsn=dsn)) as opened:
        found = find_suite(str(suite), base=base)
        options = RunOptions(repeats=1)
        return conclude(
            rehearse(opened, found, options, run_id="t", save=lambda _: None, progress=silent)
        ).run


@pytest.mark.parametrize("variable", ["SQL_ASCII", "LATIN1"])
def test_faults_16_client_encodings(
    elsewhere: Server, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", variable)
    run = rehearsed(elsewhere, "postgres", tmp_path)
    assert run.passes[0].repeats[0].migrations[0].outcome == "applied"


@pytest.mark.parametrize("elsewhere", ["LATIN1"], indirect=True)
@pytest.mark.parametrize("role", sorted(ROLES))
def test_faults_16_settings_of_a_role(elsewhere: Server, role: str, tmp_path: Path) -> None:
    run = rehearsed(elsewhere, role, tmp_path)
    migration = run.passes[0].repeats[0].migrations[0]
    if role == "with_search_path":
        assert migration.outcome == "applied"
        assert {lock.relation for lock in migration.statements[0].locks} == {"app.t"}
    elif role in ("with_role", "read_only"):  # a deploy of that role fails in production, too
        assert migration.error is not None
        assert ("permission denied" if role == "with_role" else "read-only") in migration.error.message
    else:
        assert migration.outcome == "applied"


@pytest.mark.parametrize("elsewhere", ["LATIN1"], indirect=True)
def test_faults_16_generated_data_on_a_server_of_another_encoding(elsewhere: Server) -> None:
    crm = find_suite("crm", Path(__file__).parents[2] / "migrations")
    where = elsewhere.endpoint.parameters
    dsn = f"postgresql://postgres@/postgres?host={quote(where['host'], safe='')}&port={where['port']}"
    with (
        open_server(ServerSpec("dsn", dsn=dsn)) as opened,
        template(opened, crm, DataOptions(scale=0.002), silent) as prepared,
    ):
        assert sum(table.rows for table in prepared.dataset.tables) > 200
