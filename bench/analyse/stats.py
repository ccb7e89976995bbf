"""Repeated measurements of one thing, with their middle and their extremes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from statistics import median_low

from bench.model.statement import Counters


@dataclass(frozen=True, slots=True)
class Spread:
    """The known values of one quantity over repeats, in the repeats' order and in the quantity's unit.

    There is at least one value, and every value is finite; both are checked (ValueError). No interval
    is computed: with a handful of repeats the smallest and the largest value say more.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a spread needs at least one value")
        if not all(map(math.isfinite, self.values)):
            raise ValueError(f"not a finite number among {self.values}")

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """The spread of the values that are known; None where none is."""
        known = tuple(value for value in values if value is not None)
        return cls(known) if known else None

    @property
    def n(self) -> int:
        """How many repeats gave a value."""
        return len(self.values)

    @property
    def median(self) -> float:
        """The middle value; the mean of the two middle ones where ``n`` is even."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest value."""
        return max(self.values)

    @property
    def equal(self) -> bool:
        """Whether all repeats gave the same value."""
        return self.low == self.high


def median_counters(runs: Sequence[Counters]) -> tuple[Counters, dict[str, Spread]]:
    """Each counter's low median, and the spread of those that were not equal in all repeats."""
    medians: dict[str, int | None] = {}
    varying: dict[str, Spread] = {}
    for name in (field.name for field in fields(Counters)):
        values: list[int | None] = [getattr(counters, name) for counters in runs]
        medians[name] = low_median(values)
        spread = Spread.of(values)
        if spread and not spread.equal:
            varying[name] = spread
    return Counters(**medians), varying


def low_median(values: Iterable[int | None]) -> int | None:
    """The low median of the known values, one that was really read; None where none is known."""
    known = [value for value in values if value is not None]
    return median_low(known) if known else None
