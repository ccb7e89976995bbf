"""Dumps of every format, of older and newer servers, into servers of every version."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dumping import dumped
from psycopg import sql

from bench.analyse.conclude import conclude
from bench.errors import UsageError
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.clients import Client, find_clients, for_dumping, for_restoring
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.run.template.dump import _complaints, require_dump, take_dump
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template

INPUTS = Path(__file__).parent / "inputs"


@pytest.fixture(scope="module")
def installed() -> Iterator[Server]:
    """A server of the version that this machine has installed, mostly an older one than the wheel's."""
    with open_server(ServerSpec("cluster", durable=False)) as opened:
        yield opened


@pytest.fixture
def source(installed: Server) -> Iterator[str]:
    """A database with what belongs to a database: owner, grants, settings, a locale."""
    name = new_name("shop")
    create_database(installed, name)
    with installed.connect(name) as conn:
        conn.execute("DROP ROLE IF EXISTS shop_owner; CREATE ROLE shop_owner")
        conn.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)")
        conn.execute("CREATE SCHEMA app; ALTER TABLE t OWNER TO shop_owner; ALTER TABLE t SET SCHEMA app")
        alter = sql.SQL("ALTER DATABASE {} SET search_path = app, public")
        conn.execute(alter.format(sql.Identifier(name)))
    yield name
    drop_database(installed, name)
    with installed.connect() as conn:
        conn.execute("DROP ROLE shop_owner")


def into(server: Server, dump: Path, suite: Path) -> Run:
    """A rehearsal of a suite on a dump."""
    found = replace(find_suite(str(suite)), base=None, data=None)
    options = RunOptions(repeats=1, explain=False, probe=False, data=DataOptions(dump=dump))
    return conclude(rehearse(server, found, options, run_id="t", save=lambda _: None, progress=silent)).run


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "m"
    path.mkdir()
    (path / "001_w.sql").write_text("ALTER TABLE t ADD COLUMN w text;\n")
    return path


def outcome(run: Run) -> str:
    return run.passes[0].repeats[0].migrations[0].outcome


def test_real_suite_01_dump_of_an_older_server_into_it(installed: Server) -> None:
    case = INPUTS / "real-suite" / "01-dump-of-15-into-15"
    run = into(installed, case / "a.dump", case / "m")
    assert outcome(run) == "applied"
    assert run.dataset is not None
    assert [(table.name, table.rows) for table in run.dataset.tables] == [("public.a", 10)]


@pytest.mark.parametrize("form", ["custom", "directory", "tar", "plain"])
def test_faults_27_directories_32_newcomer_04_every_format(
    installed: Server, source: str, form: str, suite: Path, tmp_path: Path
) -> None:
    run = into(installed, dumped(installed, source, form, tmp_path / "x.dump"), suite)
    if form == "plain":  # which holds nothing of the database itself, such as its search_path
        assert outcome(run) == "failed"
    else:
        assert outcome(run) == "applied"
    assert run.dataset is not None
    assert [(table.name, table.rows) for table in run.dataset.tables] == [("app.t", 10)]


def test_faults_27_into_another_version(installed: Server, source: str, server: Server, suite: Path) -> None:
    with server.connect() as conn:
        conn.execute("DROP ROLE IF EXISTS shop_owner")
    dump = dumped(installed, source, "tar", suite.parent / "x.dump")
    run = into(server, dump, suite)
    assert outcome(run) == "applied"
    assert "shop_owner" in " ".join(note.text for note in run.notes)


def test_faults_27_a_newer_dump_into_an_older_server(
    installed: Server, server: Server, database: str, suite: Path
) -> None:
    with server.connect(database) as conn:
        conn.execute("CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    run = into(installed, dumped(server, database, "custom", suite.parent / "x.dump"), suite)
    assert outcome(run) == "applied"


def test_faults_27_a_base_that_was_cut_off_is_told(server: Server, suite: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.sql"
    base.write_text("--\n-- PostgreSQL database dump\n--\nCREATE TABLE t (id int);\n")
    found = find_suite(str(suite), base=base)
    with template(server, found, DataOptions(), silent) as prepared:
        assert "was it cut off?" in " ".join(note.text for note in prepared.notes)


def test_newcomer_04_a_copy_of_the_server_itself(installed: Server, source: str, suite: Path) -> None:
    endpoint = replace(installed.endpoint, parameters={**installed.endpoint.parameters, "dbname": source})
    dump = take_dump(endpoint, suite.parent / "x.dump", (), silent)
    assert outcome(into(installed, dump.path, suite)) == "applied"


@pytest.mark.parametrize("left", [0, 600])
def test_faults_27_a_plain_dump_that_was_cut_off(
    installed: Server, source: str, tmp_path: Path, left: int
) -> None:
    whole = dumped(installed, source, "plain", tmp_path / "x.sql").read_bytes()
    (tmp_path / "cut.sql").write_bytes(whole[:left])
    with pytest.raises(UsageError, match="cut off" if left else "is empty"):
        require_dump(tmp_path / "cut.sql")
    assert not require_dump(tmp_path / "x.sql").archive


@pytest.mark.parametrize("option", ["--create", "--create --clean"])
def test_directories_29_a_whole_database_as_a_base(
    installed: Server, source: str, suite: Path, tmp_path: Path, option: str
) -> None:
    """What belongs to the database itself goes to ours, under its name here; no other database is touched."""
    program = for_dumping(find_clients("pg_dump"), server=installed.info.version_num // 10000)
    assert program is not None
    with installed.connect() as conn:
        name = sql.Identifier(source)
        conn.execute(sql.SQL("ALTER ROLE shop_owner IN DATABASE {} SET work_mem = '8MB'").format(name))
        conn.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO shop_owner").format(name))
    done = subprocess.run(
        [program.path, "--schema-only", *option.split()],
        env={**installed.environ(source), "LC_ALL": "C"}, capture_output=True, check=True,
    )  # fmt: skip
    (tmp_path / "base.sql").write_bytes(done.stdout)
    found = find_suite(str(suite), base=tmp_path / "base.sql")
    options = RunOptions(repeats=1, explain=False, probe=False)
    run = rehearse(installed, found, options, run_id="t", save=lambda _: None, progress=silent)
    assert outcome(run) == "applied"
    with installed.connect(source) as conn:
        assert conn.execute("SELECT count(*) FROM app.t").fetchone() == (10,)


def test_the_servers_own_program_restores_first() -> None:
    clients = [Client(Path(f"/{major}"), major) for major in (13, 15, 16, 17, 18)]

    def order(server: int, dump: int) -> list[int]:
        return [client.major for client in for_restoring(clients, server=server, dump=dump)]

    assert order(15, 15) == [15, 13, 16, 17, 18]
    assert order(14, 16) == [16, 15, 13, 17, 18]
    assert order(18, 13)[0] == 18
    dumping = for_dumping(clients, server=14)
    assert dumping is not None
    assert dumping.major == 15
    assert for_dumping(clients, server=19) is None


def test_settings_that_a_newer_program_sends_are_no_fault_of_the_dump() -> None:
    newer = (
        "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "
        '"transaction_timeout"\nCommand was: SET transaction_timeout = 0;\n'
        "pg_restore: warning: errors ignored on restore: 1\n"
    )
    assert _complaints(newer) == []
    broken = 'pg_restore: error: could not execute query: ERROR:  type "x" does not exist'
    assert _complaints(newer + broken) == [broken]
