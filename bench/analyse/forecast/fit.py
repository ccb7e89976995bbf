"""Weighted fits with weights of 0 or more, and how far their predictions may be off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.analyse.forecast.growth import Class
from bench.analyse.forecast.series import Point

if TYPE_CHECKING:
    import numpy

NOISE = 0.05
"""Relative noise of a duration at one size, at the least: what differs from one size to the next."""
NOISE_S = 0.001
"""And what the same duration differs by, whatever its length."""
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


def noise_of(points: Sequence[Point]) -> float:
    """Relative noise of one size's median: the repeats' spread, pooled, and no less than :data:`NOISE`."""
    squares, freedom = 0.0, 0
    for point in points:
        mean = sum(point.values) / len(point.values)
        if mean > 0:
            squares += sum((value / mean - 1) ** 2 for value in point.values)
            freedom += len(point.values) - 1
    if not freedom:
        return NOISE
    n = min(len(point.values) for point in points)
    return max(NOISE, math.sqrt(squares / freedom / n))


def likely(fits: Sequence[Fit]) -> list[Fit]:
    """The fits that are about as good as the best one, the best one first."""
    ranked = sorted(fits, key=lambda fit: fit.chi2)
    return [fit for fit in ranked if fit.chi2 <= ranked[0].chi2 + LIKELY]


def combine(fits: Sequence[Fit], size: float, noise: float, floor: float) -> Prediction:
    """The geometric mean of the fits, weighted with their likelihood, and the union of their intervals."""
    best = min(fit.chi2 for fit in fits)
    shares = [math.exp(-(fit.chi2 - best) / 2) for fit in fits]
    values = [max(fit.at(size), 1e-12) for fit in fits]
    total = sum(share * math.log(value) for share, value in zip(shares, values, strict=True))
    centre = math.exp(total / sum(shares))
    spans = [
        value * math.exp(Z_90 * min(fit.relative_error(size, noise), 50.0))
        for fit, value in zip(fits, values, strict=True)
    ]
    lows = [value * value / span for value, span in zip(values, spans, strict=True)]
    return Prediction(centre, max(min(*lows, centre - floor), 0.0), max(*spans, centre + floor))
