"""The lock timeline: who held what, from when to when, and what stands still behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.model.lock import LockMode
from bench.report import format as fmt
from bench.report.figures.axes import linear_axis, time_unit
from bench.report.figures.sheet import Picture, Sheet, sheet
from bench.report.figures.text import (
    POINTS_PER_EM_MONO,
    POINTS_PER_EM_SANS,
    columns,
    fit,
    name_width,
    room_for,
)
from bench.report.palette import LIGHT, lock_token
from bench.report.timeline import Bar, Lane, Mark, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOLD_IN = 1.2
NAME_ROOM_IN = (0.9, 2.85)
LANE_IN, BAR_HEIGHT = 0.27, 0.56
LEGEND_LINE_IN = 0.21
STRIP_IN, AXIS_IN = 0.3, 0.45
MOST_LANES = 28
VISIBLE_SHARE = 1 / 300
"""Narrower holds are widened to this share of the axis and marked with their upper bound."""
MONO, SMALL = 8.0, 7.0


def draw_timeline(timeline: Timeline, name: str) -> Picture:
    """One figure of one timeline, at most 28 lanes high."""
    lanes = timeline.lanes[:MOST_LANES]
    title = f"Locks on existing relations · {fit(timeline.title, 58, keep='middle')}"
    legend = _legend(lanes)
    if not lanes:
        return _empty(timeline, name, title)
    top = LEGEND_LINE_IN * _legend_rows(legend) + 0.12
    body_in = top + STRIP_IN + LANE_IN * len(lanes) + AXIS_IN
    with sheet(name, title, caption(timeline), body_in) as page:
        _draw_legend(page, legend)
        left = name_width(map(_name, lanes), MONO, *NAME_ROOM_IN)
        width = page.width_in - left - HOLD_IN
        ax = page.axes(left, top + STRIP_IN, width, LANE_IN * len(lanes))
        span = max(timeline.span_s, max(bar.end_s for lane in lanes for bar in lane.bars), 1e-6)
        ax.set_ylim(len(lanes) - 0.5, -0.5)
        linear_axis(ax, time_unit(span), span, "time since the first statement began")
        _marks(page, ax, timeline.marks, span, (left, top, width))
        page.bands(top + STRIP_IN, LANE_IN, [row % 2 == 0 for row in range(len(lanes))])
        for row, lane in enumerate(lanes):
            _lane(ax, row, lane, span, width)
            _lane_texts(page, row, lane, top + STRIP_IN, left)
        page.text(0.04, top + STRIP_IN - 0.1, "relation", fontsize=SMALL, color=LIGHT["muted"])
        page.text(
            page.width_in - 0.04,
            top + STRIP_IN - 0.1,
            "longest hold",
            fontsize=SMALL,
            color=LIGHT["muted"],
            ha="right",
        )
        return page.finish()


def reach(mode: LockMode) -> str:
    """In words, what waits behind a mode."""
    if mode.blocks_reads:
        return "blocks reads and writes"
    if mode.blocks_writes:
        return "blocks writes"
    if mode.strength >= LockMode.SHARE_UPDATE_EXCLUSIVE.strength:
        return "lets reads and writes pass; VACUUM and other DDL wait"
    return "lets reads and writes pass"


def caption(timeline: Timeline) -> str:
    """Which repeat is shown, how finely it was seen, and what was left out."""
    parts = [f"Repeat {timeline.repeat} of {timeline.repeats}, the one of median duration."]
    if timeline.repeats == 1:
        parts = ["One repeat."]
    if timeline.sampler is not None:
        period = f"Locks sampled every {fmt.seconds(timeline.sampler.period_s)}"
        gap = timeline.sampler.gap_p99_s
        parts.append(period + (f" (99 % of gaps ≤ {fmt.seconds(gap)})." if gap is not None else "."))
    if timeline.lanes:
        parts.append(
            "A hold too short to be seen at this scale is drawn as a tick with its bounds beside it."
        )
    left_out = []
    if timeline.new:
        left_out.append(f"{_count(timeline.new, 'lock')} on relations that the migration created itself")
    if timeline.weak:
        left_out.append(f"{_count(timeline.weak, 'lock')} weaker than SHARE UPDATE EXCLUSIVE")
    folded = timeline.lanes[MOST_LANES:]
    if folded:
        longest = max((lane.longest_s for lane in folded), default=0.0)
        left_out.append(f"{_count(len(folded), 'relation')}, each held for {fmt.seconds(longest)} at most")
    if left_out:
        parts.append(f"Not drawn: {'; '.join(left_out)}.")
    return " ".join(parts)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _empty(timeline: Timeline, name: str, title: str) -> Picture:
    with sheet(name, title, caption(timeline), 0.75) as page:
        page.text(
            page.width_in / 2, 0.35, "No relation that existed before was locked in SHARE UPDATE EXCLUSIVE or"
            " a stronger mode:\nnobody's read or write waits for a table lock.",
            ha="center", fontsize=9, color=LIGHT["muted"],
        )  # fmt: skip
        return page.finish()


def _legend(lanes: Sequence[Lane]) -> list[tuple[str, str]]:
    """(token or kind, words) of everything that occurs, strongest mode first."""
    bars = [bar for lane in lanes for bar in lane.bars]
    modes = sorted({bar.mode for bar in bars}, key=lambda mode: -mode.strength)
    lines = [(lock_token(mode), f"{mode.sql_name}: {reach(mode)}") for mode in modes]
    if any(_is_wait(bar) for bar in bars):
        lines.append(("waiting", "hatched: waiting for the lock"))
    if any(bar.sampled for bar in bars):
        lines.append(("sampled", "dashed outline: seen by sampling alone"))
    return lines


def _legend_rows(lines: Sequence[tuple[str, str]]) -> int:
    """In two columns."""
    return (len(lines) + 1) // 2


def _draw_legend(page: Sheet, lines: Sequence[tuple[str, str]]) -> None:
    from matplotlib.patches import Rectangle

    rows = _legend_rows(lines)
    ax = page.axes(0, 0, page.width_in, LEGEND_LINE_IN * rows)
    ax.set(xlim=(0, page.width_in), ylim=(rows, 0))
    ax.set_axis_off()
    for at, (kind, words) in enumerate(lines):
        left, row = page.width_in / 2 * (at // rows), at % rows
        style: dict[str, Any] = {
            "facecolor": LIGHT.get(kind, "none"),
            "edgecolor": LIGHT["edge"],
            "linewidth": 0.5,
        }
        if kind == "waiting":
            style = {"facecolor": "none", "edgecolor": LIGHT["muted"], "hatch": "////", "linewidth": 0.5}
        if kind == "sampled":
            style = {
                "facecolor": "none",
                "edgecolor": LIGHT["ink"],
                "linestyle": (0, (2, 1.4)),
                "linewidth": 1,
            }
        ax.add_patch(Rectangle((left + 0.01, row + 0.22), 0.26, 0.56, **style))
        ax.text(left + 0.36, row + 0.5, words, va="center", fontsize=8)


def _is_wait(bar: Bar) -> bool:
    return bar.waited_s > 0


def _marks(
    page: Sheet, ax: Axes, marks: Sequence[Mark], span: float, place: tuple[float, float, float]
) -> None:
    """Rules at the starts, as far as they stand apart, and names where there is room."""
    left, top, width = place
    previous = float("-inf")
    for mark in marks:
        if mark.start_s - previous >= span / 250:
            ax.axvline(mark.start_s, color=LIGHT["rule"], linewidth=0.6, zorder=0.5)
            previous = mark.start_s
    for at_s, label in place_labels(marks, span, 72 * width, POINTS_PER_EM_SANS * SMALL):
        page.text(
            left + width * at_s / span + 0.03,
            top + STRIP_IN - 0.1,
            label,
            fontsize=SMALL,
            color=LIGHT["muted"],
        )


def place_labels(
    marks: Sequence[Mark], span_s: float, width_pt: float, column_pt: float
) -> list[tuple[float, str]]:
    """Where to write which name so that no two overlap and none leaves the axis, longest stretch first."""
    taken: list[tuple[float, float]] = []
    placed: list[tuple[float, str]] = []
    for mark in sorted(marks, key=lambda mark: mark.start_s - mark.end_s):
        left = width_pt * mark.start_s / span_s
        for label in mark.labels:
            text = fit(label, 60, keep="middle")
            right = left + (columns(text) + 1.5) * column_pt
            fits = right <= width_pt and all(right <= start or left >= end for start, end in taken)
            own = width_pt * mark.end_s / span_s + column_pt
            if fits and (right <= own or label == mark.labels[-1]):
                taken.append((left, right))
                placed.append((mark.start_s, text))
                break
    return sorted(placed)


def _lane(ax: Axes, row: int, lane: Lane, span: float, width: float) -> None:
    least = span * VISIBLE_SHARE
    for bar in lane.bars:
        drawn = max(bar.end_s - bar.start_s, least)
        start = min(bar.start_s, span - drawn)
        ax.barh(
            row, drawn, left=start, height=BAR_HEIGHT, color=LIGHT[lock_token(bar.mode)],
            edgecolor=LIGHT["ink"] if bar.sampled else LIGHT["edge"],
            linestyle=(0, (2, 1.4)) if bar.sampled else "solid", linewidth=0.7 if bar.sampled else 0.4,
            zorder=2 + bar.mode.strength / 10,
        )  # fmt: skip
        if _is_wait(bar):
            begun = max(0.0, start - bar.waited_s)
            ax.barh(
                row, max(start - begun, least), left=begun, height=BAR_HEIGHT, facecolor="none", hatch="////",
                edgecolor=LIGHT["muted"], linewidth=0.4, zorder=2,
            )  # fmt: skip
    for at_s, label in tick_labels(lane, span, 72 * width):
        ax.text(at_s, row, label, fontsize=6.5, color=LIGHT["muted"], va="center", zorder=4)


def tick_labels(lane: Lane, span_s: float, width_pt: float) -> list[tuple[float, str]]:
    """The bounds of holds that are too short to be seen, beside those that stand alone."""
    least = span_s * VISIBLE_SHARE
    near = 2 * least
    placed: list[tuple[float, str]] = []
    reached = float("-inf")
    for bar in sorted(lane.bars, key=lambda bar: bar.start_s):
        if bar.end_s - bar.start_s >= least or bar.held_s_bounds is None:
            continue
        label = fmt.bounds_seconds(bar.held_s_bounds)
        left = bar.start_s + near
        right = left + span_s * (columns(label) + 1) * POINTS_PER_EM_SANS * 6.5 / width_pt
        others = (other for other in lane.bars if other is not bar)
        free = all(o.start_s - o.waited_s >= right or o.end_s + near <= bar.start_s for o in others)
        if free and left >= reached and right <= span_s:
            placed.append((left, label))
            reached = right
    return placed


def _name(lane: Lane) -> str:
    return f"{lane.relation.removeprefix('public.')} {_kind(lane)}"


def _kind(lane: Lane) -> str:
    return "" if lane.target == "table" else lane.target


def _lane_texts(page: Sheet, row: int, lane: Lane, top: float, width: float) -> None:
    y = top + LANE_IN * (row + 0.5)
    kind = _kind(lane)
    room = room_for(width - 0.12, MONO) - columns(kind) - 1
    label = fit(lane.relation.removeprefix("public."), room, keep="middle")
    page.text(0.04, y, label, fontsize=MONO, family="DejaVu Sans Mono")
    if kind:
        left = 0.1 + columns(label) * POINTS_PER_EM_MONO * MONO / 72
        page.text(left, y, kind, fontsize=SMALL, color=LIGHT["muted"])
    longest = fmt.bounds_seconds(lane.longest_s_bounds)
    page.text(page.width_in - 0.04, y, longest, fontsize=8, ha="right")
