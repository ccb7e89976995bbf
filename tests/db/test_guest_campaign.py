"""A campaign on a server of others: no command with a hostile file changes or leaves anything there.

Each command gets each kind of statement in each kind of file that it executes; then whole runs end well,
badly or by ``kill -9``. Shared catalogs and another database's catalog and rows are the same afterwards.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import Running
from fix_db import WaitUntil
from fix_tcp import Others
from tracing import read_plain

from bench.errors import BenchError, UsageError
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.run.explain.session import ExplainOptions, explain_suite
from bench.run.progress import silent
from bench.run.prove.session import ProofOptions, prove
from bench.run.scales import ScaleOptions, measure_scales
from bench.run.session import RunOptions, rehearse
from bench.run.template.options import DataOptions
from bench.run.trace import trace
from bench.run.traffic.onepass import TrafficOptions
from bench.workload.config import read_workload

HOSTILE = """
ALTER ROLE app NOLOGIN
ALTER ROLE app SET work_mem = '1MB'
ALTER ROLE app RENAME TO application
DROP ROLE bystander
GRANT pg_read_all_data TO bystander
REVOKE CONNECT ON DATABASE appdb FROM PUBLIC
GRANT CREATE ON TABLESPACE pg_default TO app
GRANT SET ON PARAMETER log_statement TO app
ALTER DATABASE appdb SET work_mem = '1MB'
ALTER DATABASE appdb OWNER TO app
ALTER DATABASE appdb RENAME TO application
COMMENT ON DATABASE appdb IS 'changed'
COMMENT ON ROLE app IS 'changed'
DROP OWNED BY app
REASSIGN OWNED BY app TO bystander
CREATE DATABASE left_behind
DROP DATABASE appdb
ALTER SYSTEM SET work_mem = '77MB'
COPY (SELECT 1) TO '/tmp/left_by_copy'
COPY (SELECT 1) TO PROGRAM 'cat > /tmp/left_by_program'
UPDATE pg_database SET datallowconn = false WHERE datname = 'appdb'
WITH x AS (UPDATE pg_authid SET rolcanlogin = false RETURNING 1) SELECT * FROM x
SELECT pg_create_physical_replication_slot('left_slot', true)
SELECT pg_catalog.pg_replication_origin_create('left_origin')
SELECT pg_reload_conf() WHERE EXISTS (SELECT FROM pg_stat_activity)
SELECT lo_export(1, '/tmp/left_by_lo_export')
CREATE SUBSCRIPTION s CONNECTION 'host=/nonexistent' PUBLICATION p WITH (connect = false)
PREPARE TRANSACTION 'left'
DO $$ BEGIN EXECUTE format('ALTER ROLE %I NOLOGIN', 'app'); END $$
DO $$ DECLARE c text := 'DROP DATABASE appdb'; BEGIN PERFORM 1; EXECUTE c; END $$
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DROP ' || 'ROLE app'; END $$
CREATE FUNCTION f() RETURNS bool LANGUAGE sql AS 'SELECT pg_terminate_backend(1)'
""".strip().splitlines()
BASE = "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 100);"
FILES = {
    "base.sql": BASE,
    "001_add.sql": "ALTER TABLE a ADD b int;",
    "rollback/001_add.sql": "ALTER TABLE a DROP b;",
}
NO_CACHE = DataOptions(cache=False)


@pytest.fixture
def unchanged(others: Others) -> Iterator[None]:
    before = others.fingerprint()
    yield
    assert others.fingerprint() == before


def guest(others: Others) -> ServerSpec:
    return ServerSpec("dsn", dsn=others.dsn)


def write(directory: Path, files: dict[str, str]) -> Path:
    kept = FILES if not any("migrate:down" in text for text in files.values()) else {"base.sql": BASE}
    for name, text in (kept | files).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def nothing(_: Run) -> None:
    """Save nothing."""


def by_run(
    server: Server, suite: Path, data: DataOptions = NO_CACHE, load: TrafficOptions | None = None
) -> None:
    options = RunOptions(repeats=1, explain=False, probe=False, data=data, load=load)
    rehearse(server, find_suite(str(suite)), options, run_id="x", save=nothing, progress=silent)


def by_dump(server: Server, suite: Path) -> None:
    by_run(server, suite, DataOptions(cache=False, dump=suite / "../dump.sql"))


def by_traffic(server: Server, suite: Path) -> None:
    by_run(server, suite, load=TrafficOptions(mix=read_workload(suite / "workload.toml")))


def by_prove(server: Server, suite: Path) -> None:
    found = find_suite(str(suite))
    prove(server, found, ProofOptions(0.01), NO_CACHE, run_id="x", save=nothing, progress=silent)


def by_explain(server: Server, suite: Path) -> None:
    options = ExplainOptions(data=NO_CACHE, load=False, cold=False)
    explain_suite(server, find_suite(str(suite)), options, run_id="x", save=nothing, progress=silent)


def by_forecast(server: Server, suite: Path) -> None:
    options = ScaleOptions(target=NO_CACHE, scales=(0.5, 1.0), repeats=1)
    list(measure_scales(server, find_suite(str(suite)), options, run_id="x", save=nothing, progress=silent))


def by_trace(server: Server, suite: Path) -> None:
    trace(server, read_plain([suite / "001_add.sql"]), before=[suite / "base.sql"], probe=False)


def query(statement: str) -> str:
    return f"[[query]]\nname = 'q'\nkind = 'workload'\nsql = '''{statement}'''\n"


def parameter(statement: str) -> str:
    return f"[[query]]\nname = 'q'\nsql = 'SELECT %(x)s'\nparams.x = '''{statement}'''\n"


def drawing(statement: str) -> str:
    return request("SELECT 1") + f"draw = '''{statement}'''\n"


def two_ways(statement: str) -> str:
    return f"-- migrate:up\nALTER TABLE a ADD b int;\n-- migrate:down\n{statement};\n"


def request(statement: str) -> str:
    return f"[[class]]\nname = 'q'\ntables = ['public.a']\naccess = 'write'\nsql = '''{statement}'''\n"


@dataclass(frozen=True)
class Way:
    """A command, and a file that it executes."""

    command: Callable[[Server, Path], None]
    file: str
    content: Callable[[str], str] = lambda statement: f"SELECT 1;\n{statement};\n"


WAYS = {
    "run-migration": Way(by_run, "001_add.sql"),
    "run-base": Way(by_run, "base.sql"),
    "run-dump": Way(by_dump, "../dump.sql"),
    "run-query": Way(by_run, "queries.toml", query),
    "run-traffic": Way(by_traffic, "workload.toml", request),
    "run-parameter": Way(by_run, "queries.toml", parameter),
    "run-drawing": Way(by_traffic, "workload.toml", drawing),
    "prove-migration": Way(by_prove, "001_add.sql"),
    "prove-rollback": Way(by_prove, "rollback/001_add.sql"),
    "prove-way-back": Way(by_prove, "001_add.sql", two_ways),
    "explain-base": Way(by_explain, "base.sql"),
    "explain-query": Way(by_explain, "queries.toml", query),
    "forecast-migration": Way(by_forecast, "001_add.sql"),
    "trace-script": Way(by_trace, "001_add.sql"),
    "trace-schema": Way(by_trace, "base.sql"),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", WAYS)
def test_each_command_refuses_each_hostile_statement_in_each_file(
    others: Others, tmp_path: Path, name: str
) -> None:
    way = WAYS[name]
    passed = []
    with open_server(guest(others)) as server:
        for number, statement in enumerate(HOSTILE):
            suite = write(tmp_path / str(number), {way.file: way.content(statement)})
            try:
                way.command(server, suite)
            except UsageError as error:
                if "acts on the whole server, which is not ours" in error.message:
                    continue
            passed.append(statement)
    assert passed == []


ENDINGS = {
    "well": {},
    "failing migration": {"001_add.sql": "ALTER TABLE a ADD c int; ALTER TABLE nowhere ADD b int;"},
    "failing rollback": {"rollback/001_add.sql": "ALTER TABLE a DROP nothing;"},
    "failing base": {"base.sql": BASE + "SELECT 1 / 0;"},
}


ENDING_COMMANDS = (by_run, by_trace, by_prove, by_explain)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left_however_a_command_ends(others: Others, tmp_path: Path, ending: str) -> None:
    suite = write(tmp_path, ENDINGS[ending])
    said: list[str] = []
    for command in ENDING_COMMANDS if ending == "well" else (by_run, by_prove):
        with suppress(BenchError), open_server(guest(others), said.append) as server:
            command(server, suite)
    assert said == []


SLEEP = "SELECT pg_sleep(600);"
PHASES: dict[str, tuple[str, dict[str, str]]] = {
    "base": ("run", {"base.sql": BASE + SLEEP}),
    "migrating": ("run", {"001_add.sql": SLEEP}),
    "proving": ("prove", {"rollback/001_add.sql": SLEEP}),
    "explaining": ("explain", {"queries.toml": query("SELECT pg_sleep(600)")}),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("phase", PHASES)
def test_nothing_is_left_after_kill_9_and_the_next_start(
    others: Others, tmp_path: Path, wait_until: WaitUntil, phase: str
) -> None:
    command, files = PHASES[phase]
    write(tmp_path / "suite", files)
    options = ["--no-load"] if command != "prove" else []
    running = Running([command, "suite", "--server", others.dsn, "--quiet", *options, "--out", "o"], tmp_path)
    asleep = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND starts_with(application_name, %s)"
    try:
        with others.tcp.admin.connect() as conn:
            wait_until(lambda: conn.execute(asleep, ["pgrehearse"]).fetchone() is not None)
        assert running.end(signal.SIGKILL) == -signal.SIGKILL
    finally:
        running.kill()
    said: list[str] = []
    with open_server(guest(others), said.append):
        pass
    assert said
    assert all(each.startswith("dropped database bench_") for each in said)
