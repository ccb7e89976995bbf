"""The kinds of servers that need no container: each one keeps the contract."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
from contract import Opener, ServerContract
from fix_tcp import TcpServer

from bench.pg.binaries import find_installations
from bench.pg.catalog import load_query
from bench.pg.lease import owner_lives, read_mark
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec


def cluster_traces(server: Server) -> Callable[[], list[str]]:
    """List what a cluster has outside this process: postmaster, socket, data directory."""
    with server.connect() as conn:
        (data,) = conn.execute("SHOW data_directory").fetchone() or ("",)
    postmaster = psutil.Process(int((Path(data) / "postmaster.pid").read_text().split("\n", 1)[0]))
    assert os.getsid(postmaster.pid) == postmaster.pid, "Ctrl-C in the terminal would reach the server"
    host = Path(server.endpoint.parameters["host"])
    socket_path = host / f".s.PGSQL.{server.endpoint.parameters['port']}"

    def traces() -> list[str]:
        left = [str(path) for path in (Path(data).parent, host, socket_path) if path.exists()]
        return [*left, *(["postmaster"] if postmaster.is_running() else [])]

    return traces


class ManagedContract(ServerContract):
    """Clusters that we start: their settings are ours to choose."""

    settings = {"work_mem": "7MB", "autovacuum": "off", "jit": "off", "fsync": "off"}  # noqa: RUF012

    @classmethod
    def spec(cls) -> ServerSpec:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def opener(cls) -> Opener:
        return lambda: open_server(cls.spec())

    def traces(self, server: Server) -> Callable[[], list[str]]:
        return cluster_traces(server)

    def test_counts_statements(self, opened: Server) -> None:
        assert opened.capabilities.statement_counters
        assert opened.info.settings["shared_preload_libraries"] == "pg_stat_statements"
        assert opened.notes == ()

    def test_keeps_other_users_out(self, opened: Server) -> None:
        directory = Path(opened.endpoint.parameters["host"])
        assert directory.stat().st_mode & 0o777 == 0o700
        assert opened.info.settings.get("listen_addresses", "") == ""


class TestEmbedded(ManagedContract):
    kind = "embedded"

    @classmethod
    def spec(cls) -> ServerSpec:
        return ServerSpec("embedded", durable=False, settings={"work_mem": "7MB"})

    def test_has_a_stand_in_for_uuid_ossp(self, opened: Server) -> None:
        assert opened.stand_ins == ("uuid-ossp",)
        with opened.connect("template1") as conn, conn.transaction(force_rollback=True):
            conn.execute('CREATE EXTENSION "uuid-ossp"')
            row = conn.execute("SELECT uuid_generate_v4() <> uuid_generate_v4(), uuid_nil()::text").fetchone()
        assert row == (True, "00000000-0000-0000-0000-000000000000")


class TestCluster(ManagedContract):
    kind = "cluster"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _installed(cls) -> None:
        if not find_installations():
            pytest.skip("no PostgreSQL programs on PATH, through pg_config or in /usr/lib/postgresql")

    @classmethod
    def spec(cls) -> ServerSpec:
        return ServerSpec("cluster", durable=False, settings={"work_mem": "7MB"})

    def test_takes_the_extensions_of_its_installation(self, opened: Server) -> None:
        assert opened.stand_ins == () or "uuid-ossp" in opened.stand_ins
        assert opened.info.version.startswith(find_installations()[0].version)


class TestDsn(ServerContract):
    """A server of others: here another cluster, over TCP with a password."""

    kind = "dsn"

    @pytest.fixture(scope="class")
    @classmethod
    def opener(cls, tcp: TcpServer) -> Opener:
        return lambda: open_server(ServerSpec("dsn", dsn=tcp.dsn("postgres")))

    def traces(self, server: Server) -> Callable[[], list[str]]:
        """A server of others stays; what must go are this run's databases and its session."""
        dsn, owner = server.conninfo(), server.owner

        def traces() -> list[str]:
            with psycopg.connect(dsn, autocommit=True, application_name="looker-on") as conn:
                rows = conn.execute(load_query("our_databases", conn.info.server_version)).fetchall()
                marks = [(name, read_mark(comment)) for name, comment in rows]
                left = [name for name, mark in marks if mark is not None and mark.owner == owner]
                return [*left, *(["owner's lock"] if owner_lives(conn, owner) else [])]

        return traces


def test_a_socket_directory_stays_short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The path of a Unix socket may have 107 bytes; a long TMPDIR must not stop the server."""
    deep = Path("/var/tmp") / f"pgrehearse-test-{os.getpid()}-{'x' * 90}"
    deep.mkdir(mode=0o755)
    monkeypatch.setenv("TMPDIR", str(deep))
    try:
        with open_server(ServerSpec("embedded", durable=False)) as server, server.connect() as conn:
            (data,) = conn.execute("SHOW data_directory").fetchone() or ("",)
            assert data.startswith(str(deep))
            traces = cluster_traces(server)
        assert traces() == []
    finally:
        deep.rmdir()
