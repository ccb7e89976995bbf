"""The tools themselves: what they leave of a sample is left here, and they stop at the same statement.

They come from their own registries: ``make tools``. Where one is not installed its test is left out, unless
BENCH_TEST_TOOLS=all asks for all of them.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.migrate.suite import find_suite
from bench.migrate.transactions import read_migrations
from bench.model.budget import DEFAULT_LIMITS
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.run.harden.session import harden_suite
from bench.run.progress import silent
from bench.run.record.command import run_command
from bench.run.record.folder import EndState, differences, read_end
from bench.run.record.record import _free_port, _logged, _login
from bench.run.record.serverlog import SERVER_SETTINGS, read_log
from bench.run.session import RunOptions
from bench.run.trace import trace_in

HERE = Path(__file__).parents[1]
SAMPLES, NODE = HERE / "samples", HERE / "real_tools"
MODULES = NODE / "node_modules"


@dataclass(frozen=True)
class RealTool:
    """How a tool is called on a sample, and what it keeps for itself."""

    command: str
    """``{sample}`` is a copy of the sample's directory, ``{modules}`` that of npm's packages."""
    needs: str
    """What must be installed: a path below npm's packages, or a program."""
    own: tuple[str, ...]
    """Names by which its own tables, sequences and schemas are known."""
    below: str = "."
    """Where in the sample the migrations are."""


TOOLS = {
    "dbmate": RealTool(
        "{modules}/.bin/dbmate --no-dump-schema --migrations-dir {sample} --url "
        '"postgres://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE?sslmode=disable" migrate',
        "dbmate",
        ("schema_migrations",),
    ),
    "drizzle": RealTool("node {node}/drizzle.js {sample}", "drizzle-orm", ("drizzle",)),
    "graphile-migrate": RealTool(
        "cd {sample} && cp .gmrc gmrc.json && {modules}/.bin/graphile-migrate --config gmrc.json migrate",
        "graphile-migrate",
        ("graphile_migrate",),
        "migrations",
    ),
    "node-pg-migrate": RealTool(
        "{modules}/.bin/node-pg-migrate -m {sample} --migration-file-language sql up",
        "node-pg-migrate",
        ("pgmigrations",),
    ),
    "postgrator": RealTool("node {node}/postgrator.js {sample}", "postgrator", ("schemaversion",)),
    "sqitch": RealTool(
        "cd {sample} && sqitch --chdir . deploy --mode change --no-verify --set owner=shop "
        "db:pg://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE",
        "sqitch",
        ("sqitch",),
    ),
    "yoyo": RealTool(
        '{python} -m yoyo apply --batch --no-config-file --database '
        '"postgresql+psycopg://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE" {sample}',
        "yoyo",
        ("yoyo",),
    ),
}  # fmt: skip


def is_installed(tool: RealTool) -> bool:
    if (MODULES / tool.needs).is_dir() or shutil.which(tool.needs):
        return True
    return any((Path(place) / tool.needs).is_dir() for place in sys.path)


@pytest.fixture(scope="module")
def logging() -> Iterator[Server]:
    """A server that logs what is sent to it, and listens on the loopback."""
    settings = {**SERVER_SETTINGS, "listen_addresses": "127.0.0.1", "port": str(_free_port())}
    with open_server(ServerSpec("embedded", durable=False, settings=settings)) as server:
        yield server


@contextmanager
def database(server: Server) -> Iterator[str]:
    name = new_name("tools")
    create_database(server, name)
    try:
        yield name
    finally:
        drop_database(server, name)


def end_of(server: Server, dbname: str, own: tuple[str, ...]) -> EndState:
    """The end state without what the tool keeps for itself."""
    with server.connect(dbname) as conn:
        found = read_end(conn)

    def is_own(name: str) -> bool:
        return any(word in name for word in own)

    schema = {
        name: text for name, text in found.schema.items() if not is_own(name) and "pgcrypto" not in text
    }
    return EndState(schema, {name: rows for name, rows in found.rows.items() if not is_own(name)})


def run_tool(
    server: Server, dbname: str, tool: RealTool, directory: Path
) -> tuple[list[str], int, list[str]]:
    """Run the tool on a directory: the SQLSTATEs of what failed, its exit code and what it said."""
    said: list[str] = []
    command = tool.command
    for name, value in (
        ("sample", directory),
        ("modules", MODULES),
        ("node", NODE),
        ("python", sys.executable),
    ):
        command = command.replace("{" + name + "}", str(value))
    with _logged(server, dbname), _login(server, dbname, None) as address:
        outcome = run_command(command, address, directory, said.append)
    with server.connect() as conn:
        failed = [query.sqlstate for query in read_log(conn, dbname) if query.sqlstate is not None]
    return failed, outcome.code, said


def require(name: str) -> None:
    """Leave a test out whose tool is not installed; where all are asked for, it fails."""
    if not is_installed(TOOLS[name]):
        assert os.environ.get("BENCH_TEST_TOOLS") != "all", f"{name} is not installed"
        pytest.skip(f"{name} is not installed: make tools")


@pytest.mark.parametrize("name", TOOLS)
def test_a_sample_ends_as_the_tool_itself_leaves_it(name: str, logging: Server, tmp_path: Path) -> None:
    tool = TOOLS[name]
    require(name)
    sample = tmp_path / "sample"
    shutil.copytree(SAMPLES / name, sample)
    suite = find_suite(str(sample / tool.below))
    assert suite.runner.tool == name
    with database(logging) as theirs, database(logging) as ours:
        states, code, said = run_tool(logging, theirs, tool, sample)
        assert code != 0, said
        sqlstate = states[-1]
        scripts = [(found.id, statements) for found, statements in read_migrations(suite.migrations)]
        runs = trace_in(logging, ours, scripts, probe=False, step=False, kept=suite.runner.keeps_session)
        failed = next(run for run in runs if run.error is not None and run.error.sqlstate is not None)
        assert failed.error is not None
        assert (failed.id, failed.error.sqlstate) == (suite.migrations[-1].id, sqlstate)
        assert list(differences(end_of(logging, theirs, tool.own), end_of(logging, ours, tool.own))) == []


BASE = """
CREATE TABLE orders (id int PRIMARY KEY, note text, spare int);
INSERT INTO orders SELECT i, 'n' || i, i FROM generate_series(1, 3000) AS i;
"""
UNSAFE = "CREATE INDEX by_note ON orders (note);\nUPDATE orders SET spare = spare + 1;\n"
STRICT = replace(DEFAULT_LIMITS, noticeable_s=0.0, conditional_s=0.0, many_rows=100)
HARDENED = {
    "dbmate": {"20240101000000_a.sql": f"-- migrate:up\n{UNSAFE}-- migrate:down\nDROP INDEX by_note;\n"},
    "postgrator": {"001.do.a.sql": UNSAFE},
}


@pytest.mark.parametrize("name", HARDENED)
def test_the_tool_itself_applies_the_safe_version(name: str, logging: Server, tmp_path: Path) -> None:
    tool = TOOLS[name]
    require(name)
    (tmp_path / "db").mkdir()
    for file, text in HARDENED[name].items():
        (tmp_path / "db" / file).write_text(text)
    (tmp_path / "base.sql").write_text(BASE)
    suite = find_suite(str(tmp_path / "db"), base=tmp_path / "base.sql", tool=name)
    outcome = harden_suite(
        logging, suite, RunOptions(repeats=1, explain=False, probe=False), tmp_path / "safe", run_id="x",
        save=lambda _: lambda run: None, progress=silent, limits=STRICT,
    )  # fmt: skip
    assert outcome.written is not None
    (outcome.written.directory / "base.sql").unlink()
    with database(logging) as dbname:
        with logging.connect(dbname) as conn:
            conn.execute(BASE)
        _, code, said = run_tool(logging, dbname, tool, outcome.written.directory)
        assert code == 0, said
        with logging.connect(dbname) as conn:
            valid = conn.execute(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_note'::regclass"
            ).fetchall()
            assert valid == [(True,)]
            assert conn.execute("SELECT count(*) FROM orders WHERE spare = id + 1").fetchone() == (3000,)
