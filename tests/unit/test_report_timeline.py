"""Lock timelines: which repeat, which relations, and labels only where there is room."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from factories import a_lock, a_migration, a_run, a_statement
from hypothesis import given
from hypothesis import strategies as st

from bench.analyse.summary import summarise
from bench.model.lock import Lock, LockMode
from bench.report.figures.locks import caption, place_labels, tick_labels
from bench.report.figures.text import columns
from bench.report.timeline import Mark, migration_timeline, suite_timeline


def test_lanes_show_existing_relations_in_blocking_modes_longest_held_first() -> None:
    locks = (
        a_lock("public.a", LockMode.SHARE, 0.2),
        a_lock("public.b", LockMode.ACCESS_EXCLUSIVE, 0.4),
        a_lock("public.made", LockMode.ACCESS_EXCLUSIVE, 0.9, new=True),
        a_lock("public.read", LockMode.ACCESS_SHARE, 0.9),
        a_lock("pg_toast.pg_toast_1_index", LockMode.ACCESS_EXCLUSIVE, 0.9, target="index"),
    )
    run = a_run([a_migration([a_statement(0, locks=locks)])])
    timeline = migration_timeline(run, summarise(run), "001_first")
    assert timeline is not None
    assert [lane.relation for lane in timeline.lanes] == ["public.b", "public.a"]
    assert (timeline.new, timeline.weak) == (1, 1)
    assert "1 lock on relations that the migration created itself; 1 lock weaker" in caption(timeline)


def test_the_repeat_of_median_duration_is_shown() -> None:
    def repeat(seconds: float) -> list[object]:
        return [a_migration([a_statement(0, duration_s=seconds, locks=(a_lock(held_s=seconds),))])]

    run = a_run(repeat(3.0), repeat(1.0), repeat(2.0))  # type: ignore[arg-type]
    timeline = migration_timeline(run, summarise(run), "001_first")
    assert timeline is not None
    assert timeline.repeat == 3
    assert timeline.lanes[0].held_s == pytest.approx(2.0)


def test_the_time_axis_leaves_out_what_the_harness_took_between_statements() -> None:
    migration = replace(a_migration([a_statement(0, duration_s=1.0)]), wall_s=9.0)
    run = a_run([migration])
    timeline = migration_timeline(run, summarise(run), "001_first")
    assert timeline is not None
    assert timeline.span_s == pytest.approx(1.0)


def test_bounds_stand_beside_lonely_ticks_alone() -> None:
    def held(at_s: float) -> Lock:
        return a_lock("public.a", LockMode.SHARE, 0.001, granted_at_s=at_s, bounds=(0.0, 0.002))

    locks = (held(10.0), held(50.0), held(50.1))
    run = a_run([a_migration([a_statement(0, duration_s=100.0, locks=locks)])])
    timeline = migration_timeline(run, summarise(run), "001_first")
    assert timeline is not None
    [(at_s, label)] = tick_labels(timeline.lanes[0], 100.0, 600.0)
    assert 10.0 < at_s < 12.0
    assert label == "≤ 2.00 ms"


def test_overlapping_holds_of_a_relation_count_once() -> None:
    locks = tuple(
        a_lock("public.a", mode, 1.0, granted_at_s=0.5 * i) for i, mode in enumerate(list(LockMode)[5:])
    )
    run = a_run([a_migration([a_statement(0, duration_s=3.0, locks=locks)])])
    timeline = migration_timeline(run, summarise(run), "001_first")
    assert timeline is not None
    assert timeline.lanes[0].held_s == pytest.approx(2.0)


def test_the_suite_timeline_puts_migrations_one_after_another() -> None:
    held = a_lock("public.a", LockMode.SHARE, 0.5)
    run = a_run([a_migration([a_statement(0, locks=(held,))], id) for id in ("001_a", "002_b")])
    timeline = suite_timeline(run, summarise(run))
    assert timeline is not None
    starts = [bar.start_s for bar in timeline.lanes[0].bars]
    assert starts == [0.0, pytest.approx(timeline.span_s / 2)]


@given(
    st.lists(st.tuples(st.floats(0, 90), st.floats(0.01, 10), st.text(max_size=30)), max_size=30),
)
def test_labels_never_overlap_and_stay_on_the_axis(spans: list[tuple[float, float, str]]) -> None:
    marks = [Mark(start, start + length, (text + " long", "7")) for start, length, text in spans]
    placed = place_labels(marks, 100.0, 500.0, 4.0)
    edges = [(at * 5.0, at * 5.0 + columns(text) * 4.0) for at, text in placed]
    assert all(end <= 500.0 for _, end in edges)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(edges))
