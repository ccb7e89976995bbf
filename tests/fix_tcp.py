"""A server of others: a second cluster that listens on loopback and asks for passwords."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from bench.pg.server import Server, ServerSpec, open_server

PASSWORD = "p@ss:w/rd%20'"


@dataclass(frozen=True)
class TcpServer:
    """The cluster as its administrator sees it, and the addresses that its users have."""

    admin: Server
    port: int

    def dsn(self, user: str, password: str = PASSWORD, database: str = "postgres") -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def create_role(self, name: str, *options: LiteralString) -> None:
        with self.admin.connect() as conn:
            role, secret = sql.Identifier(name), sql.Literal(PASSWORD)
            conn.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(role))
            conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, secret))
            for option in options:
                conn.execute(sql.SQL("ALTER ROLE {} {}").format(role, sql.SQL(option)))


@pytest.fixture(scope="session")
def tcp() -> Iterator[TcpServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = {"listen_addresses": "127.0.0.1", "port": str(port)}
    with open_server(ServerSpec("embedded", durable=False, settings=settings)) as admin:
        with admin.connect() as conn:
            (hba,) = conn.execute("SHOW hba_file").fetchone() or ("",)
            with Path(hba).open("a", encoding="utf-8") as file:
                file.write("host all all 127.0.0.1/32 scram-sha-256\n")
            conn.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(sql.Literal(PASSWORD)))
            conn.execute("SELECT pg_reload_conf()")
        server = TcpServer(admin, port)
        psycopg.connect(server.dsn("postgres")).close()
        yield server
