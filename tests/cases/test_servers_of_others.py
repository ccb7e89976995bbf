"""Inputs from the field: on a server of others nothing of theirs is touched, and nothing of ours stays."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest
from command_line import Running
from fix_db import WaitUntil
from fix_tcp import Others, TcpServer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from tcp_proxy import TcpProxy
from tracing import read_plain

from bench.cli import main
from bench.errors import UsageError
from bench.migrate.script import read_statements
from bench.pg.account import server_account
from bench.pg.database import create_database, drop_database, new_name, sweep_databases
from bench.pg.endpoint import KEEPALIVE, end_dead_waits, parse_dsn
from bench.pg.globals import drop_own_roles
from bench.pg.lease import Mark, owner_lives
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.run.execute import execute
from bench.run.guard import refuse_own_role
from bench.run.trace import trace

INPUTS = Path(__file__).parent / "inputs"
SHORT = ("--repeats", "1", "--no-load", "--no-explain", "--no-probe", "--quiet")


@pytest.fixture
def unchanged(others: Others) -> Iterator[None]:
    """The server of others is after the test as it was before it."""
    before = others.fingerprint()
    yield
    assert others.fingerprint() == before


def guest(others: Others, said: list[str] | None = None) -> AbstractContextManager[Server]:
    """A run on the server of others, and what it says."""
    return open_server(ServerSpec("dsn", dsn=others.dsn), (said if said is not None else []).append)


def refused(command: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says that refuses its files with exit code 2."""
    assert main([*command]) == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("unchanged")
def test_faults_01_prove_runs_rollback_unguarded_on_dsn(
    others: Others, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = INPUTS / "faults/01-prove-runs-rollback-unguarded-on-dsn"
    said = refused(
        ["prove", str(case), "--server", others.dsn, "--quiet", "--out", str(tmp_path / "o")], capsys
    )
    assert "001_rollback_w.sql:2: ALTER ROLE acts on the whole server, which is not ours" in said


@pytest.mark.usefixtures("unchanged")
def test_faults_02_base_schema_since_unguarded_on_dsn(
    others: Others, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = INPUTS / "faults/02-base-schema-since-unguarded-on-dsn/suite"
    rest = ("--server", others.dsn, *SHORT, "--out", str(tmp_path / "o"))
    words = "base.sql:2: ALTER ROLE acts on the whole server, which is not ours"
    assert words in refused(["run", str(suite), *rest], capsys)
    migration, base = str(suite / "001_w.sql"), str(suite / "base.sql")
    assert words in refused(["trace", migration, "--base", base, "--server", others.dsn, "--quiet"], capsys)
    assert words in refused(["trace", migration, "--data", base, "--server", others.dsn, "--quiet"], capsys)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(migration, alone)
    assert words in refused(["run", str(alone), "--from-dump", base, *rest], capsys)
    deployed = history(tmp_path / "git")
    words = "001_old.sql:1: ALTER ROLE acts on the whole server, which is not ours"
    assert words in refused(["run", str(deployed), "--since", "HEAD~1", *rest], capsys)


def history(repository: Path) -> Path:
    """A directory of migrations with one that was deployed, and acts on the server, and a new one."""
    migrations = repository / "m"
    migrations.mkdir(parents=True)
    git = ["git", "-C", str(repository), "-c", "user.email=a@b", "-c", "user.name=x"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for files in (
        {
            "base.sql": "CREATE TABLE a (id int);",
            "001_old.sql": "ALTER ROLE app NOLOGIN;\nDROP DATABASE appdb;",
        },
        {"002_new.sql": "ALTER TABLE a ADD w text;"},
    ):
        for name, text in files.items():
            (migrations / name).write_text(text)
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", "files"], check=True)
    return migrations


def roles(others: Others) -> set[str]:
    with others.tcp.admin.connect() as conn:
        return {name for (name,) in conn.execute("SELECT rolname FROM pg_roles").fetchall()}


@contextmanager
def colleague(others: Others, wait_until: WaitUntil) -> Iterator[None]:
    """Somebody who makes a role with a table in her own database once the migration has made its role."""

    def work() -> None:
        wait_until(lambda: "made_by_migration" in roles(others))
        with others.tcp.admin.connect("appdb") as conn:
            conn.execute("CREATE ROLE colleague LOGIN; CREATE TABLE hers AS SELECT 1 AS x")
            conn.execute("ALTER TABLE hers OWNER TO colleague")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        with others.tcp.admin.connect("appdb") as conn:
            (owner,) = conn.execute(
                "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'hers'"
            ).fetchone() or ("",)
            conn.execute("DROP TABLE hers; DROP ROLE colleague")
        assert owner == "colleague"


CASE_03 = INPUTS / "faults/03-prove-allow-roles-drops-roles-of-others/suite"
PROVE = ("prove", str(CASE_03), "--allow-roles", "--within", "0.01", "--quiet")


@pytest.mark.usefixtures("unchanged")
def test_faults_03_prove_allow_roles_drops_roles_of_others(
    others: Others, tmp_path: Path, wait_until: WaitUntil
) -> None:
    with colleague(others, wait_until):
        assert main([*PROVE, "--server", others.dsn, "--out", str(tmp_path / "o")]) == 0
        assert "made_by_migration" not in roles(others)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_faults_03_roles_go_however_a_run_ends(
    others: Others, tmp_path: Path, wait_until: WaitUntil, number: signal.Signals
) -> None:
    running = Running([*PROVE, "--server", others.dsn, "--out", str(tmp_path / "o")], tmp_path)
    try:
        wait_until(lambda: "made_by_migration" in roles(others))
        code = running.end(number)
    finally:
        running.kill()
    if number == signal.SIGKILL:
        assert "dropped role made_by_migration, left by a run that is gone" in next_start(others)
    else:
        assert code == 130
    assert "made_by_migration" not in roles(others)


def next_start(others: Others) -> list[str]:
    """What the next start on the server says of what is left there."""
    said: list[str] = []
    with guest(others, said):
        pass
    return said


def test_faults_03_a_role_of_the_same_name_that_somebody_else_made_stays(
    others: Others, tmp_path: Path
) -> None:
    path = tmp_path / "001_x.sql"
    path.write_text("CREATE ROLE twin;")
    (statement,) = read_statements(path)
    with guest(others) as server, server.connect() as conn:
        with conn.transaction(force_rollback=True):
            execute(conn, statement)
        conn.execute("CREATE ROLE twin")  # by no file of ours
        drop_own_roles(server, print)
        assert "twin" in roles(others)
        conn.execute("DROP ROLE twin")
        execute(conn, statement)
        conn.execute("ALTER ROLE twin RENAME TO renamed")
        drop_own_roles(server, print)
    assert not {"twin", "renamed"} & roles(others)


@pytest.mark.usefixtures("unchanged")
def test_faults_04_prepared_transaction_or_subscription_bricks_next_runs(
    others: Others, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = INPUTS / "faults/04-prepared-transaction-or-subscription-bricks-next-runs"
    for name, words in (
        ("prepared/001_p.sql", "3: PREPARE TRANSACTION"),
        ("subscription/001_s.sql", "1: CREATE SUB"),
    ):
        command = [
            "trace",
            str(case / name),
            "--base",
            str(case / name).replace(Path(name).name, "base.sql"),
        ]
        assert f"{Path(name).name}:{words}" in refused([*command, "--server", others.dsn, "--quiet"], capsys)


@pytest.mark.usefixtures("unchanged")
def test_faults_04_what_keeps_a_database_is_ended_before_the_drop(others: Others) -> None:
    """However it came there: a clone with it is dropped, by its own run and by the next start."""
    said: list[str] = []
    with guest(others, said) as server:
        name = new_name("kept")
        create_database(server, name)
        keep(server, name)
    with others.tcp.admin.connect() as conn:
        assert conn.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None
    assert said == [f"dropped database {name}, left by this run"]


SUBSCRIPTION = """
CREATE SUBSCRIPTION {} CONNECTION 'dbname=nowhere host=/nonexistent' PUBLICATION p WITH (connect = false)
"""


def keep(server: Server, name: str) -> None:
    """Make what keeps the server from dropping a database."""
    with server.connect(name) as conn:
        conn.execute("CREATE TABLE t (x int)")
        conn.execute(sql.SQL(SUBSCRIPTION).format(sql.Identifier(name)))
        conn.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
        with conn.transaction():
            conn.execute("INSERT INTO t VALUES (1)")
            conn.execute(sql.SQL("PREPARE TRANSACTION {}").format(sql.Literal(name)))


def test_faults_04_a_database_that_cannot_be_dropped_stops_neither_run_nor_next_start(
    others: Others, tmp_path: Path
) -> None:
    said: list[str] = []
    with guest(others, said) as server:
        name = new_name("used")
        create_database(server, name)
        payroll = psycopg.connect(parse_dsn(others.dsn).conninfo(name), application_name="payroll")
    with payroll:
        assert f"database {name} stays: database {name} cannot be dropped: it is in use by payroll" in said[0]
        with guest(others, said := []) as server:
            pass
        assert said[0].startswith(f"database {name} stays: ")
    with guest(others, said := []):
        pass
    assert said == [f"dropped database {name}, left by a run that is gone"]


STATEMENTS = (
    (INPUTS / "faults/05-guard-misses-server-wide-statements/statements.sql").read_text().splitlines()
)


@pytest.mark.usefixtures("unchanged")
def test_faults_05_guard_misses_server_wide_statements(others: Others, tmp_path: Path) -> None:
    assert len(STATEMENTS) == 9
    path = tmp_path / "001_x.sql"
    with guest(others) as server:
        for statement in STATEMENTS:
            path.write_text(statement)
            words = r"001_x\.sql:1: .* acts on the whole server, which is not ours: "
            with pytest.raises(UsageError, match=words):
                trace(server, read_plain([path]), probe=False)


def test_faults_05_what_could_not_be_seen_beforehand_is_told(others: Others, tmp_path: Path) -> None:
    (tmp_path / "base.sql").write_text("CREATE TABLE hidden AS SELECT 'CREATE ROLE from_a_table' AS command;")
    (tmp_path / "001_x.sql").write_text(
        "DO $$ DECLARE found text; BEGIN SELECT command INTO found FROM hidden; EXECUTE found; END $$;"
    )
    said: list[str] = []
    try:
        with guest(others, said) as server:
            scripts = read_plain([tmp_path / "001_x.sql"])
            trace(server, scripts, before=[tmp_path / "base.sql"], probe=False)
        (words,) = said
        assert words.startswith("Changed on the whole server since this run began")
        assert words.endswith(": role from_a_table is new.")
    finally:
        with others.tcp.admin.connect() as conn:
            conn.execute("DROP ROLE IF EXISTS from_a_table")


def test_faults_15_owner_connection_cut_another_start_drops_a_live_runs_databases(
    others: Others, wait_until: WaitUntil
) -> None:
    said: list[str] = []
    name = new_name("living")
    with guest(others) as run, others.tcp.admin.connect() as conn:
        create_database(run, name)
        assert owner_lives(conn, run.owner)
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'pgrehearse owner' AND client_addr IS NOT NULL"
        )
        with guest(others, said):  # at once, before the lock is there again
            assert conn.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None
        wait_until(lambda: owner_lives(conn, run.owner))
        drop_database(run, name)
    assert said == []


def test_faults_15_a_session_of_ours_keeps_the_databases_of_a_run_elsewhere(others: Others) -> None:
    """Of a run on another machine no process is known here: its sessions tell that it lives."""
    name, said = new_name("elsewhere"), list[str]()
    admin = others.tcp.admin
    with guest(others) as run, admin.connect() as conn:
        create_database(run, name)
        mark = Mark("elsewhere", "token of another machine").encode()
        conn.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(mark)))
        with run.connect(name, application_name="pgrehearse migration"):
            sweep_databases(run, said.append)
            assert said == []
        sweep_databases(run, said.append)
    assert said == [f"dropped database {name}, left by a run that is gone"]


@pytest.fixture
def pooler(tcp: TcpServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """PgBouncer on loopback before the server of others; gives its port."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.skip("pgbouncer is not installed")
    host = tcp.admin.endpoint.parameters["host"]
    with TcpProxy(1) as free:
        port = free.port
    account = server_account()
    place = Path(host) / "pooler"
    place.mkdir()
    account.own(place)
    (place / "b.ini").write_text(
        f"[databases]\n* = host={host} port={tcp.port} user=postgres\n"
        f"[pgbouncer]\npool_mode={request.param}\n"
        f"listen_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\nauth_type=any\nadmin_users=postgres\n"
    )
    account.own(place / "b.ini")
    process = subprocess.Popen([program, "-q", str(place / "b.ini")], cwd="/", **account.process())
    try:
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(place)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("pooler", ["transaction", "session"], indirect=True)
def test_faults_17_pgbouncer(
    pooler: int, others: Others, tmp_path: Path, capsys: pytest.CaptureFixture[str], wait_until: WaitUntil
) -> None:
    def answers() -> bool:
        try:
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{pooler}/postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(answers)
    (tmp_path / "001_x.sql").write_text("SELECT 1;")
    for database in ("postgres", "pgbouncer"):  # the second is the pooler's own console
        dsn = f"postgresql://postgres@127.0.0.1:{pooler}/{database}"
        for command in (
            ["trace", str(tmp_path / "001_x.sql")],
            ["run", str(tmp_path), "--out", str(tmp_path / "o")],
        ):
            said = refused([*command, "--server", dsn, "--quiet"], capsys)
            assert "a connection pooler stands before the server" in said
            assert "give the server's own address" in said


@pytest.mark.parametrize(
    ("dsn", "wanted"),
    [
        ("postgresql://me@db.example/x", KEEPALIVE),
        ("postgresql://me@db.example/x?keepalives_idle=5&tcp_user_timeout=700",
         KEEPALIVE | {"keepalives_idle": "5", "tcp_user_timeout": "700"}),
        ("postgresql://me@/x?host=/tmp", {}),
    ],
)  # fmt: skip
def test_faults_18_connections_notice_a_network_that_stands_still(dsn: str, wanted: dict[str, str]) -> None:
    chosen = conninfo_to_dict(parse_dsn(dsn).conninfo("other"))
    assert {key: value for key, value in chosen.items() if key in KEEPALIVE} == wanted
    assert chosen["connect_timeout"] == "10"


def test_faults_18_network_that_stands_still(others: Others, tmp_path: Path) -> None:
    """Ctrl-C in a network that passes nothing on: the end of the run, and what stays is said."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "001_x.sql").write_text("SELECT pg_sleep(600);")
    with TcpProxy(others.tcp.port) as proxy:
        dsn = others.dsn.replace(f":{others.tcp.port}/", f":{proxy.port}/") + "?connect_timeout=2"
        arguments = ["run", "m", "--server", dsn, *SHORT[:-1], "--out", "o"]
        running = Running(arguments, tmp_path)
        try:
            running.wait_for("001_x: 1 statement")
            proxy.stall()
            assert running.end(signal.SIGINT) == 130, running.said
        finally:
            running.kill()
        assert "Traceback" not in running.said
        assert "stays, the next run drops it" in running.said
    assert any(each.startswith("dropped database bench_solo") for each in next_start(others))


def test_faults_18_every_session_of_a_dead_server_ends_whoever_opened_it(
    others: Others, wait_until: WaitUntil
) -> None:
    with TcpProxy(others.tcp.port) as proxy:
        dsn = others.dsn.replace(f":{others.tcp.port}/", f":{proxy.port}/")
        endpoint, lost = parse_dsn(dsn), threading.Event()
        with endpoint.connect(guest_of=lost), psycopg.connect(endpoint.conninfo()) as loading:
            end_dead_waits()  # it lives
            wait_until(lambda: not any(each.name == "network" for each in threading.enumerate()))
            assert loading.execute("SELECT 1").fetchone() == (1,)
            assert not lost.is_set()
            proxy.stall()
            end_dead_waits()
            with pytest.raises(psycopg.OperationalError):
                loading.execute("SELECT 1")
            assert lost.is_set()


def test_directories_33_current_role_as_a_column() -> None:
    path = INPUTS / "directories/33-current-role-as-a-column/migrations/001_roles.sql"
    refuse_own_role(path, read_statements(path), "postgres")


@pytest.mark.usefixtures("unchanged")
def test_real_suite_31_allow_roles_hint(
    others: Others, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = str(INPUTS / "real-suite/31-allow-roles-hint/m")
    rest = ["--server", others.dsn, "--quiet", "--out", str(tmp_path / "o")]
    said = refused(["run", suite, *rest], capsys)
    assert "001_role.sql:1: CREATE ROLE in a body acts on the whole server" in said
    assert "--allow-roles" not in said
    assert "--allow-roles" in refused(["prove", suite, *rest], capsys)
