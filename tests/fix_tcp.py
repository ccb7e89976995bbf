"""A server of others: a second cluster that listens on loopback and asks for passwords."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import quote

import psycopg
import pytest
from fix_db import chosen_spec
from psycopg import sql

from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec

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
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "max_prepared_transactions": "10",
        "wal_level": "logical",
    }
    kind = chosen_spec().kind
    spec = ServerSpec(kind if kind == "cluster" else "embedded", durable=False, settings=settings)
    with open_server(spec) as admin:
        with admin.connect() as conn:
            (hba,) = conn.execute("SHOW hba_file").fetchone() or ("",)
            with Path(hba).open("a", encoding="utf-8") as file:
                file.write("host all all 127.0.0.1/32 scram-sha-256\n")
            conn.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(sql.Literal(PASSWORD)))
            conn.execute("SELECT pg_reload_conf()")
        server = TcpServer(admin, port)
        psycopg.connect(server.dsn("postgres")).close()
        yield server


SHARED = """
SELECT 'database', datname, datacl::text, datallowconn::text, datconnlimit::text,
       shobj_description(oid, 'pg_database')
FROM pg_database WHERE datname NOT LIKE 'template%'
UNION ALL
SELECT 'role', rolname, rolsuper::text, rolcanlogin::text, rolconfig::text,
       shobj_description(oid, 'pg_authid')
FROM pg_roles
UNION ALL
SELECT 'member', member::regrole::text, roleid::regrole::text, '', '', '' FROM pg_auth_members
UNION ALL
SELECT 'tablespace', spcname, spcacl::text, spcoptions::text, shobj_description(oid, 'pg_tablespace'), ''
FROM pg_tablespace
UNION ALL
SELECT 'settings', setdatabase::text, setrole::text, setconfig::text, '', '' FROM pg_db_role_setting
UNION ALL
SELECT 'configuration', name, setting, '', '', '' FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'
UNION ALL
SELECT 'parameter', parname, paracl::text, '', '', '' FROM pg_parameter_acl
UNION ALL
SELECT 'slot', slot_name, slot_type, '', '', '' FROM pg_replication_slots
UNION ALL
SELECT 'origin', roname, '', '', '', '' FROM pg_replication_origin
UNION ALL
SELECT 'prepared', gid, database, '', '', '' FROM pg_prepared_xacts
UNION ALL
SELECT 'subscription', subname, subenabled::text, '', '', '' FROM pg_subscription
"""
OWN = """
SELECT 'relation', relname::text, relkind::text, relowner::regrole::text, relacl::text
FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'function', proname::text, prosrc, proowner::regrole::text, proacl::text
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'rows', 'important', count(*)::text, sum(x)::text, '' FROM important
"""


@dataclass(frozen=True)
class Others:
    """A server on which others work: roles, a database with a table, and what they see of it."""

    tcp: TcpServer

    @property
    def dsn(self) -> str:
        return self.tcp.dsn("postgres")

    def fingerprint(self) -> list[tuple[Any, ...]]:
        """All that files of ours must leave as it is: shared catalogs, and the catalog of a database."""
        with self.tcp.admin.connect() as conn, self.tcp.admin.connect("appdb") as inside:
            rows = conn.execute(SHARED).fetchall() + inside.execute(OWN).fetchall()
        return sorted(tuple(map(str, row)) for row in rows)


@pytest.fixture(scope="session")
def others(tcp: TcpServer) -> Others:
    with tcp.admin.connect() as conn:
        for statement in ("CREATE ROLE bystander", "CREATE ROLE app LOGIN", "CREATE DATABASE appdb"):
            conn.execute(statement)
    with tcp.admin.connect("appdb") as conn:
        conn.execute("CREATE TABLE important AS SELECT generate_series(1, 100) AS x")
    return Others(tcp)
