"""Classes of growth, and which of them the counters allow: what is counted has no noise, a clock has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.forecast.classes import (
    CONSTANT,
    CUBIC,
    LINEAR,
    NEARLY_LINEAR,
    QUADRATIC,
    Class,
    n_log_n,
    one,
    power,
)
from bench.analyse.forecast.fit import Fit, weighted_fit
from bench.analyse.forecast.series import Point, Sample

CONSTANT_SPREAD = 0.02
"""Work that differs by less over the top three sizes does not grow."""
FEW = 64.0
"""Nor does work that grows by no more than so many pages or rows there: half a millisecond at the most."""
STEEP = 1.25
"""The exponent of the work's growing part from which on it grows faster than n·log n."""
ABOUT_LINEAR = 1.05
"""Up to this exponent of its growing part work is linear, for n·log n grows faster below 10⁸ rows."""
STEEPEST = 4.0
REPRODUCED = 0.03
"""A class agrees with a counter that it misses by no more at the largest size; at a smaller one by more, as
the relative chance in what data hold grows with 1/√n."""
WAVERING = 0.12
"""Where no class agrees, one that misses by no more is believed, and its miss widens the interval: what is
counted of little data wavers with what happens to be in them."""
SAMPLED_ROWS = 30_000.0
"""ANALYZE reads 300 times the statistics target, 100, of each table.
https://www.postgresql.org/docs/current/sql-analyze.html"""
COUNTED = 0.01
"""How exact a counter is at the largest size, when classes are weighed against each other."""
TOP = 3
NEAR = 0.12
"""A power is so near to an exponent that it takes its place."""


def sampled(sample: Sample, largest: float, rows_there: float) -> tuple[Class, ...]:
    """What grows with the rows of samples: up to their limit as the tables do, from there on hardly.

    Of a larger table more pages are read for as many rows, and tables may not be known: growth may go on.
    """

    def read(n: float) -> float:
        return sum(min(rows * largest * n, SAMPLED_ROWS) for rows in sample.rows) / full

    full = sum(min(rows * largest, SAMPLED_ROWS) for rows in sample.rows)
    limited = Class("linear, up to a sample", (one, read)) if full else CONSTANT
    return (LINEAR, n_log_n(rows_there), NEARLY_LINEAR, limited)


@dataclass(frozen=True, slots=True)
class Degree:
    """What the counters say."""

    exponent: float | None
    """Of the steepest counter's growing part, over the top three sizes; None: nothing was counted."""
    candidates: tuple[Class, ...]
    """What may be fitted to the clock; empty: no class reproduces the counter."""
    by: str | None = None
    """The steepest counter."""
    wavers: float = 0.0
    """Relative error that this counter's wavering adds; 0 where a class reproduces it."""


def degree(points: Sequence[Point], rows: float = 1.0) -> Degree:
    """The classes that the counters allow; ``rows`` are those of one unit of the points' sizes.

    The steepest counter decides: a part that grows fast may be small where it was measured. Without
    counters every class stays, and the interval says so.
    """
    nearly = (LINEAR, n_log_n(points[-1].n * rows), NEARLY_LINEAR)
    names = set.intersection(*(set(point.counters) for point in points))
    if not names:
        return Degree(None, (CONSTANT, *nearly, QUADRATIC))
    exponents = {name: growing_exponent(points, name) for name in names}
    name = max(exponents, key=lambda text: (exponents[text], text))
    exponent = exponents[name]
    if exponent == 0.0:
        return Degree(0.0, (CONSTANT,), name)
    if exponent <= STEEP or reproduces(LINEAR, points, name):
        return Degree(min(exponent, STEEP), nearly, name)
    size_classes = tuple(_steep(points, name, exponent, REPRODUCED))
    if size_classes:
        return Degree(exponent, size_classes, name)
    return Degree(exponent, tuple(_steep(points, name, exponent, WAVERING)), name, WAVERING)


def growing_exponent(points: Sequence[Point], name: str) -> float:
    """p of a + b·nᵖ through a counter's top three sizes, a of 0 or more; 0 where it does not grow.

    Over two sizes, and where the growth itself shrinks, p is the slope of the logarithms.
    """
    top = points[-TOP:]
    counted = [point.counters[name] for point in top]
    if counted[-1] - counted[0] <= max(FEW, CONSTANT_SPREAD * max(counted)):
        return 0.0
    whole = math.log(counted[-1] / max(counted[0], 1.0)) / math.log(top[-1].n / top[0].n)
    if len(top) < TOP or not counted[0] < counted[1] < counted[2]:
        return whole
    return max(whole, _through([point.n for point in top], counted))


def _through(sizes: Sequence[float], values: Sequence[float]) -> float:
    """p such that the two differences stand to each other as those of nᵖ do; between 0.05 and 4."""
    wanted = (values[2] - values[1]) / (values[1] - values[0])
    low, high = 0.05, STEEPEST
    for _ in range(40):
        middle = (low + high) / 2
        one, two, three = (size**middle for size in sizes)
        low, high = (middle, high) if (three - two) / (two - one) < wanted else (low, middle)
    return low


def _steep(points: Sequence[Point], name: str, exponent: float, within: float) -> Sequence[Class]:
    """The polynomials and the power that reproduce the counter, the simplest polynomial alone."""
    raised = Class(f"power {exponent:.2f}", (one, power(exponent)))
    polynomial = next(
        (size_class for size_class in (QUADRATIC, CUBIC) if reproduces(size_class, points, name, within)),
        None,
    )
    size_classes = [polynomial] if polynomial is not None else []
    whole = polynomial is not None and abs(exponent - (len(polynomial.terms) - 1)) <= NEAR
    if not whole and reproduces(raised, points, name, within):
        size_classes.append(raised)
    return size_classes


def reproduces(candidate: Class, points: Sequence[Point], name: str, within: float = REPRODUCED) -> bool:
    """Whether a class gives the counter ``within`` a share of it at each of the top four sizes."""
    top = points[-(TOP + 1) :]
    if min(point.counters[name] for point in top) <= 0:
        return False
    fit, counted, allowed = _fitted(candidate, points, name, within)
    return all(
        abs(fit.at(point.n / points[-1].n) - value) <= most
        for point, value, most in zip(top, counted, allowed, strict=True)
    )


def _fitted(
    candidate: Class, points: Sequence[Point], name: str, error: float
) -> tuple[Fit, list[float], list[float]]:
    """A class fitted to a counter at the top four sizes, what was counted there, and how exact that is."""

    top = points[-(TOP + 1) :]
    counted = [point.counters[name] for point in top]
    sizes = [point.n / points[-1].n for point in top]
    allowed = [error * max(value, 1.0) / math.sqrt(size) for size, value in zip(sizes, counted, strict=True)]
    return weighted_fit(candidate, sizes, counted, allowed), counted, allowed


def misses(candidate: Class, points: Sequence[Point], name: str, wavers: float = 0.0) -> float:
    """χ² by which a class misses a counter that is known to 1 % at the largest of the top four sizes.

    ``wavers`` is known less well, by :attr:`Degree.wavers`.
    """
    fit, counted, allowed = _fitted(candidate, points, name, math.hypot(COUNTED, wavers))
    return sum(
        ((fit.at(point.n / points[-1].n) - value) / error) ** 2
        for point, value, error in zip(points[-(TOP + 1) :], counted, allowed, strict=True)
    )


def called(points: Sequence[Point], counted: Degree, plausible: Sequence[Class]) -> str:
    """The name of the growth: that of the work where it is counted, else of the class that fits best.

    ``plausible`` are the classes that fit the clock, the best one first. What grows about as n is named after
    the counter that a class reproduces best: one that jumps with plans tells the degree, not the class.
    """
    if counted.by is None or counted.exponent is None:
        return plausible[0].name
    if counted.exponent > STEEP:
        ranked = sorted(plausible, key=lambda size_class: len(size_class.terms), reverse=True)
        return next(
            (size_class for size_class in ranked if reproduces(size_class, points, counted.by)), ranked[0]
        ).name
    names = set.intersection(*(set(point.counters) for point in points))
    steady = min(
        (name for name in names if growing_exponent(points, name) > 0 or counted.exponent == 0),
        key=lambda name: min(misses(size_class, points, name) for size_class in counted.candidates),
    )
    if 0 < growing_exponent(points, steady) <= ABOUT_LINEAR:
        return LINEAR.name
    return next(
        (size_class for size_class in counted.candidates if reproduces(size_class, points, steady)),
        plausible[0],
    ).name
