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
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.migrate.suite import find_suite
from bench.migrate.transactions import read_migrations
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server, ServerSpec, open_server
from bench.run.record.command import run_command
from bench.run.record.folder import EndState, differences, read_end
from bench.run.record.record import _free_port, _logged, _login
from bench.run.record.serverlog import SERVER_SETTINGS, read_log
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


def run_real(server: Server, dbname: str, tool: RealTool, sample: Path) -> str | None:
    """Run the tool on a sample; the SQLSTATE at which it stopped, where the sample fails on purpose."""
    said: list[str] = []
    command = tool.command
    for name, value in (("sample", sample), ("modules", MODULES), ("node", NODE), ("python", sys.executable)):
        command = command.replace("{" + name + "}", str(value))
    with _logged(server, dbname), _login(server, dbname, None) as address:
        outcome = run_command(command, address, sample, said.append)
    with server.connect() as conn:
        failed = [query.sqlstate for query in read_log(conn, dbname) if query.sqlstate is not None]
    assert outcome.code != 0, said
    assert failed, said
    return failed[-1]


@pytest.mark.parametrize("name", TOOLS)
def test_a_sample_ends_as_the_tool_itself_leaves_it(name: str, logging: Server, tmp_path: Path) -> None:
    tool = TOOLS[name]
    if not is_installed(tool):
        assert os.environ.get("BENCH_TEST_TOOLS") != "all", f"{name} is not installed"
        pytest.skip(f"{name} is not installed: make tools")
    sample = tmp_path / "sample"
    shutil.copytree(SAMPLES / name, sample)
    suite = find_suite(str(sample / tool.below))
    assert suite.runner.tool == name
    with database(logging) as theirs, database(logging) as ours:
        sqlstate = run_real(logging, theirs, tool, sample)
        scripts = [(found.id, statements) for found, statements in read_migrations(suite.migrations)]
        runs = trace_in(logging, ours, scripts, probe=False, step=False, kept=suite.runner.keeps_session)
        failed = next(run for run in runs if run.error is not None and run.error.sqlstate is not None)
        assert failed.error is not None
        assert (failed.id, failed.error.sqlstate) == (suite.migrations[-1].id, sqlstate)
        assert list(differences(end_of(logging, theirs, tool.own), end_of(logging, ours, tool.own))) == []
