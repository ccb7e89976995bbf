"""What the page says: orders, sums and wording follow from the numbers, and the unknown stays unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from documents import blocks_of, facts_of, rows_of, tables_of
from factories import (
    a_dataset,
    a_lock,
    a_migration,
    a_query,
    a_run,
    a_statement,
    an_error,
    empty_run,
    failed_run,
    rich_run,
)

from bench.analyse.conclude import conclude
from bench.analyse.plans import plan_rows
from bench.analyse.summary import summarise
from bench.model.finding import Finding
from bench.model.forecast import ForecastDocument
from bench.model.lock import LockMode
from bench.model.plan import QueryCost
from bench.model.run import Note, Run
from bench.model.statement import Rewrite
from bench.report.document import Card, Failure, Mark, Paragraph, inlines, text_of
from bench.report.format import evidence, excerpt
from bench.report.queryview import query_views
from bench.report.timeline import migration_timeline
from bench.report.view import PageView, page_view


def page(run: Run) -> PageView:
    return page_view(conclude(run))


def told(run: Run) -> dict[str, str]:
    """The answer's figures."""
    return facts_of(page(run).answer)


READS, WRITES = "Longest block of reads", "Longest block of writes"


def overview_of(run: Run) -> list[dict[str, str]]:
    """The table of all migrations, a row each."""
    table = page(run).overview
    titles = [column.title for column in table.columns]
    return [dict(zip(titles, row, strict=True)) for row in rows_of(table)]


def test_the_answer_names_the_worst_lock_and_links_to_its_statement() -> None:
    reading = a_statement(0, locks=(a_lock("public.a", LockMode.ACCESS_EXCLUSIVE, 0.2),))
    writing = a_statement(1, locks=(a_lock("public.b", LockMode.SHARE, 3.0),))
    run = a_run([a_migration([reading, writing])])
    assert told(run)[READS] == "205 ms: ACCESS EXCLUSIVE on public.a, taken in 001_first.sql:1"
    assert told(run)[WRITES].startswith("3.0")
    assert "SHARE on public.b" in told(run)[WRITES]
    links = [
        piece.href
        for _, value in page(run).answer.rows
        for piece in inlines(value)
        if isinstance(piece, Mark) and piece.href
    ]
    assert links == ["#m1-s0", "#m1-s1"]


def test_the_answer_tells_none_from_not_known_and_from_nothing_ran() -> None:
    free = a_run([a_migration([a_statement(0, locks=(a_lock(new=True),))])])
    assert told(free)[READS] == "no lock on an existing table blocks reads"
    unknown = a_run([a_migration([a_statement(0, locks=(a_lock(held_s=None),))])])
    assert told(unknown)[READS] == "–: blocking locks were taken, but their holds are not known"
    assert told(empty_run())[READS] == "–: nothing ran"
    assert told(empty_run())["Duration of all migrations"] == "–"


def test_a_production_duration_is_never_made_up() -> None:
    run = replace(a_run([a_migration([a_statement()])]), dataset=a_dataset())
    assert "not predicted" in page(run).prediction
    assert "one size, 725 k rows" in page(run).prediction
    forecast = ForecastDocument(at={"deals": 1000}, scale=1.0, scales=(0.5, 1.0), forecasts=())
    assert page(replace(run, forecast=forecast)).prediction == ""


def test_the_verdict_is_worked_out_where_the_run_has_none() -> None:
    assert page(failed_run()).verdict.word == "Not ready"
    assert page(rich_run()).verdict.word == "Ready"


def test_the_table_of_migrations_sorts_by_seconds_and_links_to_each() -> None:
    table = page(rich_run()).overview
    at = [column.title for column in table.columns].index("Median")
    keys = [
        next(piece.key for piece in inlines(row[at]) if isinstance(piece, Mark) and piece.key is not None)
        for row in table.rows
    ]
    assert keys.index(max(keys)) == 1
    names = [piece for row in table.rows for piece in inlines(row[1]) if isinstance(piece, Mark)]
    assert [name.href for name in names if name.href] == ["#m1", "#m2", "#m3", "#m4"]


def test_a_hold_that_nobody_knows_sorts_above_all() -> None:
    held = a_migration([a_statement(locks=(a_lock(held_s=90.0),))], "001_a")
    unknown = a_migration([a_statement(locks=(a_lock(held_s=None),))], "002_b")
    table = page(a_run([held, unknown])).overview
    known_key, unknown_key = (
        next(piece.key for piece in inlines(row[4]) if isinstance(piece, Mark)) for row in table.rows
    )
    assert known_key is not None
    assert unknown_key is not None
    assert unknown_key > known_key > 0
    assert overview_of(a_run([held, unknown]))[1]["Reads wait ≤"] == "–hold not known"


def test_what_did_not_run_is_never_said_to_block_nobody() -> None:
    failed = a_migration([a_statement(0, outcome="failed", error=an_error())], "001_a")
    skipped = a_migration([a_statement(0, outcome="skipped", duration_s=None)], "002_b", outcome="skipped")
    run = a_run([failed, skipped])
    first, second = overview_of(run)
    assert first["Writes wait ≤"] == "–none until it failed"
    assert second["Writes wait ≤"] == "–"
    assert "in what ran" in told(run)[WRITES]
    assert migration_timeline(run, summarise(run), "002_b") is None


def test_statements_carry_locks_on_existing_relations_and_count_the_others() -> None:
    locks = (
        a_lock("public.new", new=True),
        a_lock("public.a", LockMode.ROW_EXCLUSIVE),
        a_lock("public.b", LockMode.SHARE, source="sampled", bounds=(0.0, 0.01)),
    )
    [statement] = page(a_run([a_migration([a_statement(0, locks=locks)])])).migrations[0].statements
    table = tables_of(*statement.told)["Locks on relations that existed before"]
    [(relation, mode, waiting, held, _, source)] = rows_of(table)
    assert (relation, mode, held, source) == ("public.b", "SHARE", "≤ 10.0 ms", "sampled")
    assert "INSERT, UPDATE, DELETE" in waiting
    remarks = [text_of(block.words) for block in statement.told if isinstance(block, Paragraph)]
    assert remarks == [
        "In weaker modes, which no read or write waits for: ROW EXCLUSIVE on public.a.",
        "1 lock on relations that the migration created itself: nobody waits for it.",
    ]
    assert statement.blocks == "writes"
    assert statement.strongest is not None
    assert statement.strongest.mode == "SHARE"


def test_bars_compare_within_a_migration() -> None:
    statements = [a_statement(0, duration_s=0.5), a_statement(1, duration_s=2.0)]
    shares = [each.share for each in page(a_run([a_migration(statements)])).migrations[0].statements]
    assert shares == [0.25, 1.0]


def test_counters_that_varied_show_their_range() -> None:
    def repeat(wal: int) -> Any:
        counters = replace(a_statement().counters, wal_bytes=wal)
        return [a_migration([a_statement(0, counters=counters)])]

    [statement] = page(a_run(repeat(1024), repeat(4096), repeat(2048))).migrations[0].statements
    assert facts_of(*statement.told)["WAL"] == "2 KiB (1 KiB to 4 KiB)"


def test_errors_rewrites_and_skipped_statements_show() -> None:
    failed = a_statement(0, outcome="failed", error=replace(an_error(line=7), column=3, hint="try again"))
    skipped = a_statement(1, outcome="skipped", duration_s=None)
    rewritten = a_statement(2, rewrites=(Rewrite("public.deals", "table", None, 2048),))
    one, two, three = page(a_run([a_migration([failed, skipped, rewritten])])).migrations[0].statements
    facts = facts_of(*one.told)
    assert facts["SQLSTATE"] == "23505"
    assert facts["Where"] == "001_first.sql:7:3"
    assert facts["Hint"] == "try again"
    assert (two.outcome, two.duration) == ("skipped", "–")
    assert facts_of(*three.told)["rewritten"] == "public.deals, 2 KiB"


def test_excerpts_leave_out_leading_comments_alone() -> None:
    assert excerpt("-- why\n/* a /* nested */ one */\nSELECT 1 -- kept", 80) == "SELECT 1 -- kept"
    assert excerpt("-- only a comment", 80) == "-- only a comment"
    assert len(excerpt("SELECT " + "x" * 200, 40)) == 40


def test_findings_link_to_their_statement_and_write_evidence_in_its_unit() -> None:
    finding = Finding(
        "rewrite", "warning", "001_first", 1, "public.deals", "m",
        {"held_s": 1.5, "wal_bytes": 2048, "rows": 125_000,
         "mode": "AccessExclusiveLock", "lines": [3, 40_000]},
        "fix it",
    )  # fmt: skip
    measured = a_run([a_migration([a_statement(0), a_statement(1)])])
    run = replace(conclude(measured).run, findings=(finding,))
    section = page(run).findings
    [card] = [block for block in blocks_of([section]) if isinstance(block, Card)]
    [head, *_] = [block for block in blocks_of([card]) if isinstance(block, Paragraph)]
    [place] = [piece for piece in inlines(head.words) if isinstance(piece, Mark) and piece.href]
    assert (place.text, place.href) == ("001_first.sql:11", "#m1-s1")
    assert facts_of(card) == {
        "held": "1.50 s", "wal": "2 KiB", "rows": "125 k", "mode": "ACCESS EXCLUSIVE", "lines": "3, 40000",
    }  # fmt: skip
    assert overview_of(run)[0]["Findings"] == "1"


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (True, "True"), ("x", "x"), (float(0), "0")])
def test_evidence_of_any_kind_is_text(value: object, text: str) -> None:
    assert evidence("anything", value) == text


def test_queries_broken_first_then_changed_then_slowest() -> None:
    queries = [
        replace(a_query(0.1, 9.0), name="slow"),
        replace(a_query(0.1, 0.2), name="quick"),
        replace(a_query(0.1, 0.05, same_plan=False), name="changed"),
        replace(
            a_query(0.1, None),
            name="broken",
            after=QueryCost(None, None, None, None, None, None, error="gone"),
        ),
        replace(a_query(None, 0.01), name="fresh"),
    ]
    views = query_views(summarise(a_run([a_migration([])], queries=queries)).queries)
    assert [view.name for view in views] == ["broken", "changed", "slow", "quick", "fresh"]
    assert views[0].badges == (("bad", "broken by the suite"),)
    assert Failure("after the suite: gone") in views[0].told
    assert len(views[1].plans) == 2
    assert [plan.title for plan in views[2].plans] == ["Plan after the suite; before it, the same shape"]
    assert views[4].before == "new"


def node(kind: str, ms: float, *plans: dict[str, Any], loops: float = 1, **more: Any) -> dict[str, Any]:
    found = {
        "Node Type": kind,
        "Actual Total Time": ms,
        "Actual Loops": loops,
        "Plan Rows": 10,
        "Actual Rows": 10,
    }
    return found | more | ({"Plans": list(plans)} if plans else {})


def own_ms(plan: dict[str, Any]) -> list[float]:
    return [round((row.exclusive_s or 0.0) * 1000, 6) for row in plan_rows(plan)]


def test_own_times_take_off_the_children_and_count_loops() -> None:
    plan = node("Nested Loop", 100, node("Seq Scan", 10), node("Index Scan", 2, loops=40))
    assert own_ms(plan) == [10, 10, 80]
    assert sum(row.share or 0 for row in plan_rows(plan)) == pytest.approx(1.0)


def test_below_a_gather_loops_are_shared_by_the_processes() -> None:
    plan = node("Gather", 100, node("Seq Scan", 90, loops=3), **{"Workers Launched": 2})
    assert own_ms(plan) == [10, 90]


def test_the_time_of_a_cte_is_taken_off_its_scan() -> None:
    cte = node("Seq Scan", 60, **{"Parent Relationship": "InitPlan", "Subplan Name": "CTE x"})
    plan = node("Hash Join", 100, cte, node("CTE Scan", 70, **{"CTE Name": "x"}))
    assert own_ms(plan) == [30, 60, 10]


def test_plans_without_timing_and_nodes_that_never_ran_have_no_time() -> None:
    untimed = {"Node Type": "Seq Scan", "Actual Loops": 1, "Actual Rows": 3, "Plan Rows": 1}
    assert plan_rows(untimed)[0].exclusive_s is None
    idle = plan_rows(node("Append", 5, node("Seq Scan", 0, loops=0)))[1]
    assert idle.never_ran
    assert (idle.exclusive_s, idle.estimate_factor) == (None, None)
    assert [row.node for row in plan_rows({"Node Type": "Result"})] == ["Result"]


def test_rows_that_a_limit_cut_off_are_no_wrong_estimate() -> None:
    def scan(rows: int) -> dict[str, Any]:
        return node("Seq Scan", 1, **{"Plan Rows": 1000, "Actual Rows": rows})

    stopped = plan_rows(node("Limit", 1, scan(10)))[1]
    read_whole = plan_rows(node("Limit", 1, node("Sort", 1, scan(10))))[2]
    more = plan_rows(node("Limit", 1, scan(50_000)))[1]
    assert stopped.estimate_factor is None
    assert read_whole.estimate_factor == pytest.approx(0.01)
    assert more.estimate_factor == pytest.approx(50)


def test_blocks_are_those_of_the_node_alone() -> None:
    below = node("Seq Scan", 1, **{"Shared Hit Blocks": 30, "Shared Read Blocks": 2})
    top, scan = plan_rows(node("Sort", 2, below, **{"Shared Hit Blocks": 31, "Shared Read Blocks": 2}))
    assert (top.blocks_hit, top.blocks_read) == (1, 0)
    assert (scan.blocks_hit, scan.blocks_read) == (30, 2)


def test_the_environment_shows_notes_data_calibration_and_a_run_cut_off() -> None:
    view = page(rich_run()).conditions
    assert facts_of(view[0])["extension uuid-ossp"].startswith("not on this server")
    tables = tables_of(*view)
    assert rows_of(tables["Data"])[0] == ("public.activities", "400 k", "118 MiB")
    repeats = rows_of(tables["Repeats: calibration and lock sampler"])
    assert [row[0] for row in repeats] == ["1", "2", "3"]
    cut_off = page(replace(empty_run(), notes=(Note("run", "cut off"),)))
    assert not cut_off.finished
    assert "Repeats: calibration and lock sampler" not in tables_of(*cut_off.conditions)
    assert facts_of(*cut_off.conditions)["Finished"].startswith("not finished")


def test_a_migration_that_locks_rows_alone_says_so() -> None:
    lock = a_lock(mode=LockMode.ROW_EXCLUSIVE)
    run = a_run([a_migration([a_statement(locks=(lock,))])])
    [row] = overview_of(run)
    assert (row["Reads wait ≤"], row["Writes wait ≤"]) == ("no wait", "rows only")
    assert told(run)[WRITES].endswith("blocks writes; writers of the same rows wait")
