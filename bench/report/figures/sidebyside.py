"""Several runs in one picture: requests that stand still over time, longest waits beside each hazard."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.analyse.traffic import PassFigures
from bench.report import format as fmt
from bench.report.figures.axes import log_time_ticks, span_axis, time_unit
from bench.report.figures.sheet import Picture, Sheet, sheet
from bench.report.figures.text import fit, room_for
from bench.report.figures.trafficpanels import count_axis, edges_of, fill_between_counts
from bench.report.palette import LIGHT
from bench.report.sidebyside import Side, SideBySide, of_row, pass_words, row_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEGEND_IN, PANEL_IN, GAP_IN, AXIS_IN = 0.3, 0.95, 0.16, 0.5
NAME_IN, TICKS_IN, VALUE_IN = 2.0, 0.45, 2.15
HEAD_IN, ROW_IN = 0.4, 0.25
MONO, SMALL = 8.6, 7.2
EM_OF_FIGURES = 0.5
"""Mean advance of DejaVu Sans in "2.04 s (7.54 s), 4 tries", generously: points and spaces are narrow."""
SHORTEST_S = 0.01
"""Where the bars of longest waits begin: shorter ones may be missed."""


def draw_side_by_side(found: SideBySide) -> Picture:
    """One figure; runs from top to bottom, the same axes for all."""
    rows_in = HEAD_IN + ROW_IN * len(found.rows) + AXIS_IN if found.rows else 0.0
    runs_in = LEGEND_IN + (PANEL_IN + GAP_IN) * len(found.sides) + AXIS_IN
    title = "Requests that stand still while the deploy runs"
    with sheet("side-by-side", title, _caption(found), runs_in + rows_in) as page:
        _legend(page)
        for position, side in enumerate(found.sides):
            top = LEGEND_IN + (PANEL_IN + GAP_IN) * position
            last = position == len(found.sides) - 1
            _over_time(page, side, found, top, last=last)
        if found.rows:
            _beside_hazards(page, found, runs_in)
        return page.finish()


def _legend(page: Sheet) -> None:
    from matplotlib.patches import Rectangle

    ax = page.axes(0, 0, page.width_in, LEGEND_IN)
    ax.set(xlim=(0, page.width_in), ylim=(1, 0))
    ax.set_axis_off()
    for left, token, words in (
        (0.04, "lock-8", "at least one request waits for the deploy"),
        (3.3, "lock-7", "requests that wait for a lock of the deploy"),
        (6.6, "lock-5", "requests behind them, without a connection"),
    ):
        ax.add_patch(Rectangle((left, 0.2), 0.24, 0.4, facecolor=LIGHT[token], edgecolor="none"))
        ax.text(left + 0.32, 0.4, words, va="center", fontsize=8)


def _over_time(page: Sheet, side: Side, found: SideBySide, top: float, *, last: bool) -> None:
    left, width = NAME_IN + TICKS_IN, page.width_in - NAME_IN - TICKS_IN - VALUE_IN
    ax = page.axes(left, top, width, PANEL_IN)
    unit = time_unit(found.high_s - found.low_s)
    span_axis(ax, unit, found.low_s, found.high_s, "time since the first statement began" if last else "")
    count_axis(ax, 1.08 * found.most)
    ax.axvline(0, color=LIGHT["rule"], linewidth=0.9, zorder=0.5)
    edges = edges_of(side.columns, found.column_s)
    fill_between_counts(ax, edges, [c.blocked + c.queued for c in side.columns], "lock-5")
    fill_between_counts(ax, edges, [c.blocked for c in side.columns], "lock-7")
    for begin, end in side.blocked:
        ax.axvspan(begin, end, ymin=0.94, ymax=1.0, color=LIGHT["lock-8"], linewidth=0.8, zorder=4)
    name = fit(side.name, room_for(NAME_IN - 0.1, MONO), keep="middle")
    page.text(0.04, top + 0.13, name, fontsize=MONO, family="DejaVu Sans Mono", fontweight="bold")
    for row, fact in enumerate(side.facts):
        page.text(0.04, top + 0.36 + 0.18 * row, fact, fontsize=SMALL, color=LIGHT["muted"])
    _values(page, side, top)


def _values(page: Sheet, side: Side, top: float) -> None:
    """Blocked seconds and worst waits, written at the right."""
    quiet, right = side.quiet, page.width_in - 0.04
    if quiet is None:
        page.text(right, top + PANEL_IN / 2, "not measured", fontsize=SMALL, ha="right", color=LIGHT["muted"])
        return
    none_seen = "not seen" if quiet.unwatched_s else "no wait seen"
    big = fmt.seconds(quiet.worst_s) if quiet.worst_s else none_seen
    page.text(right, top + 0.2, big, fontsize=13, ha="right", fontweight="bold", color=LIGHT[tone(quiet)])
    lines = [
        "the longest wait for the deploy",
        f"blocked for {fmt.seconds(quiet.blocked_s)} in all, {fmt.count(quiet.waits)} requests",
        f"slowest request {fmt.seconds(quiet.slowest_s)}",
    ]
    for row, line in enumerate(lines):
        page.text(right, top + 0.44 + 0.18 * row, line, fontsize=SMALL, ha="right", color=LIGHT["muted"])


def tone(figures: PassFigures) -> str:
    """The colour of a longest wait: over 10 s, over 1 s, shorter."""
    if figures.worst_s > 10:
        return "lock-8"
    return "lock-6" if figures.worst_s > 1 else "ink"


def _beside_hazards(page: Sheet, found: SideBySide, top: float) -> None:
    """A column for each run, a row for each pass; bars on one logarithmic axis."""
    page.text(
        0.04, top + 0.1, "Longest wait of a request (time blocked in all)", fontsize=9.5, fontweight="bold"
    )
    for at, row in enumerate(found.rows):
        y = top + HEAD_IN + ROW_IN * (at + 0.5)
        page.text(0.04, y, fit(row_name(row), 34), fontsize=SMALL + 0.4)
    page.bands(top + HEAD_IN, ROW_IN, [at % 2 == 0 for at in range(len(found.rows))])
    longest = max((traffic.worst_s for side in found.sides for traffic in side.passes), default=1.0)
    high = max(1.0, longest) * 1.3
    left, gap = NAME_IN + 0.15, 0.2
    width = (page.width_in - left - gap * (len(found.sides) - 1)) / len(found.sides)
    for position, side in enumerate(found.sides):
        at_left = left + (width + gap) * position
        name = fit(side.name, room_for(width - 0.1, MONO - 0.8), keep="middle")
        style = {"fontsize": MONO - 0.8, "family": "DejaVu Sans Mono", "fontweight": "bold"}
        page.text(at_left, top + 0.3, name, **style)
        ax = page.axes(at_left, top + HEAD_IN, width, ROW_IN * len(found.rows))
        _bars(ax, side, found, high, width)


def _bars(ax: Axes, side: Side, found: SideBySide, high: float, width_in: float) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    ax.set_xscale("log")
    ax.set_xlim(SHORTEST_S, high)
    ax.set_ylim(len(found.rows) - 0.5, -0.5)
    ax.set_yticks([])
    ticks = [(at, words) for at, words in log_time_ticks(SHORTEST_S, high) if 1.8 * at < high]
    ax.xaxis.set_major_locator(FixedLocator([at for at, _ in ticks]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([words for _, words in ticks])
    ax.tick_params(axis="x", labelsize=SMALL)
    ax.grid(axis="x")
    for at, row in enumerate(found.rows):
        figures = of_row(side, row)
        if figures is not None and figures.worst_s > SHORTEST_S:
            colour = LIGHT[tone(figures) if figures.worst_s > 1 else "calm"]
            width = figures.worst_s - SHORTEST_S
            ax.barh(at, width, left=SHORTEST_S, height=0.7, color=colour, zorder=2)
        _bar_words(ax, at, pass_words(figures), figures, width_in)


def _bar_words(ax: Axes, at: int, words: str, figures: PassFigures | None, width_in: float) -> None:
    """Beside the bar where there is room, else on it if it is the wider, in a colour that is read there."""
    low, high = ax.get_xlim()
    worst = max(low, figures.worst_s) if figures is not None else low
    share = math.log(worst / low) / math.log(high / low)
    needed_in = (len(words) + 1) * EM_OF_FIGURES * SMALL / 72
    beside = (1 - share) * width_in >= min(needed_in, width_in / 2)
    colour = LIGHT["muted"] if figures is None else LIGHT["ink"] if beside else "#ffffff"
    x, align = (share + 0.05 / width_in, "left") if beside else (share - 0.05 / width_in, "right")
    room = int(72 * width_in * (1 - share if beside else share) / (EM_OF_FIGURES * SMALL))
    ax.text(
        x, at, fit(words, max(room, 8)), fontsize=SMALL, ha=align, va="center", color=colour, zorder=3,
        transform=ax.get_yaxis_transform(),
    )  # fmt: skip


def _caption(found: SideBySide) -> str:
    parts = [
        f"The same axes for every run; a column has {fmt.seconds(found.column_s)}. Above: with nothing in "
        "the deploy's way. Below: a request's longest wait for a lock of the deploy, bars logarithmic from "
        "10 ms, below which waits may be missed; in brackets, how long at least one request waited; tries, "
        "where lock timeouts made the deploy come back; fails: the deploy did not get through."
    ]
    counts = sorted({traffic.n for side in found.sides for traffic in side.passes})
    if counts:
        parts.append(f"n = {' to '.join(map(str, sorted({counts[0], counts[-1]})))} of each pass.")
    marked = [f"{side.name} ({n})" for side in found.sides if (n := sum(map(bool, _doubts(side))))]
    if marked:
        parts.append(f"Passes whose generator did not hold its rate or was late: {', '.join(marked)}.")
    if found.differ:
        parts.append(f"The runs differ in {', '.join(found.differ)}.")
    return " ".join(parts)


def _doubts(side: Side) -> list[str | None]:
    return [traffic.doubt for traffic in side.passes]
