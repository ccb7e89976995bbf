"""The tool's own table read from a running database and from its dumps: read, and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from bench.pg.clients import find_clients
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server
from tests.command_line import bench

NOTES = (
    "CREATE TABLE a (id int); CREATE TABLE schema_migrations (version bigint, dirty boolean); "
    "INSERT INTO schema_migrations VALUES (1, false)"
)


@pytest.fixture
def production(server: Server) -> Iterator[str]:
    """A database that has had the first of two migrations."""
    name = new_name("production")
    create_database(server, name)
    try:
        with server.connect(name) as conn:
            conn.execute(NOTES)
        yield name
    finally:
        drop_database(server, name)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "1_a.up.sql").write_text("CREATE TABLE a (id int);\n")
    (tmp_path / "db" / "2_b.up.sql").write_text("ALTER TABLE a ADD note text;\n")
    return tmp_path


def dsn(server: Server, dbname: str) -> str:
    host, port = (server.endpoint.parameters[name] for name in ("host", "port"))
    return f"postgresql://postgres@/{dbname}?host={quote(host, safe='')}&port={port}"


def dump(server: Server, dbname: str, target: Path, form: str) -> Path:
    program = max(find_clients("pg_dump"), key=lambda client: client.major)
    subprocess.run(
        [program.path, "--format", form, "--file", target, dbname],
        env=server.environ(dbname),
        check=True,
    )
    return target


def rehearsed(project: Path, of: str, *more: str) -> tuple[list[str], list[str]]:
    """The files that were measured, and those that were part of the state before."""
    done = bench(
        "run", "db", "--pending-of", of, *more, "--no-load", "--no-explain", "--no-probe", "--repeats", "1",
        "--server", "embedded", "--out", "out", cwd=project,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    suite = json.loads((project / "out" / "run.json").read_bytes())["suite"]
    measured, deployed = (
        [migration["file"] for migration in suite[part]] for part in ("migrations", "deployed")
    )
    return measured, deployed


def test_only_what_a_database_has_not_had_is_rehearsed(
    server: Server, production: str, project: Path
) -> None:
    assert rehearsed(project, dsn(server, production)) == (["2_b.up.sql"], ["1_a.up.sql"])
    with server.connect(production) as conn:
        assert conn.execute("SELECT version FROM schema_migrations").fetchall() == [(1,)]
        assert conn.execute("SELECT count(*) FROM pg_class WHERE relname = 'a'").fetchone() == (1,)


@pytest.mark.parametrize("form", ["plain", "custom"])
def test_a_dump_tells_the_same(form: str, server: Server, production: str, project: Path) -> None:
    path = dump(server, production, project / "production.dump", form)
    assert rehearsed(project, str(path)) == (["2_b.up.sql"], ["1_a.up.sql"])


def test_a_dump_that_is_the_state_before_has_them_already(
    server: Server, production: str, project: Path
) -> None:
    path = str(dump(server, production, project / "production.dump", "custom"))
    assert rehearsed(project, path, "--from-dump", path) == (["2_b.up.sql"], [])


def test_a_schema_of_production_as_the_base_has_them_already(
    server: Server, production: str, project: Path
) -> None:
    path = str(dump(server, production, project / "schema.sql", "plain"))
    assert rehearsed(project, path, "--base", "schema.sql") == (["2_b.up.sql"], [])


def test_a_database_without_the_table_is_refused(server: Server, project: Path) -> None:
    done = bench("run", "db", "--pending-of", dsn(server, "postgres"), cwd=project)
    assert (done.returncode, "has no table schema_migrations" in done.stderr) == (2, True), done.stderr
