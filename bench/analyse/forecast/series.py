"""What was measured of one quantity at several sizes, and what a forecast says of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.model.forecast import ForecastFigure, Refusal, Subject


@dataclass(frozen=True, slots=True)
class Memory:
    """How much of a limit something took: a sort of ``work_mem``, a table of ``shared_buffers``."""

    used_bytes: float
    limit_bytes: float

    @property
    def fits(self) -> bool:
        """Whether it stayed below the limit."""
        return self.used_bytes < self.limit_bytes


@dataclass(frozen=True, slots=True)
class Regime:
    """How the server did something at one size."""

    dominating: frozenset[str] = frozenset()
    """Kinds of plan nodes, with what they run on, that handle half of the rows or more."""
    present: frozenset[str] = frozenset()
    """Those that its plans have at all."""
    spilled: bool = False
    """Whether temporary files were written."""
    rewrites: frozenset[str] = frozenset()
    """Relations that got a new file."""

    def shares_growth(self, other: Regime) -> bool:
        """Whether what dominates here is there at all, and the other way round.

        A node may gain or lose weight between two sizes; it may not come or go while it dominates.
        """
        return (
            self.spilled == other.spilled
            and self.rewrites == other.rewrites
            and self.dominating <= other.present
            and other.dominating <= self.present
        )


@dataclass(frozen=True, slots=True)
class Point:
    """One quantity at one size: every repeat, and what has no noise."""

    n: float
    """The size, in any unit that is the same for all points."""
    values: tuple[float, ...]
    """One for each repeat, all finite; no repeat is left out."""
    counters: Mapping[str, float] = field(default_factory=dict)
    """Work by name: pages touched and WAL, rows handled. None: nothing was counted."""
    regime: Regime = field(default_factory=Regime)
    """Only points whose regimes share their growth are fitted together."""
    memory: Mapping[str, Memory] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.values or not all(map(math.isfinite, self.values)) or not self.n > 0:
            raise ValueError(f"a point needs a size above 0 and finite values: {self.n}, {self.values}")

    @property
    def median(self) -> float:
        """The middle of the repeats."""
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is forecast, and what is noise in it."""

    name: str
    """With its unit, as ``duration_s``."""
    floor: float
    """An interval reaches at least so far on both sides: what differences below it mean nothing."""
    least: float
    """The largest size must show at least so much, or not grow at all."""

    @property
    def timed(self) -> bool:
        """Whether it is a time."""
        return self.name.endswith("_s")

    @property
    def absolute(self) -> float:
        """What one size differs by, whatever its amount: 1 ms, or the 64 KiB by which files are extended."""
        return self.floor / (25 if self.timed else 4)


DURATION = Quantity("duration_s", floor=0.025, least=0.01)
HELD = Quantity("held_s", floor=0.025, least=0.001)
"""The longest hold of one lock: what a single request would wait for at the most."""
BLOCKED = Quantity("blocked_s", floor=0.025, least=0.001)
"""The time of a migration in which writes would wait, all holds together."""
EXECUTION = Quantity("execution_s", floor=0.025, least=0.01)
"""Of a view, function or query after the migrations, warm."""
WAL = Quantity("wal_bytes", floor=256 * 1024, least=1024**2)
DISK = Quantity("size_delta_bytes", floor=256 * 1024, least=1024**2)
PEAK = Quantity("disk_peak_bytes", floor=256 * 1024, least=1024**2)
"""Above the size before: what was added, with the old files beside the new ones, and temporary files."""
TEMP = Quantity("temp_bytes", floor=256 * 1024, least=1024**2)


@dataclass(frozen=True, slots=True)
class Sample:
    """The tables of which no more than a sample is read."""

    rows: tuple[float, ...]
    """Of each that is known, for one unit of the points' sizes."""
    whole: bool
    """Whether these are all of them; else nobody knows when the others' samples are full."""


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity of one thing at several sizes, in ascending order."""

    subject: Subject
    quantity: Quantity
    points: tuple[Point, ...]
    pooled: bool = False
    """Many small things together, none of which shows much alone: answered below ``least`` as well."""
    rows: float = 1.0
    """Of one unit of the points' sizes; what a logarithm is taken of."""
    sampled: Sample | None = None
    """It reads no more than so many rows of a table, as ANALYZE does."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval that is of no use alone, but holds, so that a sum may count on it."""

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no forecast, and the cheapest thing that would give one."""

    reason: str
    cure: str
    bounds: Bounds | None = None
    at_most: float | None = None
    """What it would take if it grew as its worst class does, from what it took at the largest size."""
    short: bool = False
    """It took too little to see how it grows."""
    blamed: Subject | None = None
    """Of a sum, the part that leaves it open."""

    def shown(self) -> Refusal:
        """As the run file has it."""
        between = None if self.bounds is None else (self.bounds.low, self.bounds.high)
        blamed = None if self.blamed is None else self.blamed.key
        return Refusal(self.reason, self.cure, self.at_most, self.short, blamed, between)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A quantity at a target size, in the quantity's unit."""

    subject: Subject
    quantity: str
    target: float
    """On the axis of the points."""
    value: float | None
    low: float | None
    """``low`` and ``high``: the interval that should hold 90 of 100 targets."""
    high: float | None
    growth: str | None
    """``constant``, ``linear``, ``n log n``, ``quadratic``, ``cubic`` or ``power 1.4``; None: not known."""
    exponent: float | None
    """Of the forecast between the largest size and the target; of the work where it was refused."""
    refused: Refused | None = None
    fitted: tuple[float, ...] = ()
    """The sizes that it was fitted to."""
    bounded: tuple[Subject, ...] = ()
    """Subjects of a small share, without a forecast of their own, that count with their worst class."""

    def shown(self, at: Mapping[str, int]) -> ForecastFigure:
        """As the run file has it; the target is given by rows of tables."""
        return ForecastFigure(
            subject=self.subject.key,
            quantity=self.quantity,
            at=dict(at),
            value=self.value,
            low=self.low,
            high=self.high,
            growth=self.growth,
            exponent=self.exponent,
            refused=self.refused.shown() if self.refused is not None else None,
            bounded=tuple(subject.key for subject in self.bounded),
        )
