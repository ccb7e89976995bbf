"""The ratios of a comparison: one row for each statement that was timed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.analyse.compare.result import ORDER, Comparison, Decision, Outcome, Ratio, worst
from bench.report import format as fmt
from bench.report.figures.sheet import Picture, sheet
from bench.report.figures.text import fit
from bench.report.palette import LIGHT, PAGE_LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_IN, AXIS_IN = 0.27, 0.55
NAMES_IN, FIGURES_IN = 4.35, 2.5
MOST = 40
COLOUR: dict[Outcome, str] = {
    "fail": PAGE_LIGHT["bad"],
    "inconclusive": PAGE_LIGHT["warn"],
    "warn": PAGE_LIGHT["warn"],
    "improved": LIGHT["after"],
    "pass": LIGHT["muted"],
}
Row = tuple[Decision, Ratio]


def draw_forest(comparison: Comparison) -> Picture:
    """Ratio and interval of every statement long enough to time, worst first; forty at most."""
    rows = _rows(comparison)
    left_out = f" {len(rows) - MOST} more are left out." if len(rows) > MOST else ""
    caption = (
        f"Head's time over base's with its 95 % interval, of the {len(rows)} statements long enough to time; "
        f"{comparison.design}, {_repeats(rows)}. Dashed: no change, and the limit "
        f"{fmt.ratio(comparison.limit)}. Filled: decided by the time. Square: a counter, lock or rewrite of "
        f"the statement got worse, whatever its time.{left_out}"
    )
    shown = rows[:MOST]
    height = max(len(shown), 1) * ROW_IN + AXIS_IN
    with sheet("comparison", f"{comparison.suite}: what became of the times", caption, height) as page:
        if not shown:
            page.text(0, ROW_IN / 2, "No statement is long enough to be timed on both sides.", fontsize=9)
            return page.finish()
        page.bands(0, ROW_IN, [at % 2 == 0 for at in range(len(shown))])
        for at, (verdict, ratio) in enumerate(shown):
            middle = (at + 0.5) * ROW_IN
            place = fit(f"{verdict.file}:{verdict.line}", 24, keep="middle")
            page.text(0.06, middle, fit(f"{place}  {verdict.text}", 60), fontsize=7.6)
            words = (
                f"{fmt.ratio(ratio.estimate)} [{fmt.ratio(ratio.low)}, {fmt.ratio(ratio.high)}]  "
                f"{fmt.seconds(ratio.base_s)} → {fmt.seconds(ratio.head_s)}"
            )
            page.text(page.width_in - FIGURES_IN + 0.08, middle, words, fontsize=7.2)
        width = page.width_in - NAMES_IN - FIGURES_IN
        _ratios(page.axes(NAMES_IN, 0, width, len(shown) * ROW_IN), shown, comparison.limit)
        return page.finish()


def _rows(comparison: Comparison) -> list[Row]:
    found = [(decision, decision.ratio) for decision in comparison.verdicts if decision.ratio is not None]
    return sorted(found, key=lambda row: (ORDER.index(row[0].outcome), -row[1].estimate))


def _repeats(rows: Sequence[Row]) -> str:
    counts = sorted({ratio.n for _, ratio in rows})
    return "n = " + " or ".join(f"{a} + {b}" for a, b in counts) if counts else "n = 0"


def _ratios(ax: Axes, rows: Sequence[Row], limit: float) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    low = min([*(ratio.low for _, ratio in rows), 1 / limit]) / 1.1
    high = max([*(ratio.high for _, ratio in rows), limit]) * 1.1
    low, high = max(low, 0.05), min(high, 20.0)
    ax.set(xlim=(low, high), ylim=(len(rows) - 0.5, -0.5), xscale="log")
    for at, colour in ((1.0, LIGHT["ink"]), (limit, PAGE_LIGHT["bad"])):
        ax.axvline(at, linestyle="--", linewidth=1.0, color=colour, zorder=1)
    for at, (verdict, ratio) in enumerate(rows):
        timed = worst(gate.outcome for gate in verdict.gates if gate.level == "W")
        worse = any(gate.level != "W" and gate.outcome == "fail" for gate in verdict.gates)
        colour = COLOUR[timed]
        ax.plot([ratio.low, ratio.high], [at, at], color=colour, linewidth=1.6, zorder=2)
        fill = colour if timed in ("fail", "improved") else LIGHT["paper"]
        ax.plot(
            [ratio.estimate], [at], "s" if worse else "o", color=fill, markeredgecolor=colour,
            markeredgewidth=1.4, markersize=5.5, zorder=3,
        )  # fmt: skip
    ticks = [value for value in _TICKS if low <= value <= high]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"{tick:g}×" for tick in ticks])
    ax.set_yticks([])
    ax.tick_params(labelsize=7.5)
    ax.set_xlabel("head / base (logarithmic scale)", fontsize=8)


_TICKS = (0.05, 0.1, 0.2, 0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
