"""Latencies as cells: nothing is lost between the run file and the picture."""

from __future__ import annotations

import math
from dataclasses import replace

from factories import a_class, a_stalled_workload, a_workload, hazard_run, loaded_run
from hypothesis import given
from hypothesis import strategies as st

from bench.model.load import SLOT_S, bucket_of, bucket_start_s, encode_heat
from bench.report.heat import FLOOR_S, LEVELS, column_s, heat_map, level_of
from bench.report.trafficchart import MOST_PANELS, traffic_chart

CELLS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 40), st.integers(1, 500)), max_size=60)


@given(CELLS, st.integers(1, 12))
def test_every_cell_has_its_colour_and_neighbours_are_one(
    cells: list[tuple[int, int, int]], slots: int
) -> None:
    cells = [*{(slot, bucket): (slot, bucket, n) for slot, bucket, n in cells}.values()]
    width = slots * SLOT_S
    heat = heat_map([a_class(heat=encode_heat(cells))], width)
    wanted: dict[tuple[int, float], int] = {}
    for slot, bucket, n in cells:
        key = slot // slots, max(bucket_start_s(bucket), FLOOR_S)
        wanted[key] = wanted.get(key, 0) + n
    drawn = {
        (column, bottom): level
        for level, rects in enumerate(heat.rects)
        for left, right, bottom, _ in rects
        for column in range(round(left / width), round(right / width))
    }
    assert drawn == {key: level_of(n) for key, n in wanted.items()}
    assert heat.requests == sum(n for _, _, n in cells)
    assert len(heat.p99) == len({column for column, _ in wanted})
    for rects in heat.rects:
        ends = {(right, bottom) for _, right, bottom, _ in rects}
        assert not any((left, bottom) in ends for left, _, bottom, _ in rects)


def test_the_percentile_of_a_column_is_that_of_its_requests() -> None:
    def p99(*cells: tuple[int, int, int]) -> list[float]:
        return [value for _, value in heat_map([a_class(heat=encode_heat(cells))], SLOT_S).p99]

    slow, quick = bucket_of(2.0), bucket_of(0.01)
    assert p99((0, quick, 99), (0, slow, 1)) == [bucket_start_s(quick + 1)]
    assert p99((0, quick, 98), (0, slow, 2)) == [bucket_start_s(slow + 1)]
    assert p99((0, quick, 3), (0, slow, 1), (7, quick, 1)) == [
        bucket_start_s(slow + 1), bucket_start_s(quick + 1),
    ]  # fmt: skip


@given(st.floats(0.0, 10_000), st.integers(1, 400))
def test_columns_are_whole_slots_and_few_enough(span_s: float, most: int) -> None:
    width = column_s(span_s, most)
    assert math.isclose(width / SLOT_S, round(width / SLOT_S))
    assert math.ceil(span_s / width - 1e-6) <= most


def test_levels_begin_where_the_legend_says() -> None:
    assert [level_of(n) for n in LEVELS] == list(range(len(LEVELS)))
    assert level_of(10**6) == len(LEVELS) - 1


def test_many_classes_share_the_last_panel_and_the_worst_have_their_own() -> None:
    classes = [a_class(f"c{n}", worst_blocked_s=float(n), blocked=((3.0, 3.0 + n),)) for n in range(30)]
    run = loaded_run(a_workload(*classes))
    chart = traffic_chart(run, run.passes[1])
    assert chart is not None
    assert [panel.name for panel in chart.panels] == [
        "c29", "c28", "c27", "c26", "c25", "c24", "24 other classes",
    ]  # fmt: skip
    assert len(chart.panels) == MOST_PANELS
    rest = chart.panels[-1]
    assert rest.heat.requests == 24 * 8
    assert rest.blocked == ((0.0, 23.0),)
    assert rest.worst_s == 23.0


def test_zero_is_the_begin_of_the_first_statement() -> None:
    run = hazard_run()
    chart = traffic_chart(run, run.passes[2])
    assert chart is not None
    assert (chart.low_s, chart.high_s) == (-3.0, 33.0)
    (lane,) = chart.lanes
    assert [(s.granted, s.begin_s, round(s.end_s, 3)) for s in lane.stretches] == [
        (False, 0.0, 30.0), (True, 30.009999999999998, 30.4),
    ]  # fmt: skip
    assert (lane.longest_s(granted=False), round(lane.longest_s(granted=True), 3)) == (30.0, 0.5)
    assert max(column.blocked for column in chart.columns) == 40
    assert [mark.labels for mark in chart.statements] == [("1:1 ALTER TABLE", "1:1")]


def test_a_pass_before_its_first_statement_counts_from_its_traffic() -> None:
    run = loaded_run(replace(a_stalled_workload(1.0), statements=(), locks=None))
    chart = traffic_chart(run, run.passes[1])
    assert chart is not None
    assert not chart.began
    assert not chart.watched
    assert (chart.low_s, chart.migrations, chart.lanes) == (0.0, (), ())
