"""When a forecast is refused: it would be confidently wrong, or too wide to be of use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bench.analyse.forecast.fit import Fit, Prediction
from bench.analyse.forecast.growth import SAMPLED_ROWS, Degree
from bench.analyse.forecast.regime import MAINTENANCE, OF_A_HASH, OF_A_SORT
from bench.analyse.forecast.series import TEMP, Bounds, Point, Refused, Series

FEWEST = 3
"""Sizes in one regime that a fit needs."""
WIDEST = 4.0
"""Of an interval, as high / low."""
FARTHEST = 30.0
"""Of the target, as a multiple of the largest size."""
POOR_FIT = 4.0
"""χ² per degree of freedom from which on a class does not fit the clock."""


def before_fitting(
    series: Series, points: Sequence[Point], target: float, counted: Degree, full: Sequence[Outgrown]
) -> Iterator[Refused]:
    """What rules a forecast out whatever the fit says."""
    if len(points) < FEWEST:
        yield Refused(
            f"only {len(points)} of {len(series.points)} sizes are in the regime of the largest one",
            "measure larger sizes, where the server keeps to one plan: raise --within or --scales",
        )
        return
    largest = points[-1]
    if target > FARTHEST * largest.n:
        yield Refused(
            f"the target is {target / largest.n:.0f} times the largest size, more than {FARTHEST:.0f}",
            f"measure a size of at least 1/{FARTHEST:.0f} of the target: raise --within or --scales",
        )
    grows = counted.exponent != 0.0
    if largest.median < series.quantity.least and grows and not series.pooled:
        yield Refused(
            f"{largest.median * 1000:.0f} ms at the largest size are too short to see how it grows"
            if series.quantity.timed
            else f"{largest.median:,.0f} bytes at the largest size are too few to see how it grows",
            "measure a larger size: raise --within or --scales",
            short=True,
        )
    if not counted.candidates:
        yield Refused(
            f"no class of growth reproduces what was counted ({counted.by})",
            "measure more and larger sizes: raise --within or --scales",
        )
    for other in full:
        if (other.spills and series.quantity is TEMP) or (not other.spills and series.quantity.timed):
            yield other.refusal()


def after_fitting(
    series: Series, points: Sequence[Point], fits: Sequence[Fit], predicted: Prediction, counted: Degree
) -> Iterator[Refused]:
    """What makes a fit unfit for use."""
    best = fits[0]
    values = [point.median for point in points]
    if best.chi2 > POOR_FIT * max(best.freedom, 1) and max(values) - min(values) > series.quantity.floor:
        if counted.exponent == 0.0:
            yield Refused(
                "clock and counters disagree: what was counted does not grow, the time does",
                "repeat on a quieter machine, or measure more sizes",
            )
        else:
            yield Refused(
                "no class of growth that the counters allow fits the clock",
                "measure larger sizes, or repeat more often: --repeats",
            )
    if counted.exponent is not None and counted.exponent >= 0.5 and _falls(points, series.quantity.floor):
        yield Refused(
            "clock and counters disagree: what was counted grows, the time does not",
            "repeat on a quieter machine, or measure more sizes",
        )


def sample_ends(
    series: Series, points: Sequence[Point], target: float, predicted: Prediction
) -> Refused | None:
    """An ANALYZE whose tables outgrow its sample on the way, or may do so; its bounds are kept.

    Up to the sample's limit it reads and sorts all rows, from there on no more, which no smaller size shows.
    """
    sample, largest = series.sampled, points[-1].n
    if sample is None:
        return None
    if sample.whole:
        ends = any(rows * largest < SAMPLED_ROWS < rows * target for rows in sample.rows)
    else:
        ends = series.rows * target > SAMPLED_ROWS
    return _sample_ends(Bounds(predicted.low, predicted.value, predicted.high)) if ends else None


def _sample_ends(bounds: Bounds) -> Refused:
    return Refused(
        "ANALYZE reads a sample, and so many rows of a table at the most",
        "measure sizes at which its tables have more rows than 300 times the statistics target",
        bounds,
    )


def too_wide(series: Series, predicted: Prediction, full: Sequence[Outgrown]) -> Refused | None:
    """An interval that leaves too much open; it is kept for what it adds to."""
    narrow = predicted.high - predicted.low <= 4 * series.quantity.floor
    if predicted.high <= WIDEST * predicted.low or narrow:
        return None
    bounds = Bounds(predicted.low, predicted.value, predicted.high)
    if series.sampled:
        return _sample_ends(bounds)
    spilled = next((other for other in full if other.spills), None)
    if spilled is not None:
        said = spilled.refusal()
        return Refused(said.reason, said.cure, bounds)
    return Refused(
        "the interval would be too wide to be of use",
        "measure a larger size, or repeat more often: --within, --scales, --repeats",
        bounds,
    )


def _falls(points: Sequence[Point], floor: float) -> bool:
    """Whether the largest size took no longer than the smallest, where both can be told from nothing."""
    first, last = points[0].median, points[-1].median
    return last > floor and last <= first


NO_LIMITS: Mapping[str, float] = MappingProxyType({})
NEAR_LIMIT = 0.8
"""Memory counts as full from this share on: what an extrapolation of it may be off by."""
SPILL_BYTES_PER_S = 200e6
"""A slow disk's: what spills costs no more than that, and perhaps nothing."""
SPILL_PASSES = {OF_A_SORT: 2, MAINTENANCE: 2, OF_A_HASH: 4}
"""Each byte is written and read; a hash join does so with its other side, too."""


@dataclass(frozen=True, slots=True)
class Outgrown:
    """One kind of memory."""

    name: str
    at: float
    """The size at which it is full, as a multiple of the largest one."""
    bytes: float
    """What the target needs."""

    @property
    def spills(self) -> bool:
        """Whether it goes on in temporary files; else it is another regime altogether."""
        return self.name in SPILL_PASSES

    @property
    def extra_s(self) -> float:
        """What the temporary files may take at the most."""
        return SPILL_PASSES.get(self.name, 0) * self.bytes / SPILL_BYTES_PER_S

    def refusal(self) -> Refused:
        """Why there is no forecast."""
        return Refused(
            f"{self.name} will be outgrown between the largest size and the target "
            f"(at about {self.at:.1f} times the largest size)",
            f"measure three sizes above {self.at:.1f} times the largest one, or give the server the memory "
            "that keeps the target below it",
        )


def outgrown(
    points: Sequence[Point], target: float, limits: Mapping[str, float] = NO_LIMITS
) -> Iterator[Outgrown]:
    """What is full at the target and was not at the largest size, by its growth between the last two sizes.

    ``limits`` are bytes at the target by name, where they differ from those of the measurement.
    """
    smaller, largest = points[-2], points[-1]
    for name, memory in largest.memory.items():
        before = smaller.memory.get(name)
        if not memory.fits or memory.used_bytes <= 0:
            continue
        exponent = 1.0
        if before is not None and before.used_bytes > 0:
            grown = math.log(memory.used_bytes / before.used_bytes) / math.log(largest.n / smaller.n)
            exponent = max(grown, 0.0)
        limit = limits.get(name, memory.limit_bytes)
        needed = memory.used_bytes * (target / largest.n) ** exponent
        if needed >= NEAR_LIMIT * limit:
            yield Outgrown(name, (limit / memory.used_bytes) ** (1 / max(exponent, 0.1)), needed)
