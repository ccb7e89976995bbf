"""The CRM's suites, proved on little data: what a desk review claimed of them, measured."""

from __future__ import annotations

import pytest
from proving import by_code

from bench.analyse.conclude import conclude
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.prove.session import ProofOptions, prove
from bench.run.template.options import DataOptions

BUDGET_S = 8.0


@pytest.fixture(scope="module")
def reviewed(server: Server) -> Run:

    run = prove(
        server,
        find_suite("crm_as_reviewed"),
        ProofOptions(budget_s=BUDGET_S),
        DataOptions(scale=0.002),
        run_id="reviewed",
        save=lambda _: None,
        progress=silent,
    )
    return conclude(run).run


def test_the_reviewed_suite_is_not_ready(reviewed: Run) -> None:
    assert conclude(reviewed).verdict.status == "not_ready"


def test_without_transactions_a_crash_leaves_it_half_done(reviewed: Run) -> None:
    (first, *_) = by_code(reviewed, "partial-failure")
    assert "half done" in first.message
    assert {point.state for point in reviewed.proofs.crash_points} >= {"partial"}


def test_none_of_its_migrations_can_be_taken_back(reviewed: Run) -> None:
    missing = [each for each in by_code(reviewed, "rollback-incomplete") if "has no rollback" in each.message]
    assert len(missing) == 4


def test_how_long_it_locks_what_is_known(reviewed: Run) -> None:
    migrations = reviewed.passes[0].repeats[0].migrations
    assert all(each.duration_s is not None for each in migrations)
    held = [lock for each in migrations for statement in each.statements for lock in statement.locks]
    assert any(lock.mode.sql_name == "ACCESS EXCLUSIVE" and not lock.new for lock in held)


def test_it_needs_an_extension_that_it_does_not_create(reviewed: Run) -> None:
    messages = [each.message for each in by_code(reviewed, "extension-missing")]
    assert any(
        "needs extension uuid-ossp, which it does not create: on a database without it, it fails at line"
        in message
        for message in messages
    ), messages


def test_dirty_rows_break_its_backfill_and_the_fewest_are_shown(reviewed: Run) -> None:
    (found,) = by_code(reviewed, "fails-on-data")
    assert found.migration == "20250831000001_migrate_legacy_contact_relationships"
    assert 'duplicate key value violates unique constraint "companies_domain_key"' in found.message
    assert {"rtl_text", "wildcard_text"} <= set(found.evidence["kinds"])
    assert found.evidence["rows"]
