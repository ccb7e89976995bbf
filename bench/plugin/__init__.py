"""The pytest plugin: an application's own tests rehearse a migration and assert on what it does.

    def test_nobody_waits(rehearsal):
        run = rehearsal("db/migrations", base="schema.sql")
        assert run.blocks("orders", "INSERT") is None

Nothing but pytest is imported until a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bench.pg.server import Server
    from bench.plugin.rehearse import Rehearse


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--rehearsal-server``, and the same as an ini option."""
    group = parser.getgroup("pgrehearse")
    words = "server of the rehearsal fixture: auto, container, embedded, cluster or postgresql://…"
    group.addoption("--rehearsal-server", default=None, metavar="KIND|DSN", help=words)
    parser.addini("rehearsal_server", words, default="auto")


@pytest.fixture(scope="session")
def rehearsal_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server of all rehearsals of a session; one that we start is removed at the end.

    Override it in ``conftest.py`` to rehearse on a server of your own making.
    """
    from bench.pg.opening import open_server
    from bench.pg.spec import parse_server

    chosen = request.config.getoption("--rehearsal-server") or request.config.getini("rehearsal_server")
    with ExitStack() as stack:
        yield stack.enter_context(open_server(parse_server(chosen)))


@pytest.fixture
def rehearsal(
    request: pytest.FixtureRequest, rehearsal_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Rehearse:
    """Rehearses a directory of migrations and returns the run: see :class:`bench.plugin.rehearse.Rehearse`.

    Where the test uses pytest-benchmark's ``benchmark``, its ``extra_info`` gets the run's counters.
    """
    from bench.plugin.rehearse import Rehearse

    info = request.getfixturevalue("benchmark").extra_info if "benchmark" in request.fixturenames else None
    return Rehearse(rehearsal_server, tmp_path_factory, info)
