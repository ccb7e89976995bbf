"""The state before, and the sessions that deploy on it, are as production has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import sql

from bench.model.run import Run
from bench.pg.server import Server
from bench.run.template.options import DataOptions

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


def roles_note(run: Run) -> str:
    return " ".join(note.text for note in run.notes if note.subject == "roles")


@pytest.mark.parametrize(
    ("case", "suite", "base", "role"),
    [
        ("reports/63-pg-dump-as-base", "mig", "base.sql", "shop_owner"),
        ("real-suite/22-schema-only-base", "m", "schema.sql", "app_reader"),
    ],
    ids=["reports_63", "real_suite_22"],
)
def test_reports_63_real_suite_22_roles_of_a_schema_dump(
    rehearse_case: Rehearse, server: Server, case: str, suite: str, base: str, role: str
) -> None:
    with server.connect() as conn:
        conn.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
    run = rehearse_case(case, suite, base=base, probe=True)
    assert failed(run) is None
    assert role in roles_note(run)


@pytest.mark.parametrize("role", ["app_owner", "deployer"])
def test_reports_68_migrations_run_as_a_role(rehearse_case: Rehearse, server: Server, role: str) -> None:
    """FORCE ROW LEVEL SECURITY hides the rows from their owner, and from nobody who is a superuser."""
    case = "reports/68-force-row-security-and-backfills"
    try:
        run = rehearse_case(case, data=DataOptions(role=role), explain=True, probe=True)
    finally:
        with server.connect() as conn:
            for made in ("app_owner", "deployer"):
                conn.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(made)))
    migration = run.passes[0].repeats[0].migrations[0]
    if role == "deployer":  # which owns nothing of it, and gets nothing that the base gave to another
        assert "permission denied" in (failed(run) or "")
        assert "deployer, which deploys, was made" in roles_note(run)
    else:
        assert failed(run) is None
        assert [statement.rows for statement in migration.statements][-1] == 0
        assert all(plan.rows in (0, None) for plan in migration.statements[-1].nested if plan.level == 0)
        (hidden,) = [each for each in run.findings if each.code == "row-security"]
        assert "UPDATE changes no row of public.device, which has 5,000: " in hidden.message


def test_reports_68_a_superuser_sees_what_the_owner_does_not(
    rehearse_case: Rehearse, rehearse_files: Rehearse
) -> None:
    run = rehearse_case("reports/68-force-row-security-and-backfills")
    (hidden,) = [each for each in run.findings if each.code == "row-security"]
    assert hidden.severity == "warning"
    assert "UPDATE changes 5,000 rows of public.device here, as a superuser" in hidden.message
    lifted = "ALTER TABLE t NO FORCE ROW LEVEL SECURITY;\nUPDATE t SET a = 2;\n"
    base = (
        "CREATE TABLE t AS SELECT 1 AS a; ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
    )
    run = rehearse_files({"001_lifted.sql": lifted}, base)
    assert [each for each in run.findings if each.code == "row-security"] == []
