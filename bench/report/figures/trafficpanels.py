"""The panels of a picture of traffic: locks, queue, throughput, latencies; each on axes that it is given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.report.figures.axes import CLOCK_TICKS
from bench.report.heat import FLOOR_S, LEVELS, HeatMap, Rect
from bench.report.palette import LIGHT, lock_token
from bench.report.trafficchart import Column, LockLane, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICK = 6.5
VISIBLE_SHARE = 1 / 400
"""Shorter holds and waits are widened to this share of the axis."""
HEAT_TOKENS = tuple(f"heat-{level}" for level in range(1, len(LEVELS) + 1))


def draw_lanes(ax: Axes, lanes: Sequence[LockLane], span_s: float) -> None:
    """A lane for each relation: solid for held, hatched for waited for."""
    ax.set_ylim(max(1, len(lanes)) - 0.5, -0.5)
    ax.set_yticks([])
    least = span_s * VISIBLE_SHARE
    for row, lane in enumerate(lanes):
        for stretch in lane.stretches:
            drawn = max(stretch.end_s - stretch.begin_s, least)
            if stretch.granted:
                ax.barh(
                    row, drawn, left=stretch.begin_s, height=0.62, color=LIGHT[lock_token(stretch.mode)],
                    edgecolor=LIGHT["edge"], linewidth=0.4, zorder=2 + stretch.mode.strength / 10,
                )  # fmt: skip
            else:
                ax.barh(
                    row, drawn, left=stretch.begin_s, height=0.62, facecolor="none", hatch="////",
                    edgecolor=LIGHT["muted"], linewidth=0.4, zorder=3,
                )  # fmt: skip


def draw_blocked(ax: Axes, columns: Sequence[Column], width_s: float) -> None:
    """How many requests the server has, and how many of them wait for a lock of the deploy."""
    count_axis(ax, max((max(c.in_flight, c.blocked) for c in columns), default=0))
    edges = edges_of(columns, width_s)
    _steps(ax, edges, [c.in_flight for c in columns], "calm")
    fill_between_counts(ax, edges, [c.blocked for c in columns], "lock-7")


def draw_queued(ax: Axes, columns: Sequence[Column], width_s: float) -> None:
    """How many requests are due and wait for a connection."""
    count_axis(ax, max((c.queued for c in columns), default=0))
    fill_between_counts(ax, edges_of(columns, width_s), [c.queued for c in columns], "lock-5")


def draw_throughput(ax: Axes, columns: Sequence[Column], width_s: float) -> None:
    """Requests per second: due, ended well, failed."""
    count_axis(ax, max((max(c.due_per_s, c.ok_per_s, c.failed_per_s) for c in columns), default=0.0))
    edges = edges_of(columns, width_s)
    _steps(ax, edges, [c.due_per_s for c in columns], "rule")
    _steps(ax, edges, [c.ok_per_s for c in columns], "after")
    fill_between_counts(ax, edges, [c.failed_per_s for c in columns], "lock-7")


def draw_heat(ax: Axes, panel: Panel, zero_s: float, range_s: tuple[float, float]) -> None:
    """Latencies on a logarithmic scale; above them the time in which the class was blocked."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    low, high = range_s
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    ticks = [(at, words) for at, words in CLOCK_TICKS if low <= at <= high and at != 60.0]
    ax.yaxis.set_major_locator(FixedLocator([at for at, _ in ticks]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_yticklabels([words for _, words in ticks])
    ax.tick_params(axis="y", labelsize=TICK, colors=LIGHT["muted"], pad=2)
    ax.grid(axis="y", linewidth=0.5)
    for token, rects in zip(HEAT_TOKENS, panel.heat.rects, strict=True):
        _cells(ax, rects, token, zero_s)
    _dashes(ax, panel.heat, zero_s)
    for begin, end in panel.blocked:
        ax.axvspan(begin, end, ymin=0.93, ymax=1.0, color=LIGHT["lock-7"], linewidth=0.8, zorder=4)
    for at, _ in panel.failures:
        ax.plot(
            [at], [0.8], marker="x", markersize=5, markeredgewidth=1.4, color=LIGHT["lock-8"], zorder=5,
            transform=ax.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip


def _dashes(ax: Axes, heat: HeatMap, zero_s: float) -> None:
    """The 99th percentile of each column over its width; a gap where nothing was due."""
    times, values = [], []
    for middle_s, value_s in heat.p99:
        times += [middle_s - heat.column_s / 2 - zero_s, middle_s + heat.column_s / 2 - zero_s, math.nan]
        values += [value_s, value_s, math.nan]
    ax.plot(times, values, color=LIGHT["lock-6"], linewidth=1.1, zorder=3, solid_capstyle="butt")


def latency_range(heats: Sequence[HeatMap]) -> tuple[float, float]:
    """Bottom and top of the panels of latencies, the same for all: up to 1 s at least."""
    high = max((heat.highest_s for heat in heats if heat.requests), default=1.0)
    return FLOOR_S, max(1.0, high) * (max(1.0, high) / FLOOR_S) ** 0.12


def _cells(ax: Axes, rects: Sequence[Rect], token: str, zero_s: float) -> None:
    """One path for all cells of a colour."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not rects:
        return
    points: list[tuple[float, float]] = []
    codes = []
    for left, right, bottom, top in rects:
        a, b = left - zero_s, right - zero_s
        points += [(a, bottom), (b, bottom), (b, top), (a, top), (a, bottom)]
        codes += [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    ax.add_patch(PathPatch(Path(points, codes), facecolor=LIGHT[token], linewidth=0, zorder=2))


def edges_of(columns: Sequence[Column], width_s: float) -> list[float]:
    """Where the columns begin, and where the last one ends."""
    return [c.begin_s for c in columns] + ([columns[-1].begin_s + width_s] if columns else [])


def count_axis(ax: Axes, most: float) -> None:
    """A y axis from 0 to a round number."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

    top = _round_up(most)
    ax.set_ylim(0, top * 1.08)
    ax.yaxis.set_major_locator(FixedLocator([0, top]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    ax.tick_params(axis="y", labelsize=TICK, colors=LIGHT["muted"], pad=2)
    ax.grid(axis="y", linewidth=0.5)


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten, 1 at least."""
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def _steps(ax: Axes, edges: Sequence[float], values: Sequence[float], token: str) -> None:
    if values:
        ax.stairs(values, edges, baseline=None, color=LIGHT[token], linewidth=1.1, zorder=2)


def fill_between_counts(ax: Axes, edges: Sequence[float], values: Sequence[float], token: str) -> None:
    """The area under counts, a step for each column."""
    if any(values):
        ax.stairs(values, edges, fill=True, color=LIGHT[token], linewidth=0, zorder=3)
