"""Somebody's own data, brought by pg_dump, from the command line and real servers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import bench
from fix_tcp import PASSWORD, TcpServer
from psycopg import sql

from bench.pg.database import create_database, drop_database, new_name
from bench.pg.embedded import embedded_installation

RUN = ("run", "migrations", "--repeats", "1", "--no-explain", "--no-probe", "--server", "embedded", "--quiet")


@pytest.fixture
def source(tcp: TcpServer) -> Iterator[str]:
    name = new_name("source")
    create_database(tcp.admin, name)
    with tcp.admin.connect(name) as conn:
        conn.execute("CREATE TABLE accounts (id int PRIMARY KEY, owner text)")
        conn.execute("INSERT INTO accounts SELECT g, 'owner \\ ' || g FROM generate_series(1, 700) AS g")
        conn.execute("CREATE TABLE logs (id int)")
        conn.execute("INSERT INTO logs SELECT generate_series(1, 50)")
    yield name
    drop_database(tcp.admin, name)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "001_email.sql").write_text("ALTER TABLE accounts ADD COLUMN email text;\n")
    return tmp_path


def pg_dump(tcp: TcpServer, name: str, form: str, target: Path) -> Path:
    program = embedded_installation().bindir / "pg_dump"
    environment = tcp.admin.environ(name)
    subprocess.run([program, f"--format={form}", "--file", target], env=environment, check=True)
    return target


def rehearse(project: Path, *options: str, env: dict[str, str] | None = None) -> Any:
    done = bench(
        *(*RUN, *options, "--json", "-"),
        cwd=project,
        env={"BENCH_CACHE_DIR": str(project / "cache"), **(env or {})},
    )
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return json.loads(done.stdout)


def counts(run: Any) -> dict[str, int]:
    return {table["name"]: table["rows"] for table in run["dataset"]["tables"]}


@pytest.mark.parametrize("form", ["plain", "custom", "directory"])
def test_a_dump_is_the_state_before_and_is_kept(
    form: str, project: Path, tcp: TcpServer, source: str
) -> None:
    dump = pg_dump(tcp, source, form, project / f"shop.{form}")
    first = rehearse(project, "--from-dump", str(dump))
    assert counts(first) == {"public.accounts": 700, "public.logs": 50}
    assert first["dataset"]["generator_version"] is None
    assert any("SHA-256" in note["text"] for note in first["notes"])
    if form == "custom":
        again = rehearse(project, "--from-dump", str(dump))
        assert again["dataset"] == first["dataset"] | {"from_template": True}
        assert any("SHA-256" in note["text"] for note in again["notes"])


def test_a_server_is_copied_and_never_written_to(project: Path, tcp: TcpServer, source: str) -> None:
    with tcp.admin.connect(source) as conn:
        query = "SELECT md5(string_agg(a::text, '|' ORDER BY id)), max(xmin::text::bigint) FROM accounts AS a"
        written = "SELECT tup_inserted, tup_updated, tup_deleted FROM pg_stat_database WHERE datname = %s"
        state = conn.execute(query).fetchone()
        conn.execute("SELECT pg_stat_force_next_flush()")
        before = conn.execute(written, [source]).fetchone()
    run = rehearse(
        project,
        *(
            "--from-dsn",
            f"postgresql://postgres@127.0.0.1:{tcp.port}/{source}",
            "--exclude-table-data",
            "logs",
        ),
        env={"PGPASSWORD": PASSWORD},
    )
    assert counts(run) == {"public.accounts": 700, "public.logs": 0}
    with tcp.admin.connect(source) as conn:
        assert conn.execute(query).fetchone() == state
        assert conn.execute(written, [source]).fetchone() == before


def test_missing_roles_are_made_and_named(project: Path, tcp: TcpServer, source: str) -> None:
    tcp.create_role("only_here")
    with tcp.admin.connect(source) as conn:
        conn.execute(sql.SQL("GRANT SELECT ON accounts TO only_here"))
    dump = pg_dump(tcp, source, "custom", project / "shop.dump")
    run = rehearse(project, "--from-dump", str(dump))
    assert any("only_here" in note["text"] for note in run["notes"])
    (project / "roles.sql").write_text("CREATE ROLE only_here;\n")
    run = rehearse(project, "--from-dump", str(dump), "--base", "roles.sql")
    assert not any("only_here" in note["text"] for note in run["notes"])


def test_what_is_no_dump_is_told(project: Path) -> None:
    done = bench(*RUN, "--from-dump", "nowhere.dump", cwd=project)
    assert done.returncode == 2
    assert "nowhere.dump" in done.stderr
