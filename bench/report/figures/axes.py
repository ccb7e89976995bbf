"""Axes that read like a clock or a ruler: round ticks in a unit that people use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from bench.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of display: what stands in the axis title, and how many SI units it is."""

    name: str
    size: float


MS, S, MIN = Unit("ms", 1e-3), Unit("s", 1.0), Unit("min", 60.0)
SIZE_UNITS = (
    Unit("B", 1),
    Unit("KiB", 1024),
    Unit("MiB", 1024**2),
    Unit("GiB", 1024**3),
    Unit("TiB", 1024**4),
)
CLOCK_TICKS: tuple[tuple[float, str], ...] = (
    (1e-6, "0.001 ms"), (1e-5, "0.01 ms"), (1e-4, "0.1 ms"), (1e-3, "1 ms"), (1e-2, "10 ms"), (0.1, "100 ms"),
    (1.0, "1 s"), (10.0, "10 s"), (60.0, "1 min"), (600.0, "10 min"), (6000.0, "100 min"),
    (60_000.0, "1000 min"),
)  # fmt: skip
LOG_FROM = 100.0
"""A range of more than this factor is drawn on a logarithmic axis."""


def time_unit(longest_s: float) -> Unit:
    """ms below 1 s, s below 2 min, min from there, as everywhere in the report."""
    return MS if longest_s < 1 else S if longest_s < 120 else MIN


def size_unit(largest: float) -> Unit:
    """The largest unit of which there is at least one."""
    fitting = [unit for unit in SIZE_UNITS if largest >= unit.size]
    return fitting[-1] if fitting else SIZE_UNITS[0]


def needs_log(values: Sequence[float]) -> bool:
    """Whether the largest value is more than a hundred times the smallest that is above zero."""
    known = [value for value in values if value > 0]
    return bool(known) and max(known) > LOG_FROM * min(known)


def linear_axis(ax: Axes, unit: Unit, largest: float, title: str) -> None:
    """An x axis from 0, in SI units inside, labelled in ``unit``."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.set_xlim(0, largest)
    steps = MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10]).tick_values(0, largest / unit.size)
    ax.set_xticks([tick * unit.size for tick in steps if 0 <= tick * unit.size <= largest * (1 + 1e-9)])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit.size:,.10g}"))
    _dress(ax, f"{title} ({unit.name})")


def span_axis(ax: Axes, unit: Unit, low: float, high: float, title: str) -> None:
    """An x axis between two moments, in SI units inside; without a title it has rules, but no labels."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    ax.set_xlim(low, high)
    steps = MaxNLocator(nbins=9, steps=[1, 2, 2.5, 5, 10]).tick_values(low / unit.size, high / unit.size)
    ax.set_xticks([tick * unit.size for tick in steps if low <= tick * unit.size <= high])
    if title:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit.size:,.10g}"))
        _dress(ax, f"{title} ({unit.name})")
    else:
        ax.xaxis.set_major_formatter(NullFormatter())
        ax.grid(axis="x")
        ax.spines["bottom"].set_color(LIGHT["rule"])


def log_time_axis(ax: Axes, values: Sequence[float], title: str) -> float:
    """A logarithmic x axis over the values, with the ticks of a clock; returns its left end in seconds."""
    from matplotlib.ticker import FixedLocator, NullLocator

    known = [value for value in values if value > 0]
    smallest, largest = min(known, default=1e-3), max(known, default=1.0)
    margin = max((largest / smallest) ** 0.03, 1.15)  # for half a marker beyond the last value
    low, high = smallest / 1.6, largest * margin
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ticks = log_time_ticks(low, high)
    ax.xaxis.set_major_locator(FixedLocator([at for at, _ in ticks]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([label for _, label in ticks])
    _dress(ax, f"{title} (logarithmic scale)")
    return low


def log_time_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Decades of seconds and the round parts of an hour; 2 and 5 times these where that leaves under four."""
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8)):
        ticks = [
            (at * factor, f"{float(words.split()[0]) * factor:g} {words.split()[1]}")
            for (at, words), following in pairwise(CLOCK_TICKS)
            for factor in factors
            if at * factor < following[0] and low <= at * factor <= high
        ]
        if len(ticks) >= 4:
            break
    return ticks


def _dress(ax: Axes, title: str) -> None:
    ax.set_xlabel(title, fontsize=8, labelpad=5)
    ax.tick_params(axis="x", labelsize=8)
    ax.grid(axis="x")
    ax.set_yticks([])
    ax.spines["bottom"].set_color(LIGHT["rule"])
