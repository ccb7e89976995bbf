"""How a suite's duration, WAL and blocks went from run to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analyse.trend import MEASURES, Measure, Trend, value
from bench.report import format as fmt
from bench.report.figures.axes import size_unit, time_unit
from bench.report.figures.sheet import Picture, Sheet, sheet
from bench.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_IN, GAP_IN, LEFT_IN = 1.75, 0.42, 0.85
MOST_LABELS = 10
_TITLE: dict[Measure, str] = {"duration_s": "Duration", "wal_bytes": "WAL", "blocks": "Blocks touched"}
_COLOUR: dict[Measure, str] = {"duration_s": "after", "wal_bytes": "wal", "blocks": "size"}


def draw_trend(trend: Trend) -> Picture:
    """One panel for each measure over the runs in their order."""
    others = f" {trend.others} runs on other data, servers or machines are left out." if trend.others else ""
    caption = (
        f"{len(trend.entries)} runs of {trend.suite} on the same data, server and machine, in their order. "
        "Duration: median of the repeats, with the smallest and largest. Diamonds: accepted as the baseline. "
        "Dashed: the mean between two changes; a vertical line marks a change (duration: least squares, "
        f"at a price for each; counters: more than 1 %).{others}"
    )
    height = len(MEASURES) * (PANEL_IN + GAP_IN) + 0.35
    with sheet(f"history-{trend.suite}", f"{trend.suite} from run to run", caption, height) as page:
        for position, measure in enumerate(MEASURES):
            _panel(page, trend, measure, position)
        return page.finish()


def _panel(page: Sheet, trend: Trend, measure: Measure, position: int) -> None:
    top = position * (PANEL_IN + GAP_IN) + 0.15
    ax = page.axes(LEFT_IN, top, page.width_in - LEFT_IN - 0.1, PANEL_IN)
    known = [
        (at, entry, v) for at, entry in enumerate(trend.entries) if (v := value(entry, measure)) is not None
    ]
    colour = LIGHT[_COLOUR[measure]]
    if not known:
        ax.set_axis_off()
        page.text(LEFT_IN, top + PANEL_IN / 2, f"{_TITLE[measure]}: not measured", fontsize=8)
        return
    size = _unit_of(measure, max(v for _, _, v in known))
    for at, entry, middle in known:
        if measure == "duration_s":
            low, high = min(entry.durations_s), max(entry.durations_s)
            ax.plot([at, at], [low / size[0], high / size[0]], color=colour, linewidth=1.4, alpha=0.45)
        marker, width = ("D", 6.0) if entry.because is not None else ("o", 4.0)
        ax.plot(
            [at],
            [middle / size[0]],
            marker,
            color=colour,
            markersize=width,
            markeredgecolor=LIGHT["ink"],
            markeredgewidth=0.8 if entry.because is not None else 0.0,
            zorder=3,
        )
    _means(ax, trend, measure, [(at, v / size[0]) for at, _, v in known], size[0])
    highest = max(max(entry.durations_s) if measure == "duration_s" else v for _, entry, v in known)
    ax.set_ylim(0, 1.25 * highest / size[0])
    ax.set_ylabel(f"{_TITLE[measure]}{f' ({size[1]})' if size[1] else ''}", fontsize=8)
    _runs_axis(ax, trend, labelled=position == len(MEASURES) - 1)


def _unit_of(measure: Measure, largest: float) -> tuple[float, str]:
    if measure == "duration_s":
        unit = time_unit(largest)
    elif measure == "wal_bytes":
        unit = size_unit(largest)
    else:
        return (1e3, "thousand") if largest >= 1e4 else (1.0, "")
    return unit.size, unit.name


def _means(ax: Axes, trend: Trend, measure: Measure, points: list[tuple[int, float]], size: float) -> None:
    changes = [change for change in trend.changes if change.measure == measure]
    ends = [*(change.at - 0.5 for change in changes), points[-1][0] + 0.5]
    levels = [*(change.old for change in changes[:1]), *(change.new for change in changes)]
    for begin, end, level in zip([points[0][0] - 0.5, *ends], ends, levels, strict=False):
        ax.plot([begin, end], [level / size] * 2, "--", color=LIGHT["muted"], linewidth=1.0, zorder=2)
    for change in changes:
        ax.axvline(change.at - 0.5, color=LIGHT["ink"], linewidth=1.0)
    for change in changes if len(changes) <= MOST_LABELS else ():
        ax.annotate(fmt.ratio(change.ratio), (change.at - 0.5, 1), (4, -3),
                    xycoords=("data", "axes fraction"), textcoords="offset points",
                    va="top", fontsize=8, fontweight="bold")  # fmt: skip


def _runs_axis(ax: Axes, trend: Trend, *, labelled: bool) -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator

    n = len(trend.entries)
    step = -(-n // MOST_LABELS)
    marks = list(range(0, n, step))
    ax.set_xlim(-0.7, n - 0.3)
    ax.xaxis.set_major_locator(FixedLocator(marks))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4))
    ax.set_xticklabels(
        [trend.entries[at].started_at[:16].replace("T", "\n") if labelled else "" for at in marks]
    )
    ax.tick_params(labelsize=7.5)
    ax.grid(axis="y")
