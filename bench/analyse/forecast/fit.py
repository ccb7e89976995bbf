"""Weighted fits with weights of 0 or more, and how far their predictions may be off."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.analyse.forecast.classes import Class
from bench.analyse.forecast.series import Point

if TYPE_CHECKING:
    import numpy

NOISE = 0.05
"""Relative noise of a duration at one size, at the least: what differs from one size to the next."""
MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
MEDIAN_TO_MEAN = 1.25
"""Standard error of a median over that of a mean."""
Z_90 = 1.645
"""Quantile of the normal distribution that leaves 5 % on each side."""
DRIFT = 0.05
"""Relative error that each factor of e between the largest size and the target adds."""
LIKELY = 4.0
"""Candidates whose χ² is within so much of the best one's are all believed."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A class fitted to points: its weights and their uncertainty, sizes as shares of the largest."""

    growth: Class
    weights: tuple[float, ...]
    covariance: numpy.ndarray[Any, Any]
    chi2: float
    freedom: int

    def at(self, size: float) -> float:
        """The value at a size."""
        return sum(weight * term(size) for weight, term in zip(self.weights, self.growth.terms, strict=True))

    def relative_error(self, size: float, noise: float) -> float:
        """Standard error of the logarithm of a new measurement at ``size``.

        The covariance is that of all terms, those of weight 0 included: what the data cannot tell apart
        widens the error.
        """
        import numpy

        terms = numpy.array([term(size) for term in self.growth.terms])
        value = self.at(size)
        variance = float(terms @ self.covariance @ terms) * max(1.0, self.chi2 / max(self.freedom, 1))
        relative = variance / value**2 if value > 0 else math.inf
        return math.sqrt(relative + noise**2 + (DRIFT * math.log(max(size, 1.0))) ** 2)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The centre of all believed fits and the union of their intervals."""

    value: float
    low: float
    high: float


def weighted_fit(
    growth: Class, sizes: Sequence[float], values: Sequence[float], errors: Sequence[float]
) -> Fit:
    """The weights of least χ²; ``errors`` are the standard errors of the values, all above 0."""
    import numpy
    from scipy.optimize import nnls

    scale = numpy.array(errors)
    design = numpy.array([[term(size) for term in growth.terms] for size in sizes]) / scale[:, None]
    # Columns of the same length: a term of n³ must not drown the constant one.
    lengths = numpy.linalg.norm(design, axis=0)
    scaled, residual = nnls(design / lengths, numpy.array(values) / scale)
    covariance = numpy.linalg.pinv(design.T @ design / numpy.outer(lengths, lengths), hermitian=True)
    return Fit(
        growth,
        tuple(float(weight) for weight in scaled / lengths),
        covariance / numpy.outer(lengths, lengths),
        float(residual) ** 2,
        len(values) - len(growth.terms),
    )


def fit_points(growth: Class, points: Sequence[Point], noise: float, absolute: float) -> Fit:
    """Fit the medians of the repeats with relative weights."""
    largest = points[-1].n
    values = [max(point.median, 0.0) for point in points]
    errors = [math.hypot(noise * value, absolute) for value in values]
    return weighted_fit(growth, [point.n / largest for point in points], values, errors)


def noise_of(points: Sequence[Point], absolute: float = 0.0) -> float:
    """Relative noise of one size's median, and no less than :data:`NOISE`.

    From the middle one of all repeats' distances to the median of their size, so that a repeat that was held
    up does not count for more than one. ``absolute`` noise, which all sizes have, is left out of them: it is
    what most of a short time's spread is.
    """
    away: list[float] = []
    for point in points:
        middle = point.median
        off = sorted(abs(value - middle) for value in point.values)[len(point.values) % 2 :]
        away += [math.sqrt(max(number**2 - absolute**2, 0.0)) / middle for number in off if middle > 0]
    if not away:
        return NOISE
    n = min(len(point.values) for point in points)
    return max(NOISE, MAD_TO_SIGMA * statistics.median(away) * MEDIAN_TO_MEAN / math.sqrt(n))


def likely(fits: Sequence[Fit]) -> list[Fit]:
    """The fits that are about as good as the best one, the best one first."""
    ranked = sorted(fits, key=lambda fit: fit.chi2)
    return [fit for fit in ranked if fit.chi2 <= ranked[0].chi2 + LIKELY]


def combine(
    fits: Sequence[Fit], size: float, noise: float, floor: float, missed: Sequence[float]
) -> Prediction:
    """The geometric mean of the fits, weighted with their likelihood, and the union of their intervals.

    ``missed`` is the χ² by which each fit's class misses what was counted; an interval it does not narrow.
    """
    both = [fit.chi2 + counted for fit, counted in zip(fits, missed, strict=True)]
    shares = [math.exp(-(number - min(both)) / 2) for number in both]
    values = [max(fit.at(size), 1e-12) for fit in fits]
    total = sum(share * math.log(value) for share, value in zip(shares, values, strict=True))
    centre = math.exp(total / sum(shares))
    spans = [
        value * _span(Z_90 * fit.relative_error(size, noise)) for fit, value in zip(fits, values, strict=True)
    ]
    lows = [value * value / span for value, span in zip(values, spans, strict=True)]
    return Prediction(centre, max(min(*lows, centre - floor), 0.0), max(*spans, centre + floor))


def _span(error: float) -> float:
    """By which factor a value may be off: as its logarithm, but for a value that drowns in its error."""
    return math.exp(error) if error <= 1 else math.e * min(error, 1e9)
