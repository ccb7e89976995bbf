"""From measurements at several sizes to a forecast at another one, or to a refusal.

The procedure: only sizes in the largest one's regime are fitted; counters choose the classes of growth; the
clock fits them; classes that fit about equally well are all believed. It refuses rather than be confidently
wrong: too few sizes, another regime at the target, no class that fits, an interval too wide to be of use.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.analyse.forecast.fit import Fit, Prediction, combine, fit_points, likely, noise_of
from bench.analyse.forecast.growth import Degree, called, degree, misses, sampled
from bench.analyse.forecast.refuse import (
    NO_LIMITS,
    Outgrown,
    after_fitting,
    before_fitting,
    outgrown,
    sample_ends,
    too_wide,
)
from bench.analyse.forecast.series import Forecast, Point, Refused, Series

ENOUGH = 4
"""So many of the largest sizes are fitted alone, where the smaller ones do not fit in."""


def predict(series: Series, target: float, limits: Mapping[str, float] = NO_LIMITS) -> Forecast:
    """The forecast of a series at ``target``, in the unit of its points' sizes.

    ``limits`` are bytes of memory at the target by name, where they differ from those of the measurement.
    """
    points = same_regime(series.points)
    counted = degree(points, series.rows) if points else Degree(None, ())
    if series.sampled is not None and points:
        counted = Degree(None, sampled(series.sampled, points[-1].n, points[-1].n * series.rows))
    full = tuple(outgrown(points, target, limits)) if len(points) > 1 else ()

    def refuse(refused: Refused) -> Forecast:
        return Forecast(
            series.subject, series.quantity.name, target, None, None, None, None,
            counted.exponent, refused, tuple(point.n for point in points),
        )  # fmt: skip

    before = next(before_fitting(series, points, target, counted, full), None)
    if before is not None:
        return refuse(before)
    absolute = series.quantity.absolute
    noise = math.hypot(noise_of(points, absolute), counted.wavers)
    fits = likely([fit_points(size_class, points, noise, absolute) for size_class in counted.candidates])
    factor = target / points[-1].n
    missed = [misses(fit.growth, points, counted.by, counted.wavers) if counted.by else 0.0 for fit in fits]
    fitted = combine(fits, factor, noise, series.quantity.floor, missed)
    predicted = _beyond(series, full, fitted)
    after = next(after_fitting(series, points, fits, predicted, counted), None)
    if after is not None and len(points) > ENOUGH:
        # Little data are worked on in ways of their own: the largest sizes alone may tell the growth.
        without = predict(replace(series, points=points[1:]), target, limits)
        if without.refused is None:
            return without
    ends = sample_ends(series, points, target, predicted)
    refused = after or ends or too_wide(series, predicted, full)
    if refused is not None:
        return refuse(refused)
    return replace(
        refuse(Refused("", "")),
        value=predicted.value,
        low=predicted.low,
        high=predicted.high,
        growth=called(points, counted, [fit.growth for fit in fits]),
        exponent=_exponent(fits[0], factor),
        refused=None,
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


def _beyond(series: Series, full: Sequence[Outgrown], fitted: Prediction) -> Prediction:
    """What the fit cannot know: files that a spill will write."""
    extra_s = sum(other.extra_s for other in full) if series.quantity.timed else 0.0
    return replace(fitted, high=fitted.high + extra_s)


def _exponent(fit: Fit, factor: float) -> float | None:
    """The exponent of the best fit between the largest size and the target."""
    far = max(factor, 1.1)
    here, there = fit.at(1.0), fit.at(far)
    return math.log(there / here) / math.log(far) if here > 0 and there > 0 else None
