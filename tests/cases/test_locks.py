"""Locks that are held: which one, over what, by how many rows, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tracing import read_plain

from bench.analyse.conclude import conclude
from bench.model.budget import DEFAULT_LIMITS
from bench.model.finding import Finding
from bench.model.run import MigrationRun, Run
from bench.pg.server import Server
from bench.report.tracetext import print_trace
from bench.run.trace import trace

Rehearse = Callable[..., Run]
INPUTS = Path(__file__).parent / "inputs"


def found(run: Run, code: str) -> list[Finding]:
    return [each for each in run.findings if each.code == code]


@pytest.fixture
def traced(server: Server, tmp_path: Path) -> Callable[[str, str], MigrationRun]:
    """Trace a script on a schema, without trying who would wait."""

    def run(schema: str, script: str) -> MigrationRun:
        (tmp_path / "schema.sql").write_text(schema)
        (tmp_path / "m.sql").write_text(script)
        scripts = read_plain([tmp_path / "m.sql"])
        (traced,) = trace(server, scripts, before=[tmp_path / "schema.sql"], probe=False)
        assert traced.outcome == "applied", traced.error
        return traced

    return run


def test_reports_03_not_valid_and_validate_in_one_transaction(rehearse_case: Rehearse) -> None:
    rehearsed = rehearse_case("reports/03-not-valid-and-validate-in-one-transaction")
    run = conclude(rehearsed, replace(DEFAULT_LIMITS, noticeable_s=0.0), anew=True).run
    (kept,) = found(run, "held-across")
    assert kept.evidence["mode"] == "AccessExclusiveLock"
    assert kept.fix == "Commit before line 4."
    assert found(run, "scan-under-lock") == []


def test_reports_56_rewrite_after_an_earlier_lock(rehearse_case: Rehearse) -> None:
    run = rehearse_case("reports/56-rewrite-after-an-earlier-lock")
    (rewrite,) = found(run, "rewrite")
    assert "under ACCESS EXCLUSIVE on public.ord" in rewrite.message
    assert rewrite.message.endswith("reads and writes wait")
    (built,) = found(run, "index-built-under-lock")
    assert "under ACCESS EXCLUSIVE on public.ord" in built.message
    # Line 4 needs the same lock itself; a commit before line 5 lets readers in.
    assert [each.fix for each in found(run, "held-across")] in ([], ["Commit before line 5."])


def test_a_lock_that_is_taken_anew_by_each_statement_is_kept_by_none(rehearse_case: Rehearse) -> None:
    run = rehearse_case("reports/56-rewrite-after-an-earlier-lock", "again")
    assert found(run, "held-across") == []
    assert found(run, "rewrite")


def test_reports_48_advisory_lock_and_concurrent_index(rehearse_case: Rehearse) -> None:
    run = rehearse_case("reports/48-advisory-lock-and-concurrent-index")
    (lock,) = found(run, "advisory-lock")
    build = run.passes[0].repeats[0].migrations[0].statements[1]
    assert lock.severity == "warning"
    assert "is held from here to line 3" in lock.message
    assert "deadlock (40P01)" in lock.message
    assert lock.evidence["held_s"] == build.duration_s
    assert lock.sql == "SELECT pg_try_advisory_lock(77431133147203);"


def test_a_session_keeps_its_advisory_lock_over_transactions(
    traced: Callable[[str, str], MigrationRun],
) -> None:
    run = traced(
        "CREATE TABLE t (id int);",
        "SELECT pg_advisory_lock(7);"
        "BEGIN; SELECT pg_advisory_xact_lock(8); INSERT INTO t VALUES (1); COMMIT;"
        "SET lock_timeout = '1s'; VACUUM t; SELECT pg_advisory_unlock(7); SELECT 1;",
    )
    held = [[lock.key for lock in statement.advisory] for statement in run.statements]
    assert held == [["7"], ["7"], ["7", "8"], ["7", "8"], ["7"], ["7"], ["7"], [], []]


def test_reports_24_refresh_materialized_view(rehearse_case: Rehearse) -> None:
    run = rehearse_case("reports/24-refresh-materialized-view")
    assert found(run, "side-effect-on-failure") == [], "a view that is refreshed is in nobody's way"


def test_reports_06_detach_concurrently_cut_off(server: Server) -> None:
    case = INPUTS / "reports" / "06-detach-concurrently-cut-off"
    scripts = read_plain([case / "mig" / "001_detach.sql"])
    runs = trace(server, scripts, before=[case / "base.sql"], probe=False)
    console = Console(record=True, width=200, file=None, quiet=False)
    with console.capture() as captured:
        print_trace(runs, console)
    lines = captured.get().splitlines()
    assert any(line.endswith("public.task_run_0301") for line in lines)
    assert "of its indexes" not in captured.get()


def test_real_suite_08_row_locks_overcount(rehearse_case: Rehearse) -> None:
    run = rehearse_case("real-suite/08-row-locks-overcount", "m")
    (locked,) = found(run, "row-locks")
    assert "keeps 5,000 of 10 k rows of public.parcels locked" in locked.message
    assert (locked.evidence["rows"], locked.evidence["updated"]) == (5_000, 10_000)


@pytest.mark.parametrize(
    ("body", "locked"),
    [
        ("UPDATE t SET v = v + 1; UPDATE t SET v = v + 1 WHERE id <= 10;", 100),
        ("UPDATE t SET v = 1 WHERE id <= 30; DELETE FROM t WHERE id <= 40;", 40),
        ("INSERT INTO t SELECT g, 0 FROM generate_series(101, 150) g; UPDATE t SET v = 2 WHERE id > 90;", 10),
        ("INSERT INTO t VALUES (0, 0); DELETE FROM t WHERE id IN (5, 0);UPDATE t SET v = 3 WHERE id = 6;", 2),
        (
            "UPDATE t SET v = 1 WHERE id = 1; UPDATE t SET v = 1 WHERE id = 2;"
            "BEGIN UPDATE t SET v = 9; RAISE EXCEPTION ''; EXCEPTION WHEN raise_exception THEN NULL; END;",
            2,
        ),
    ],
)  # fmt: skip
def test_each_locked_row_counts_once(
    traced: Callable[[str, str], MigrationRun], body: str, locked: int
) -> None:
    schema = "CREATE TABLE t AS SELECT g AS id, 0 AS v FROM generate_series(1, 100) g;CREATE INDEX ON t (id);"
    run = traced(schema, f"BEGIN; DO $$ BEGIN {body} END $$; SELECT 1; COMMIT;")
    (change,) = run.statements[1].row_changes
    assert change.rows_locked == locked
    assert run.statements[2].locks == ()
    assert run.statements[2].validations == ()


def test_a_table_that_is_emptied_is_neither_read_nor_rewritten(
    traced: Callable[[str, str], MigrationRun],
) -> None:
    run = traced(
        "CREATE TABLE t AS SELECT g AS id, 'x' AS v FROM generate_series(1, 200) g; CREATE INDEX ON t (id);"
        "CREATE MATERIALIZED VIEW mv AS SELECT * FROM t; CREATE INDEX ON mv (id);",
        "REFRESH MATERIALIZED VIEW mv WITH NO DATA; TRUNCATE t; VACUUM t; REFRESH MATERIALIZED VIEW mv;"
        "DO $$ BEGIN TRUNCATE t; INSERT INTO t VALUES (1, 'y'); END $$; INSERT INTO t VALUES (2, 'y');"
        "REFRESH MATERIALIZED VIEW mv;",
    )
    no_data, truncate, vacuum, _, refilled, _, refresh = run.statements
    for statement in (no_data, truncate, vacuum, refilled):
        assert (statement.rewrites, statement.validations) == ((), ()), statement.text
    assert truncate.truncated == refilled.truncated == ("public.t",)
    assert "public.mv" in {each.relation for each in refresh.rewrites}
    assert "public.t" in {each.relation for each in refresh.validations}


def test_a_lock_that_no_sample_shows_was_not_held_for_the_whole_statement(rehearse_case: Rehearse) -> None:
    """It came after the sleep, of which there are samples without it."""
    run = rehearse_case("reports/56-rewrite-after-an-earlier-lock", "late")
    (statement,) = run.passes[0].repeats[0].migrations[0].statements
    (lock,) = (lock for lock in statement.locks if lock.relation == "public.ord")
    assert lock.held_s_bounds is not None
    assert statement.duration_s is not None
    assert statement.duration_s > 0.3
    assert lock.held_s_bounds[1] < statement.duration_s - 0.1
