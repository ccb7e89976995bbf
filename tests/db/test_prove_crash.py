"""Crash points and second runs on a small schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from proving import BASE, by_code, clean_suite, proved, write_suite

from bench.migrate.suite import find_suite
from bench.migrate.transactions import read_migrations
from bench.model.run import Run
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.prove.crash import cut_before_commit

FAULTS = {
    "001_halves": (
        "CREATE TABLE app.one (id int);\nCREATE TABLE app.two (id int);",
        "DROP TABLE app.two; DROP TABLE app.one;",
    ),
    "002_online": (
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS deals_value ON app.deals (id, value);",
        "DROP INDEX CONCURRENTLY app.deals_value;",
    ),
    "003_adds_up": (
        "UPDATE app.deals SET value = value + 1;",
        "UPDATE app.deals SET value = value - 1;",
    ),
    "004_batches": (
        """DO $$ BEGIN
            FOR i IN 0..19 LOOP
                UPDATE app.deals SET stage = stage || '!' WHERE id = i;
                PERFORM pg_sleep(0.02);
                COMMIT;
            END LOOP;
        END $$;""",
        "UPDATE app.deals SET stage = rtrim(stage, '!');",
    ),
}


@pytest.fixture(scope="module")
def faulty(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return proved(server, write_suite(tmp_path_factory.mktemp("faulty"), BASE, FAULTS))


def test_a_clean_suite_goes_on_after_every_crash(server: Server, tmp_path: Path) -> None:
    run = proved(server, clean_suite(tmp_path))
    points = run.proofs.crash_points
    assert {point.state for point in points} == {"before", "after"}
    assert {point.rerun for point in points if point.same_as is None} == {"completes"}
    # Two statements make three boundaries a migration.
    assert sum(point.covers for point in points if not point.inside) == 6
    assert {proof.outcome for proof in run.proofs.idempotence} <= {"same"}
    assert not by_code(run, "partial-failure")
    assert not by_code(run, "not-idempotent")


def test_what_a_crash_leaves_half_done_is_named_with_what_a_second_run_says(faulty: Run) -> None:
    (found,) = [each for each in by_code(faulty, "partial-failure") if each.migration == "001_halves"]
    assert "line 1 leaves 001_halves half done" in found.message
    assert "table app.one there already" in found.message
    assert 'run again it fails at line 1: relation "one" already exists (42P07)' in found.message
    assert found.severity == "error"


def test_an_index_that_a_crash_left_invalid_stays_so(faulty: Run) -> None:
    (found,) = [each for each in by_code(faulty, "partial-failure") if each.migration == "002_online"]
    assert "a crash inside line 1" in found.message
    assert "leaves changed index app.deals_value" in found.message
    (inside,) = [p for p in faulty.proofs.crash_points if p.migration == "002_online" and p.inside]
    assert inside.rerun == "damages"
    assert any("valid false" in (each.after or "") for each in inside.end_differences)


def test_batches_that_are_done_again_are_damage(faulty: Run) -> None:
    inside = [p for p in faulty.proofs.crash_points if p.migration == "004_batches" and p.inside]
    assert [(point.state, point.rerun) for point in inside] == [("partial", "damages")]


def test_a_second_run_that_changes_the_state_is_named(faulty: Run) -> None:
    found = {each.migration: each for each in by_code(faulty, "not-idempotent")}
    assert "app.deals with other values in value" in found["003_adds_up"].message
    assert found["003_adds_up"].severity == "warning"
    assert found["001_halves"].severity == "info", "it refuses, and nothing changes"


def test_a_killed_server_recovers_and_the_point_is_recorded(faulty: Run, server: Server) -> None:
    if server.kind not in ("embedded", "cluster"):
        pytest.skip("its processes are not ours to kill")
    killed = [point for point in faulty.proofs.crash_points if point.method == "kill -9"]
    assert {point.migration for point in killed} == set(FAULTS)
    assert all(point.state in ("before", "after", "partial") for point in killed)


def test_the_budget_is_kept_and_what_it_left_is_counted(server: Server, tmp_path: Path) -> None:
    from bench.run.prove.session import ProofOptions

    run = proved(server, clean_suite(tmp_path), ProofOptions(budget_s=0.0))
    assert run.proofs.crash_points == ()
    assert [note.text for note in run.notes if note.subject.startswith("crash points of")] == [
        "2 were not tried: the budget was spent.",
        "2 were not tried: the budget was spent.",
    ]


def test_files_of_one_transaction_leave_nothing_before_its_commit(server: Server, tmp_path: Path) -> None:
    """And where a file commits in between, as nobody should, what that leaves is told."""
    for between, left in (("", False), ("COMMIT; BEGIN;", True)):
        directory = tmp_path / (between[:3] or "plain")
        directory.mkdir()
        (directory / "0000_a.sql").write_text(
            f"CREATE TABLE a (id int);\n--> statement-breakpoint\n{between}"
        )
        (directory / "0001_b.sql").write_text("CREATE TABLE b (id int);")
        statements = [
            statement
            for _, group in read_migrations(find_suite(str(directory)).migrations)
            for statement in group
        ]
        with temporary_database(server, "base") as prepared:
            found = cut_before_commit(server, prepared, statements)
        assert found is not None
        assert ("table public.a" in {difference.object for difference in found}) == left
        assert not any("public.b" in difference.object for difference in found)
