"""A statement's counters over its repeats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from statistics import median_low

from bench.analyse.stats import Spread
from bench.model.metric import Counters


def median_counters(runs: Sequence[Counters]) -> tuple[Counters, dict[str, Spread]]:
    """Each counter's low median, and the spread of those that were not equal in all repeats."""
    medians: dict[str, int | None] = {}
    varying: dict[str, Spread] = {}
    for name in (field.name for field in fields(Counters)):
        values: list[int | None] = [getattr(each, name) for each in runs]
        medians[name] = low_median(values)
        spread = Spread.of(values)
        if spread and not spread.equal:
            varying[name] = spread
    return Counters(**medians), varying


def low_median(values: Iterable[int | None]) -> int | None:
    """The low median of the known values, one that was really read; None where none is known."""
    known = [value for value in values if value is not None]
    return median_low(known) if known else None
