"""From measurements at several sizes to a forecast at another one, or to a refusal.

The procedure: only sizes in the largest one's regime are fitted; counters choose the classes of growth; the
clock fits them; classes that fit about equally well are all believed. It refuses rather than be confidently
wrong: too few sizes, another regime at the target, no class that fits, an interval too wide to be of use.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bench.analyse.forecast.fit import (
    NOISE_S,
    Fit,
    Prediction,
    combine,
    fit_points,
    likely,
    noise_of,
)
from bench.analyse.forecast.growth import Degree, degree, simplest
from bench.analyse.forecast.series import Forecast, Point, Refused, Series

FEWEST = 3
"""Sizes in one regime that a fit needs."""
WIDEST = 4.0
"""Of an interval, as high / low."""
FARTHEST = 30.0
"""Of the target, as a multiple of the largest size."""
NEAR_LIMIT = 0.8
"""Memory counts as full from this share on: what an extrapolation of it may be off by."""
POOR_FIT = 4.0
"""χ² per degree of freedom from which on a class does not fit the clock."""


def predict(series: Series, target: float) -> Forecast:
    """The forecast of a series at ``target``, in the unit of its points' sizes."""
    points = same_regime(series.points)
    counted = degree(points) if points else Degree(None, ())
    sizes = tuple(point.n for point in points)

    def refuse(refused: Refused) -> Forecast:
        return Forecast(
            series.subject, series.quantity.name, target, None, None, None, None,
            counted.exponent, refused, sizes,
        )  # fmt: skip

    before = next(_before_fitting(series, points, target, counted), None)
    if before is not None:
        return refuse(before)
    noise = noise_of(points)
    absolute = NOISE_S * series.quantity.floor / 0.025
    fits = likely([fit_points(each, points, noise, absolute) for each in counted.candidates])
    factor = target / points[-1].n
    predicted = combine(fits, factor, noise, series.quantity.floor)
    after = next(_after_fitting(series, points, fits, predicted, counted), None)
    if after is not None:
        return refuse(after)
    names = {fit.growth.name: fit.growth for fit in fits}
    return Forecast(
        series.subject,
        series.quantity.name,
        target,
        predicted.value,
        predicted.low,
        predicted.high,
        simplest(points, counted.by, names),
        _exponent(fits[0], factor),
        None,
        sizes,
    )


def same_regime(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points that the server worked on as on the largest one: from there down, without a gap."""
    kept: list[Point] = []
    for point in reversed(points):
        if kept and not (point.regime.shares_growth(kept[0].regime) and _full(point) == _full(kept[0])):
            break
        kept.append(point)
    return tuple(reversed(kept))


def _full(point: Point) -> frozenset[str]:
    return frozenset(name for name, memory in point.memory.items() if not memory.fits)


def _before_fitting(
    series: Series, points: Sequence[Point], target: float, counted: Degree
) -> Iterator[Refused]:
    """What rules a forecast out whatever the fit says."""
    if len(points) < FEWEST:
        yield Refused(
            f"only {len(points)} of {len(series.points)} sizes are in the regime of the largest one",
            "measure larger sizes, where the server keeps to one plan: raise --budget or --scales",
        )
        return
    largest = points[-1]
    if target > FARTHEST * largest.n:
        yield Refused(
            f"the target is {target / largest.n:.0f} times the largest size, more than {FARTHEST:.0f}",
            f"measure a size of at least 1/{FARTHEST:.0f} of the target: raise --budget or --scales",
        )
    grows = counted.exponent != 0.0
    if largest.median < series.quantity.least and grows and not series.pooled:
        yield Refused(
            f"{largest.median * 1000:.0f} ms at the largest size are too short to see how it grows"
            if series.quantity.name.endswith("_s")
            else f"{largest.median:,.0f} bytes at the largest size are too few to see how it grows",
            "measure a larger size: raise --budget or --scales",
        )
    if not counted.candidates:
        yield Refused(
            f"no class of growth reproduces what was counted ({counted.by})",
            "measure more and larger sizes: raise --budget or --scales",
        )
    yield from _other_regime(points, target)


def _other_regime(points: Sequence[Point], target: float) -> Iterator[Refused]:
    """Memory that the largest size did not fill and the target will, by its growth between two sizes."""
    smaller, largest = points[-2], points[-1]
    for name, memory in largest.memory.items():
        before = smaller.memory.get(name)
        if not memory.fits or memory.used_bytes <= 0:
            continue
        exponent = 1.0
        if before is not None and before.used_bytes > 0:
            grown = math.log(memory.used_bytes / before.used_bytes) / math.log(largest.n / smaller.n)
            exponent = max(grown, 0.0)
        share = memory.used_bytes / memory.limit_bytes * (target / largest.n) ** exponent
        if share >= NEAR_LIMIT:
            at = largest.n * (memory.limit_bytes / memory.used_bytes) ** (1 / max(exponent, 0.1))
            yield Refused(
                f"{name} will be outgrown between the largest size and the target "
                f"(at about {at / largest.n:.1f} times the largest size)",
                f"measure three sizes above {at / largest.n:.1f} times the largest one, or give the server "
                "the memory that keeps the target below it",
            )


def _after_fitting(
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
    narrow = predicted.high - predicted.low <= 4 * series.quantity.floor
    if predicted.high > WIDEST * predicted.low and not narrow:
        yield Refused(
            f"the interval would be too wide to be of use: {predicted.low:.3g} to {predicted.high:.3g}",
            "measure a larger size, or repeat more often: --budget, --scales, --repeats",
        )


def _falls(points: Sequence[Point], floor: float) -> bool:
    """Whether the largest size took no longer than the smallest, where both can be told from nothing."""
    first, last = points[0].median, points[-1].median
    return last > floor and last <= first


def _exponent(fit: Fit, factor: float) -> float | None:
    """The exponent of the best fit between the largest size and the target."""
    far = max(factor, 1.1)
    here, there = fit.at(1.0), fit.at(far)
    return math.log(there / here) / math.log(far) if here > 0 and there > 0 else None
