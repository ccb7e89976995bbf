"""The picture of a loaded pass on one time axis: statements, locks, queue, throughput, latencies by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.report import format as fmt
from bench.report.figures.axes import span_axis, time_unit
from bench.report.figures.locks import place_labels
from bench.report.figures.sheet import Picture, Sheet, sheet
from bench.report.figures.text import POINTS_PER_EM_SANS, fit, room_for
from bench.report.figures.trafficpanels import (
    HEAT_TOKENS,
    draw_blocked,
    draw_heat,
    draw_lanes,
    draw_queued,
    draw_throughput,
    latency_range,
)
from bench.report.heat import LEVELS
from bench.report.palette import LIGHT, lock_token
from bench.report.timeline import Mark
from bench.report.trafficchart import LockLane, Panel, TrafficChart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME_IN, TICKS_IN, VALUE_IN = 1.85, 0.5, 1.4
LEGEND_LINE_IN, LABEL_ROW_IN = 0.21, 0.17
LANE_IN, COUNT_IN, HEAT_IN, GAP_IN, AXIS_IN = 0.21, 0.5, 0.7, 0.12, 0.45
MONO, SMALL = 7.6, 7.0
COUNTS = 3
"""Panels of counts between the locks and the latencies."""
RULE_SHARE = 1 / 200
"""Statements that take a smaller share of the axis get no rule of their own."""
Legend = Sequence[tuple[str, str]]


def draw_traffic(chart: TrafficChart, name: str, title: str) -> Picture:
    """One figure; the height follows the number of lanes and classes."""
    if not chart.columns:
        return _empty(name, title)
    legends = _legends(chart)
    top = LEGEND_LINE_IN * len(legends) + 0.1 + 2 * LABEL_ROW_IN
    lanes_in = LANE_IN * max(1, len(chart.lanes))
    heights = [lanes_in, *[COUNT_IN] * COUNTS, *(HEAT_IN for _ in chart.panels)]
    body_in = top + sum(heights) + GAP_IN * len(heights) + AXIS_IN
    with sheet(name, f"Under traffic · {fit(title, 70, keep='middle')}", _caption(chart), body_in) as page:
        for row, legend in enumerate(legends):
            _draw_legend(page, legend, LEGEND_LINE_IN * row)
        axes, tops = _panels(page, chart, heights, top)
        _labels(page, chart.migrations, chart, top - LABEL_ROW_IN * 1.5)
        _labels(page, chart.statements, chart, top - LABEL_ROW_IN * 0.5)
        _fill(page, chart, axes, tops)
        return page.finish()


def _panels(
    page: Sheet, chart: TrafficChart, heights: Sequence[float], top: float
) -> tuple[list[Axes], list[float]]:
    """Empty axes one below the other with the same x axis, labelled at the last."""
    left, width = NAME_IN + TICKS_IN, page.width_in - NAME_IN - TICKS_IN - VALUE_IN
    axes, tops = [], []
    since = "the first statement began" if chart.began else "the traffic began"
    for position, height in enumerate(heights):
        ax = page.axes(left, top, width, height)
        tops.append(top)
        axes.append(ax)
        top += height + GAP_IN
        last = position == len(heights) - 1
        unit = time_unit(chart.high_s - chart.low_s)
        span_axis(ax, unit, chart.low_s, chart.high_s, f"time since {since}" if last else "")
        _rules(ax, chart)
    return axes, tops


def _fill(page: Sheet, chart: TrafficChart, axes: Sequence[Axes], tops: Sequence[float]) -> None:
    span = chart.high_s - chart.low_s
    draw_lanes(axes[0], chart.lanes, span)
    _lane_texts(page, chart, tops[0])
    columns, width = chart.columns, chart.column_s
    draw_blocked(axes[1], columns, width)
    blocked = f"at most {fmt.count(max(column.blocked for column in columns))} blocked"
    _texts(page, tops[1], COUNT_IN, ("on the server", "requests"), (blocked, ""))
    draw_queued(axes[2], columns, width)
    queued = f"at most {fmt.count(max(column.queued for column in columns))}"
    _texts(page, tops[2], COUNT_IN, ("no connection", "requests that queue for one"), (queued, ""))
    draw_throughput(axes[3], columns, width)
    ok = sum(column.ok_per_s for column in columns) / len(columns)
    _texts(page, tops[3], COUNT_IN, ("throughput", "requests per second"), (f"{ok:,.0f}/s ok on average", ""))
    range_s = latency_range([panel.heat for panel in chart.panels])
    zero = -chart.low_s
    for ax, at, panel in zip(axes[COUNTS + 1 :], tops[COUNTS + 1 :], chart.panels, strict=True):
        draw_heat(ax, panel, zero, range_s)
        _texts(page, at, HEAT_IN, (panel.name, panel.access), _panel_values(panel, chart.watched))


def _panel_values(panel: Panel, watched: bool) -> tuple[str, str]:
    none_seen = "no wait seen" if watched else "waits not seen"
    waited = f"waits ≤ {fmt.seconds(panel.worst_s)}" if panel.worst_s else none_seen
    states = ", ".join(state for _, state in panel.failures)
    if states:
        return waited, fit(f"✕ {states}", 24)
    return waited, f"p99 {fmt.seconds(panel.p99_s)}" if panel.p99_s is not None else ""


def _texts(page: Sheet, top: float, height: float, names: tuple[str, str], values: tuple[str, str]) -> None:
    """Name and remark on the left, two figures on the right."""
    first, second = top + height / 2 - 0.085, top + height / 2 + 0.085
    middle = top + height / 2
    name, remark = names
    room = room_for(NAME_IN - 0.1, MONO)
    page.text(0.04, first if remark else middle, fit(name, room), fontsize=MONO, family="DejaVu Sans Mono")
    if remark:
        page.text(0.04, second, remark, fontsize=SMALL, color=LIGHT["muted"])
    right = page.width_in - 0.04
    if values[1]:
        page.text(right, second, values[1], fontsize=SMALL, ha="right", color=LIGHT["muted"])
    page.text(right, first if values[1] else middle, values[0], fontsize=SMALL + 0.5, ha="right")


def _lane_texts(page: Sheet, chart: TrafficChart, top: float) -> None:
    for row, lane in enumerate(chart.lanes):
        y = top + LANE_IN * (row + 0.5)
        name = fit(lane.relation.removeprefix("public."), room_for(NAME_IN + TICKS_IN - 0.2, MONO))
        page.text(0.04, y, name, fontsize=MONO, family="DejaVu Sans Mono")
        page.text(page.width_in - 0.04, y, _lane_value(lane), fontsize=SMALL, ha="right")
    if not chart.lanes:
        said = "the deploy held no stronger lock" if chart.watched else "locks were not watched"
        page.text(0.04, top + LANE_IN / 2, said, fontsize=SMALL, color=LIGHT["muted"])


def _lane_value(lane: LockLane) -> str:
    held, waited = lane.longest_s(granted=True), lane.longest_s(granted=False)
    return f"waited {fmt.seconds(waited)}" if waited > held else f"held ≤ {fmt.seconds(held)}"


def _rules(ax: Axes, chart: TrafficChart) -> None:
    span = chart.high_s - chart.low_s
    for mark in chart.statements:
        if mark.end_s - mark.start_s >= span * RULE_SHARE:
            ax.axvline(mark.start_s, color=LIGHT["grid"], linewidth=0.7, zorder=0.4)
    for mark in chart.migrations:
        ax.axvline(mark.start_s, color=LIGHT["rule"], linewidth=0.9, zorder=0.5)
    if chart.migrations:
        ax.axvline(chart.migrations[-1].end_s, color=LIGHT["rule"], linewidth=0.9, zorder=0.5)


def _labels(page: Sheet, marks: Sequence[Mark], chart: TrafficChart, y: float) -> None:
    left, width = NAME_IN + TICKS_IN, page.width_in - NAME_IN - TICKS_IN - VALUE_IN
    span = chart.high_s - chart.low_s
    moved = [Mark(m.start_s - chart.low_s, m.end_s - chart.low_s, m.labels) for m in marks]
    long = [mark for mark in moved if mark.end_s - mark.start_s >= span * RULE_SHARE] or moved[:1]
    for at_s, label in place_labels(long, span, 72 * width, POINTS_PER_EM_SANS * SMALL):
        page.text(left + width * at_s / span + 0.03, y, label, fontsize=SMALL, color=LIGHT["muted"])


def _legends(chart: TrafficChart) -> tuple[Legend, ...]:
    """Rows of (kind, words): of the locks, of the lines, of the cells."""
    stretches = [stretch for lane in chart.lanes for stretch in lane.stretches]
    modes = sorted({s.mode for s in stretches if s.granted}, key=lambda mode: -mode.strength)
    locks = [(lock_token(mode), mode.sql_name) for mode in modes]
    if any(not stretch.granted for stretch in stretches):
        locks.append(("waiting", "the deploy waits for the lock"))
    lines = [
        ("lock-7", "blocked by the deploy; failed"),
        ("calm-line", "sent and not answered"),
        ("lock-5", "queued"),
        ("after-line", "ended well"),
        ("rule-line", "due"),
        ("lock-6-line", "99th percentile"),
    ]
    cells = [
        (token, f"from {least}" if least > 1 else "1 request")
        for token, least in zip(HEAT_TOKENS, LEVELS, strict=True)
    ]
    rows = [locks, lines, cells]
    if any(panel.failures for panel in chart.panels):
        cells.append(("failure", "the first request that failed so"))
    return tuple(row for row in rows if row)


def _draw_legend(page: Sheet, legend: Legend, top: float) -> None:
    from matplotlib.patches import Rectangle

    ax = page.axes(0, top, page.width_in, LEGEND_LINE_IN)
    ax.set(xlim=(0, page.width_in), ylim=(1, 0))
    ax.set_axis_off()
    left = 0.02
    for kind, words in legend:
        if kind.endswith("-line"):
            ax.plot([left, left + 0.24], [0.5, 0.5], color=LIGHT[kind.removesuffix("-line")], linewidth=1.6)
        elif kind == "failure":
            ax.plot([left + 0.12], [0.5], "x", markersize=5, markeredgewidth=1.4, color=LIGHT["lock-8"])
        else:
            style: dict[str, Any] = {"facecolor": LIGHT.get(kind, "none"), "edgecolor": LIGHT["edge"]}
            if kind == "waiting":
                style = {"facecolor": "none", "edgecolor": LIGHT["muted"], "hatch": "////"}
            ax.add_patch(Rectangle((left, 0.24), 0.24, 0.52, linewidth=0.4, **style))
        ax.text(left + 0.3, 0.5, words, va="center", fontsize=SMALL + 0.5)
        left += 0.55 + len(words) * POINTS_PER_EM_SANS * (SMALL + 0.5) / 72


def _caption(chart: TrafficChart) -> str:
    which = "One repeat." if chart.repeats == 1 else f"Repeat {chart.repeat} of {chart.repeats}."
    parts = [
        which,
        "Latency from when a request was due, on a logarithmic scale, the same in every panel; each column "
        f"has {fmt.seconds(chart.column_s)}, its line is the 99th percentile, the slowest where it has fewer "
        "than 100 requests. Red above the cells: some request of the class was blocked by the deploy.",
    ]
    if chart.lanes:
        parts.append("Locks are those stronger than ROW EXCLUSIVE, seen by single looks.")
    if chart.folded:
        more = "1 more relation" if chart.folded == 1 else f"{chart.folded} more relations"
        parts.append(f"Not drawn: {more}, locked for shorter.")
    return " ".join(parts)


def _empty(name: str, title: str) -> Picture:
    with sheet(
        name, f"Under traffic · {fit(title, 70, keep='middle')}", "Nothing was measured.", 0.7
    ) as page:
        page.text(
            page.width_in / 2, 0.3, "No request was due.", ha="center", fontsize=9, color=LIGHT["muted"]
        )
        return page.finish()
