"""Under traffic: what the tables of a loaded pass say in HTML and Markdown; SQL stays text in them."""

from __future__ import annotations

from dataclasses import replace

from documents import blocks_of, cell, facts_of, rows_of, tables_of
from factories import (
    a_class,
    a_workload,
    empty_run,
    hazard_run,
    loaded_run,
    rich_run,
)
from markdown_it import MarkdownIt

from bench.analyse.conclude import conclude
from bench.analyse.traffic import loaded_passes
from bench.model.load import (
    BlockedBy,
    Cause,
    ComparedRequest,
    LockSpan,
    RequestErrors,
    RequestSide,
    StatementSpan,
    Wait,
    Workload,
)
from bench.model.run import Pass, Run
from bench.report.document import Failure, Figure, Section, text_of
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.report.sections.traffic import traffic

HOSTILE = "</script><img src=x onerror=alert(1)> | `a` **b** [c](d) _e_ \"'& \u202egnp {{ 7*7 }}"
PARSER = MarkdownIt("commonmark").enable("table")


def hostile_workload() -> Workload:
    """Every text that SQL, a server or a file may have written is the same trap."""
    cause = Cause(HOSTILE, 0, HOSTILE, HOSTILE, True, HOSTILE, HOSTILE)
    load = a_class(
        HOSTILE, table=HOSTILE, tables=(HOSTILE,), role=HOSTILE, blocked_by=(BlockedBy(cause, 3, 1.0, 1.0),),
        errors=(RequestErrors(HOSTILE, 1, 0, 0, 1, HOSTILE, 9.0),),
    )  # fmt: skip
    return a_workload(
        load,
        source=HOSTILE,
        rate_held=False,
        rate_note=HOSTILE,
        notes=(HOSTILE,),
        statements=(StatementSpan(HOSTILE, 0, 3.0, 4.2),),
        waits=(Wait(HOSTILE, 3.0, 1.0, (1.0, 1.0), cause),),
        locks=(LockSpan(HOSTILE, HOSTILE, HOSTILE, True, (3.0, 4.0), (2.9, 4.1)),),
    )


def hostile_hazard_run() -> Run:
    run = hazard_run()
    beside = run.passes[3]
    repeat = beside.repeats[0]
    assert repeat.hazard is not None
    record = replace(
        repeat.hazard, what=HOSTILE, error=HOSTILE, evidence={HOSTILE: HOSTILE, "tables": [HOSTILE]}
    )
    tries = tuple(replace(each, migration=HOSTILE, gave_up=HOSTILE) for each in repeat.tries)
    hostile = replace(repeat, workload=hostile_workload(), hazard=record, tries=tries)
    return replace(run, passes=(*run.passes[:3], replace(beside, repeats=(hostile,))))


def html(run: Run) -> str:
    return render_html(conclude(run), ())


def passes(run: Run) -> tuple[Section, ...]:
    """The sections of the loaded passes."""
    return tuple(inner for section in traffic(run) for inner in section.sections)


CLASSES, CAUSES, ERRORS = "Requests by class", "What they waited for", "Requests that failed"
REQUESTS = "The same requests before and after"
LOCKS = "Table locks that the deploy held or waited for"
TRIES = "Tries, each until it got through or a lock timeout"


def test_a_class_has_its_counts_its_latencies_and_its_waits() -> None:
    (view,) = passes(loaded_run())
    assert rows_of(tables_of(view)[CLASSES])[0] == (
        "deal list", "reads public.deals", "40.0", "400", "398", "1 × 40001, 1 unfinished", "2.00 ms",
        "1.19 s", "1.21 s", "1.20 s", "1.20 s",
    )  # fmt: skip
    assert [row[0] for row in tables_of(view)[CLASSES].rows] == [
        "deal list",
        "task completion",
    ]  # the worst first
    assert cell(tables_of(view)[CLASSES], 1, "Blocked") == "no wait seen"
    assert cell(tables_of(view)[ERRORS], 0, "Message") == "could not serialize access"


def test_requests_before_and_after_are_told_with_rows_times_and_their_range() -> None:
    fast, slow = (0.0002, 0.0003, 0.0004), (0.1, 0.15, 0.2)
    before, after = RequestSide(3, 0, 3, 0, latency_s=fast), RequestSide(3, 0, 0, 3, latency_s=slow)
    same = ComparedRequest("same", "public.deals", "read", before, before)
    requests = (same, ComparedRequest("other", "public.deals", "read", before, after, "app"))
    run = replace(hazard_run(), requests=requests)
    first, *others = passes(run)
    assert rows_of(tables_of(first)[REQUESTS]) == [
        (
            "other",
            "app",
            "3",
            "3",
            "0",
            "0",
            "0.300 ms",
            "150 ms",
            "0.200 ms to 0.400 ms",
            "100 ms to 200 ms",
        ),
        (
            "same",
            "the migrating role",
            "3",
            "3",
            "3",
            "0",
            "0.300 ms",
            "0.300 ms",
            *["0.200 ms to 0.400 ms"] * 2,
        ),
    ]
    assert [view.title for view in others if REQUESTS in tables_of(view)] == []
    assert "The same requests before and after" in render_markdown(conclude(run))
    assert "The same requests before and after" in html(run)


def test_a_wait_is_told_with_statement_lock_and_whether_the_deploy_waited_itself() -> None:
    quiet, waiting, _ = passes(hazard_run())
    assert cell(tables_of(quiet)[CAUSES], 0, "Statement") == "1:1 ALTER TABLE deals ADD COLUMN x int"
    assert cell(tables_of(quiet)[CAUSES], 0, "Its lock") == "ACCESS EXCLUSIVE on public.deals"
    assert cell(tables_of(quiet)[CAUSES], 0, "Waits") == "40"
    assert (
        cell(tables_of(waiting)[CAUSES], 0, "Its lock")
        == "ACCESS EXCLUSIVE on public.deals, for which it waits itself"
    )
    assert cell(tables_of(waiting)[CAUSES], 0, "Longest wait") == "30.0 s"
    assert cell(tables_of(waiting)[LOCKS], 0, "Waited") == "30.0 s"
    assert cell(tables_of(waiting)[LOCKS], 1, "Held, at least") == "390 ms"


def test_one_lock_behind_which_several_classes_wait_is_one_row() -> None:
    first, second = a_class(), a_class("deal page", worst_blocked_s=0.4)
    blocked = replace(first.blocked_by[0], waits=2, worst_blocked_s=0.4, blocked_s=0.5)
    (view,) = passes(loaded_run(a_workload(first, replace(second, blocked_by=(blocked,)))))
    assert len(tables_of(view)[CAUSES].rows) == 1
    assert cell(tables_of(view)[CAUSES], 0, "Classes, the longest wait first") == "deal list, deal page"
    assert cell(tables_of(view)[CAUSES], 0, "Waits") == "42"


def test_tries_are_told_one_by_one_and_in_all() -> None:
    retried = passes(hazard_run())[2]
    assert retried.title == "Beside long-reader, lock_timeout 2 s and up to 20 retries"
    assert len(tables_of(retried)[TRIES].rows) == 15
    assert cell(tables_of(retried)[TRIES], 0, "Waited for the lock") == "2.00 s"
    assert cell(tables_of(retried)[TRIES], 14, "Ended at") == "its end"
    said = "14 lock timeouts: 28.0 s waited in all, 2.00 s at the longest, and 7.00 s paused"
    assert said in text_of(tables_of(retried)[TRIES].note)


def test_the_generator_says_how_well_it_kept_its_rate() -> None:
    (view,) = passes(loaded_run())
    assert facts_of(view)["load generator"] == (
        "sent 79.8 requests/s (-0.3 %), half of them at most 0.400 ms late, 99 % at most 2.10 ms"
    )
    assert not [block for block in view.blocks if isinstance(block, Failure)]
    late = a_workload(rate_held=False, rate_note="The generator did not hold its rate: it was late.")
    for text in (html(loaded_run(late)), render_markdown(conclude(loaded_run(late)))):
        assert "Marked:" in text


def test_of_several_repeats_the_worst_is_shown_and_named() -> None:
    run = loaded_run()
    found = run.passes[1]
    calm = replace(found.repeats[0], workload=a_workload(a_class(worst_blocked_s=0.0, blocked_by=())))
    worst = replace(found.repeats[0], index=1)
    (view,) = passes(replace(run, passes=(run.passes[0], replace(found, repeats=(calm, worst)))))
    assert facts_of(view)["shown"] == "repeat 2 of 2, where a request waited longest"
    assert CAUSES in tables_of(view)


def test_a_run_without_traffic_has_no_section_and_a_pass_cut_off_at_once_has_one() -> None:
    for run in (rich_run(), empty_run()):
        assert passes(run) == ()
        assert "## Under traffic" not in render_markdown(conclude(run))
        assert "This run has no loaded pass." in html(run)
    nothing = a_workload(
        a_class(sent=0, ok=0, failed=0, unfinished=0, latency_s=None, blocked_by=(), errors=(), heat=""),
        timeline=(), statements=(), waits=(), wait_count=0, achieved_per_s=None, scheduling_delay_s=None,
        deadlocks=None, duration_s=0.0,
    )  # fmt: skip
    run = loaded_run(nothing)
    (view,) = passes(run)
    assert facts_of(view)["load generator"] == "sent nothing"
    assert facts_of(view)["deadlocks"] == "–"
    assert "## Under traffic" in render_markdown(conclude(run))


def test_hundreds_of_causes_are_cut_to_the_worst_and_counted() -> None:
    def blocked(n: int) -> BlockedBy:
        cause = Cause("001_first", 0, f"public.t{n:03}", "AccessExclusiveLock", True, "AccessShareLock")
        return BlockedBy(cause, 1, n / 100, n / 100)

    (view,) = passes(loaded_run(a_workload(a_class(blocked_by=tuple(map(blocked, range(300)))))))
    assert len(tables_of(view)[CAUSES].rows) == 25
    assert cell(tables_of(view)[CAUSES], 0, "Longest wait") == "2.99 s"
    assert "275 more, behind which nobody waited longer than 2.74 s" in text_of(tables_of(view)[CAUSES].note)


def test_what_came_from_sql_is_text_in_html() -> None:
    run = hostile_hazard_run()
    assert loaded_passes(run)[-1].doubt == HOSTILE
    page = html(run)
    body = page.split('<script type="application/json"')[0]
    assert "<img" not in body
    assert "{{ 7*7 }}" in body  # nothing was rendered twice
    assert body.count("&lt;img src=x onerror=alert(1)&gt;") > 20
    assert body.count("</script>") == 0


def test_what_came_from_sql_is_text_in_markdown() -> None:
    section = render_markdown(conclude(hostile_hazard_run())).split("## Under traffic")[1]
    section = section.split("## Migration by migration")[0]
    tokens = PARSER.parse(section)
    kinds = {child.type for token in tokens for child in token.children or []}
    assert kinds <= {"text", "text_special", "softbreak", "strong_open", "strong_close"}
    strong = [
        next_token.content
        for token in tokens
        for this, next_token in zip(token.children or [], (token.children or [])[1:], strict=False)
        if this.type == "strong_open"
    ]
    assert "b" not in strong
    for table in section.split("#### ")[1:]:
        lines = [line for line in table.splitlines() if line.startswith("|")]
        columns = {line.replace("\\|", "").count("|") for line in lines}
        assert len(columns) == 1, table


def test_the_passes_of_a_run_are_told_in_its_order() -> None:
    run = hazard_run()
    empty = Pass("loaded", "backup", ())
    views = passes(replace(run, passes=(*run.passes, empty)))
    assert [view.title for view in views] == [
        "With nothing in its way",
        "Beside long-reader",
        "Beside long-reader, lock_timeout 2 s and up to 20 retries",
    ]
    figures = [block.name for block in blocks_of(views) if isinstance(block, Figure)]
    assert figures == ["traffic-01", "traffic-02", "traffic-03"]
