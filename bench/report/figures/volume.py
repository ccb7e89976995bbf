"""What each migration writes: WAL, and growth on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analyse.stats import Spread
from bench.analyse.summary import MigrationSummary, RunSummary
from bench.report import format as fmt
from bench.report.figures.axes import size_unit
from bench.report.figures.sheet import Picture, Sheet, sheet
from bench.report.figures.text import fit, name_width, room_for
from bench.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 24
NAME_ROOM_IN = (1.2, 4.1)
VALUE_IN = 1.1
ROW_IN, AXIS_IN, LEGEND_IN = 0.46, 0.45, 0.3
MONO = 7.8
SERIES = (("wal", "WAL written", -0.18), ("size", "growth of the database on disk", 0.18))


def draw_volume(summary: RunSummary) -> Picture:
    """One figure; at most 24 migrations, those that write most WAL, in the suite's order."""
    ran = [migration for migration in summary.migrations if migration.outcome in ("applied", "failed")]
    kept = sorted(ran, key=lambda m: m.wal_bytes.median if m.wal_bytes else -1.0, reverse=True)[:MOST_ROWS]
    rows = [migration for migration in ran if migration in kept]
    title = "WAL written and growth on disk per migration"
    medians = [spread.median for m in rows for spread in _both(m) if spread]
    if not medians:
        return _empty(title)
    low, high = min([0.0, *medians]), max([1.0, *medians])
    body_in = LEGEND_IN + ROW_IN * len(rows) + AXIS_IN
    with sheet("volume", title, _caption(summary, len(ran) - len(rows)), body_in) as page:
        _legend(page)
        left = name_width((m.file for m in rows), MONO, *NAME_ROOM_IN)
        width = page.width_in - left - VALUE_IN
        ax = page.axes(left, LEGEND_IN, width, ROW_IN * len(rows))
        ax.set_ylim(len(rows) - 0.5, -0.5)
        _size_axis(ax, low, high)
        page.bands(LEGEND_IN, ROW_IN, [at % 2 == 0 for at in range(len(rows))])
        for at, migration in enumerate(rows):
            _row(page, ax, at, migration, room_for(left - 0.16, MONO))
        return page.finish()


def _row(page: Sheet, ax: Axes, at: int, migration: MigrationSummary, room: int) -> None:
    y = LEGEND_IN + ROW_IN * (at + 0.5)
    name = fit(migration.file, room, keep="middle")
    page.text(0.06, y, name, fontsize=MONO, family="DejaVu Sans Mono")
    for spread, (token, _, offset) in zip(_both(migration), SERIES, strict=True):
        if spread:
            ax.barh(at + offset, spread.median, height=0.32, color=LIGHT[token], zorder=2)
            if not spread.equal:
                ends = [spread.low, spread.high]
                ax.plot(ends, [at + offset] * 2, color=LIGHT["ink"], linewidth=1, zorder=3)
        text = fmt.size(spread.median) if spread else "not measured"
        page.text(page.width_in - 0.04, y + ROW_IN * offset, text, fontsize=7.8, ha="right")


def _both(migration: MigrationSummary) -> tuple[Spread | None, Spread | None]:
    return migration.wal_bytes, migration.size_delta_bytes


def _size_axis(ax: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    unit = size_unit(max(high, -low))
    ax.set_xlim(low * 1.04, high * 1.04)
    steps = MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]).tick_values(low / unit.size, high / unit.size)
    ax.set_xticks([s * unit.size for s in steps if low * 1.04 <= s * unit.size <= high * 1.04])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit.size:,.10g}"))
    ax.set_xlabel(f"volume ({unit.name})", fontsize=8, labelpad=5)
    ax.tick_params(axis="x", labelsize=8)
    ax.grid(axis="x")
    ax.set_yticks([])


def _legend(page: Sheet) -> None:
    from matplotlib.patches import Rectangle

    ax = page.axes(0, 0, page.width_in, LEGEND_IN)
    ax.set(xlim=(0, page.width_in), ylim=(0, 1))
    ax.set_axis_off()
    for left, (token, words, _) in zip((0.06, 1.5), SERIES, strict=True):
        ax.add_patch(Rectangle((left, 0.45), 0.2, 0.36, color=LIGHT[token]))
        ax.text(left + 0.27, 0.63, words, va="center", fontsize=8)


def _caption(summary: RunSummary, folded: int) -> str:
    n = f"n = {summary.n}" + (" repeat" if summary.n == 1 else " repeats, lines: smallest and largest")
    rest = f" {folded} migrations that write less are not drawn." if folded else ""
    return f"Bars: median of {n}. WAL is what a replica receives and an archive keeps.{rest}"


def _empty(title: str) -> Picture:
    with sheet("volume", title, "Both need counters of pg_stat_statements and of the database.", 0.7) as page:
        page.text(
            page.width_in / 2,
            0.3,
            "Neither WAL nor size was measured.",
            ha="center",
            fontsize=9,
            color=LIGHT["muted"],
        )
        return page.finish()
