"""The state before, and the sessions that deploy on it, are as production has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import sql

from bench.model.run import Run
from bench.pg.server import Server
from command_line import bench

Rehearse = Callable[..., Run]
INPUTS = Path(__file__).parent / "inputs"


def locked(run: Run) -> set[str]:
    """The relations that the migrations locked or made."""
    return {
        lock.relation
        for migration in run.passes[0].repeats[0].migrations
        for statement in migration.statements
        for lock in statement.locks
    }


def failed(run: Run) -> str | None:
    """The message of the statement that failed."""
    errors = [each.error for each in run.passes[0].repeats[0].migrations if each.error is not None]
    return errors[0].message if errors else None


def test_reports_58_database_search_path(rehearse_case: Rehearse) -> None:
    run = rehearse_case("reports/58-database-search-path", explain=True, probe=True, repeats=2)
    assert failed(run) is None
    assert "app.lead" in locked(run)


def test_directories_29_search_path_of_the_database(rehearse_case: Rehearse) -> None:
    run = rehearse_case("directories/29-search-path-of-database-lost", "migrations")
    assert failed(run) is None
    assert "app.t" in locked(run)


def test_directories_30_search_path_without_public(rehearse_case: Rehearse, server: Server) -> None:
    try:
        run = rehearse_case(
            "directories/30-search-path-without-public-crashes", "migrations", base="base_role.sql"
        )
    finally:
        with server.connect() as conn:
            conn.execute("ALTER ROLE postgres RESET search_path")
    assert failed(run) is None
    assert "app.t" in locked(run)


def test_directories_30_search_path_by_the_environment(
    rehearse_case: Rehearse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=app")
    run = rehearse_case("directories/30-search-path-without-public-crashes", "migrations")
    assert failed(run) is None
    assert "app.t" in locked(run)
