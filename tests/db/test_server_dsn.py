"""Servers of others: privileges, secrets, and which databases are ours to drop."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fix_tcp import PASSWORD, TcpServer
from psycopg import sql

from bench.errors import ServerError
from bench.migrate.suite import find_suite
from bench.pg.database import (
    clone_database,
    create_database,
    drop_database,
    new_name,
    roles_of,
    sweep_databases,
)
from bench.pg.lease import Lease, Owner, read_leases, this_process, write_lease
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.run.progress import silent
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template


@pytest.fixture
def guest(tcp: TcpServer) -> Iterator[Server]:
    """The server as a role sees it that may create databases and nothing else, as on managed PostgreSQL."""
    tcp.create_role("guest", "CREATEDB")
    with open_server(ServerSpec("dsn", dsn=tcp.dsn("guest"))) as server:
        yield server


@pytest.fixture
def stranger(tcp: TcpServer) -> Iterator[Server]:
    """Another run of this tool on the same server."""
    with open_server(ServerSpec("dsn", dsn=tcp.dsn("postgres"))) as server:
        yield server


def databases(server: Server) -> set[str]:
    with server.connect() as conn:
        return {name for (name,) in conn.execute("SELECT datname FROM pg_database").fetchall()}


def test_without_superuser_the_notes_name_each_missing_privilege(guest: Server) -> None:
    assert not guest.superuser
    capabilities = guest.capabilities
    assert capabilities.create_database
    missing = ("create_role", "checkpoint", "read_all_stats", "statement_counters")
    assert [getattr(capabilities, name) for name in missing] == [False] * 4
    assert {note.subject for note in guest.notes} == {
        "pg_stat_statements",
        "pg_read_all_stats",
        "CHECKPOINT",
        "CREATEROLE",
    }
    assert guest.info.settings["fsync"] == "off"


def test_without_superuser_databases_are_made_cloned_and_dropped(guest: Server) -> None:
    template, clone = new_name("template"), new_name("clone")
    create_database(guest, template)
    clone_database(guest, template, clone)
    drop_database(guest, template)
    drop_database(guest, clone)
    assert not {template, clone} & databases(guest)


def test_granted_privileges_leave_no_note(tcp: TcpServer) -> None:
    tcp.create_role("analyst", "CREATEDB", "CREATEROLE")
    with tcp.admin.connect() as conn:
        conn.execute("GRANT pg_monitor, pg_checkpoint TO analyst")
    with open_server(ServerSpec("dsn", dsn=tcp.dsn("analyst"))) as server:
        assert [note.subject for note in server.notes] == ["pg_stat_statements"]


def test_a_role_that_may_not_create_databases_is_refused(tcp: TcpServer) -> None:
    tcp.create_role("reader")
    with (
        pytest.raises(ServerError, match="role reader may not create databases") as caught,
        open_server(ServerSpec("dsn", dsn=tcp.dsn("reader"))),
    ):
        pass
    assert caught.value.exit_code == 5
    assert 'ALTER ROLE "reader" CREATEDB' in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("user", "password", "database", "said"),
    [
        ("postgres", "wr0ng:s3cret", "postgres", "password authentication failed"),
        ("postgres", PASSWORD, "nowhere", "nowhere"),
        ("nobody_here", "wr0ng:s3cret", "postgres", "nobody_here"),
    ],
)
def test_a_failing_login_names_all_but_the_password(
    tcp: TcpServer, user: str, password: str, database: str, said: str
) -> None:
    with (
        pytest.raises(ServerError) as caught,
        open_server(ServerSpec("dsn", dsn=tcp.dsn(user, password, database))),
    ):
        pass
    shown = f"{caught.value.message} {caught.value.hint} {caught.value!r}"
    assert said in shown
    assert f"127.0.0.1, port {tcp.port}, user {user}, database {database}" in shown
    assert password not in shown


def test_an_applications_own_settings_are_not_recorded(tcp: TcpServer) -> None:
    """Secrets of an application live in such settings, as ``app.settings.jwt_secret`` does."""
    with tcp.admin.connect() as conn:
        conn.execute("ALTER DATABASE postgres SET app.settings.jwt_secret = 'tell-nobody'")
        conn.execute("ALTER DATABASE postgres SET work_mem = '9MB'")
        try:
            with open_server(ServerSpec("dsn", dsn=tcp.dsn("postgres"))) as server:
                assert server.info.settings["work_mem"] == "9MB"
                assert "tell-nobody" not in repr(server.info)
        finally:
            conn.execute("ALTER DATABASE postgres RESET ALL")


def test_nothing_listens_there() -> None:
    spec = ServerSpec("dsn", dsn="postgresql://me:s3cret@127.0.0.1:1/postgres")
    with pytest.raises(ServerError, match=r"127\.0\.0\.1, port 1, user me") as caught, open_server(spec):
        pass
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"


def test_a_database_in_use_is_not_dropped(stranger: Server) -> None:
    name = new_name("used")
    create_database(stranger, name)
    with psycopg.connect(stranger.conninfo(name), application_name="payroll") as conn:
        with pytest.raises(
            ServerError, match=rf"{name} cannot be dropped: .*payroll \(pid {conn.info.backend_pid}"
        ):
            drop_database(stranger, name)
        assert conn.execute("SELECT 1").fetchone() == (1,)
    drop_database(stranger, name)
    assert name not in databases(stranger)


def test_our_own_sessions_do_not_keep_a_database(stranger: Server) -> None:
    name = new_name("used")
    create_database(stranger, name)
    with stranger.connect(name, application_name="pgrehearse sampler") as conn:
        drop_database(stranger, name)
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")


def test_a_template_in_use_is_not_cloned(stranger: Server) -> None:
    name, clone = new_name("used"), new_name("clone")
    create_database(stranger, name)
    with (
        psycopg.connect(stranger.conninfo(name), application_name="payroll"),
        pytest.raises(ServerError, match=f"{name} cannot be cloned: it is in use by payroll"),
    ):
        clone_database(stranger, name, clone)
    assert clone not in databases(stranger)
    assert not [lease for lease in read_leases("database") if lease.owner == this_process()]


def test_the_sweep_takes_only_what_dead_runs_left(tcp: TcpServer, guest: Server, stranger: Server) -> None:
    """Kept: a living run's database, one without our mark, one with somebody else's comment."""
    living, unmarked, foreign = new_name("living"), "bench_unmarked_00000000", "bench_foreign_00000000"
    dead = leave_behind(tcp.dsn("postgres"))
    create_database(guest, living)
    with tcp.admin.connect() as conn:
        for name in (unmarked, foreign):
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        mark = json.dumps({"tool": "another", "owner": "dead"})
        conn.execute(sql.SQL("COMMENT ON DATABASE bench_foreign_00000000 IS {}").format(sql.Literal(mark)))
        assert dead in databases(stranger)
        said: list[str] = []
        sweep_databases(stranger, said.append)
        assert databases(stranger) & {living, unmarked, foreign, dead} == {living, unmarked, foreign}
        assert said == [f"dropped database {dead}, left by a run that is gone"]
        for name in (unmarked, foreign):
            conn.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
    drop_database(guest, living)


def leave_behind(dsn: str) -> str:
    """Have a run make a database and be killed; return the database's name."""
    child = subprocess.Popen([sys.executable, "-c", KILLED, dsn], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    child.kill()
    child.communicate()
    return name


KILLED = """
import sys, time
from bench.pg.database import create_database, new_name
from bench.pg.opening import open_server
from bench.pg.spec import ServerSpec
with open_server(ServerSpec("dsn", dsn=sys.argv[1])) as server:
    name = new_name("killed")
    create_database(server, name)
    print(name, flush=True)
    time.sleep(600)
"""


def test_opening_a_server_sweeps_it(tcp: TcpServer) -> None:
    dead = leave_behind(tcp.dsn("postgres"))
    said: list[str] = []
    with open_server(ServerSpec("dsn", dsn=tcp.dsn("postgres")), said.append) as server:
        assert dead not in databases(server)
    assert said == [f"dropped database {dead}, left by a run that is gone"]


def test_a_run_killed_before_it_could_mark_its_database(tcp: TcpServer, stranger: Server) -> None:
    """CREATE DATABASE and the mark are two transactions; the lease covers the time between."""
    name = "bench_between_00000000"
    with tcp.admin.connect() as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    lease = write_lease("database", {"name": name, "server": f"127.0.0.1:{tcp.port}"})
    sweep_databases(stranger)
    assert name in databases(stranger), "its owner, this process, lives"
    _rewrite_owner(lease, Owner(2**22 + 1, 0.0, lease.owner.machine))
    sweep_databases(stranger)
    assert name not in databases(stranger)
    assert lease.path is not None
    assert not lease.path.exists()


def _rewrite_owner(lease: Lease, owner: Owner) -> None:
    assert lease.path is not None
    body = json.loads(lease.path.read_text())
    body["owner"] |= {"pid": owner.pid, "started": owner.started}
    lease.path.write_text(json.dumps(body))


def test_roles_that_the_state_before_makes_stay_and_are_named(
    stranger: Server, tcp: TcpServer, tmp_path: Path
) -> None:
    (tmp_path / "base.sql").write_text("CREATE ROLE bench_reporting;")
    (tmp_path / "001_one.sql").write_text("CREATE TABLE one (id int);")
    try:
        with template(stranger, find_suite(str(tmp_path)), DataOptions(cache=False), silent) as prepared:
            (note,) = prepared.notes
        assert "bench_reporting" in note.text
        assert "bench_reporting" in roles_of(stranger)
    finally:
        with tcp.admin.connect() as conn:
            conn.execute("DROP ROLE IF EXISTS bench_reporting")
