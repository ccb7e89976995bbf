"""What views, functions and queries cost before the suite and after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analyse.queries import QuerySummary
from bench.analyse.stats import Spread
from bench.analyse.summary import RunSummary
from bench.model.plan import QueryCost
from bench.report import format as fmt
from bench.report.figures.axes import log_time_axis
from bench.report.figures.sheet import Picture, Sheet, sheet
from bench.report.figures.text import POINTS_PER_EM_SANS, fit, name_width, room_for
from bench.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 40
NAME_ROOM_IN = (1.6, 3.4)
VALUE_IN = 2.35
BEFORE_IN, AFTER_IN, FACTOR_IN = 1.5, 0.72, 0.04
"""Right edges of the columns of figures, from the right."""
ROW_IN, AXIS_IN, LEGEND_IN = 0.27, 0.45, 0.3
MONO = 7.8
KINDS = {"view": "views", "function": "functions", "workload": "workload queries"}


@dataclass(frozen=True, slots=True)
class Row:
    """One query; without a name, the heading of a kind."""

    label: str
    heading: bool = False
    before_s: Spread | None = None
    after_s: Spread | None = None
    values: tuple[str, str, str] = ("", "", "")
    """Before, after, and how many times as long."""
    reason: str = ""
    """Why there is no figure after the suite."""


def draw_costs(summary: RunSummary) -> Picture:
    """One figure; at most 40 queries, the slowest after the suite."""
    rows, folded = cost_rows(summary.queries)
    title = "Views, functions and queries: execution time before and after"
    if not rows:
        return _empty(title)
    body_in = LEGEND_IN + ROW_IN * len(rows) + AXIS_IN
    with sheet("queries", title, _caption(summary.queries, folded), body_in) as page:
        _legend(page)
        left = name_width((row.label for row in rows), MONO, *NAME_ROOM_IN) + 0.18
        width = page.width_in - left - VALUE_IN
        ax = page.axes(left, LEGEND_IN, width, ROW_IN * len(rows))
        ax.set_ylim(len(rows) - 0.5, -0.5)
        values = [v for row in rows for s in (row.before_s, row.after_s) if s for v in (s.low, s.high)]
        log_time_axis(ax, values, "execution time")
        page.bands(LEGEND_IN, ROW_IN, [row.heading for row in rows])
        for at, row in enumerate(rows):
            _dumbbell(ax, at, row)
            _texts(page, at, row, left)
            if row.reason:
                _write_reason(page, ax, at, row, (left, width))
        return page.finish()


def cost_rows(queries: Sequence[QuerySummary]) -> tuple[tuple[Row, ...], int]:
    """Rows by kind, slowest first, those without a figure last; and how many queries were folded."""
    slowest = sorted(queries, key=_slowness)
    kept = {id(query) for query in slowest[:MOST_ROWS]}
    rows: list[Row] = []
    for kind, heading in KINDS.items():
        shown = [query for query in slowest if query.kind == kind and id(query) in kept]
        if shown:
            rows += [Row(heading, heading=True), *map(_row, shown)]
    return tuple(rows), len(queries) - len(kept)


def _slowness(query: QuerySummary) -> tuple[bool, float, str]:
    """Queries without a figure first while folding: a broken one must never be folded away."""
    return query.after_s is not None, -(query.after_s.median if query.after_s else 0.0), query.name


def _row(query: QuerySummary) -> Row:
    after = fmt.seconds(query.after_s.median) if query.after_s else "–"
    before = "new" if query.added else fmt.seconds(query.before_s.median) if query.before_s else "–"
    reason = "" if query.after_s else _reason(query.after)
    factor = fmt.ratio(query.ratio) if query.ratio is not None else ""
    return Row(query.name, False, query.before_s, query.after_s, (before, after, factor), reason)


def _reason(cost: QueryCost | None) -> str:
    if cost is None:
        return "not costed after the suite"
    return cost.error or "no time was measured"


def _dumbbell(ax: Axes, at: int, row: Row) -> None:
    if row.before_s and row.after_s:
        ends = [row.before_s.median, row.after_s.median]
        ax.plot(ends, [at, at], color=LIGHT["rule"], linewidth=2.2, zorder=1, solid_capstyle="round")
    for spread, token, face in (
        (row.before_s, "before", LIGHT["paper"]),
        (row.after_s, "after", LIGHT["after"]),
    ):
        if spread is None:
            continue
        ax.plot([spread.low, spread.high], [at, at], color=LIGHT[token], linewidth=1.2, zorder=2)
        ax.plot(
            [spread.median], [at], "o", markersize=6.5, markerfacecolor=face, markeredgecolor=LIGHT[token],
            markeredgewidth=1.6, zorder=3,
        )  # fmt: skip


def _texts(page: Sheet, at: int, row: Row, left: float) -> None:
    y = LEGEND_IN + ROW_IN * (at + 0.5)
    if row.heading:
        page.text(0.06, y, row.label, fontsize=8.2, fontweight="bold")
        return
    label = fit(row.label, room_for(left - 0.3, MONO), keep="middle")
    page.text(0.18, y, label, fontsize=MONO, family="DejaVu Sans Mono")
    for value, edge_in in zip(row.values, (BEFORE_IN, AFTER_IN, FACTOR_IN), strict=True):
        page.text(page.width_in - edge_in, y, value, fontsize=8, ha="right")


def _write_reason(page: Sheet, ax: Axes, at: int, row: Row, place: tuple[float, float]) -> None:
    """Beside the marker of the state before, on the side that has more room."""
    left, width = place
    low, high = ax.get_xlim()
    share = 0.0
    if row.before_s:
        share = math.log(row.before_s.high / low) / math.log(high / low)
    left_side = share > 0.5
    room_in = width * (share if left_side else 1 - share) - 0.3
    text = fit(row.reason, int(72 * room_in / (POINTS_PER_EM_SANS * 7.5)))
    start = left + (0.0 if left_side else width * share + 0.15)
    y = LEGEND_IN + ROW_IN * (at + 0.5)
    page.text(start, y, text, fontsize=7.5, color=LIGHT["lock-7"], style="italic")


def _legend(page: Sheet) -> None:
    ax = page.axes(0, 0, page.width_in, LEGEND_IN)
    ax.set(xlim=(0, page.width_in), ylim=(0, 1))
    ax.set_axis_off()
    for left, token, face, words in (
        (0.14, "before", LIGHT["paper"], "before the suite"),
        (1.7, "after", LIGHT["after"], "after the suite (alone: new)"),
    ):
        ax.plot(
            [left], [0.62], "o", markersize=6.5, markerfacecolor=face, markeredgecolor=LIGHT[token],
            markeredgewidth=1.6,
        )  # fmt: skip
        ax.text(left + 0.14, 0.62, words, va="center", fontsize=8)
    for words, edge_in in (("before", BEFORE_IN), ("after", AFTER_IN), ("factor", FACTOR_IN)):
        ax.text(
            page.width_in - edge_in, 0.62, words, ha="right", va="center", fontsize=7, color=LIGHT["muted"]
        )


def _caption(queries: Sequence[QuerySummary], folded: int) -> str:
    counts = sorted({spread.n for q in queries for spread in (q.before_s, q.after_s) if spread})
    n = (
        "no execution was timed"
        if not counts
        else f"n = {' to '.join(map(str, sorted({counts[0], counts[-1]})))} warm executions each"
    )
    rest = f" {folded} faster ones are not drawn." if folded else ""
    return f"Markers: median; lines: smallest and largest; {n}.{rest}"


def _empty(title: str) -> Picture:
    with sheet(
        "queries", title, "Views are found in the catalog; queries.toml adds functions and queries.", 0.7
    ) as page:
        page.text(
            page.width_in / 2,
            0.3,
            "No view, function or query was costed.",
            ha="center",
            fontsize=9,
            color=LIGHT["muted"],
        )
        return page.finish()
