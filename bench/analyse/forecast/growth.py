"""Classes of growth, and which of them the counters allow: what is counted has no noise, a clock has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.analyse.forecast.series import Point

Term = Callable[[float], float]

CONSTANT_SPREAD = 0.02
"""Work that differs by less over the top three sizes does not grow."""
FEW = 64.0
"""Nor does work that grows by no more than so many pages or rows there: half a millisecond at the most."""
STEEP = 1.25
"""The exponent of the work from which on it grows faster than n·log n."""
REPRODUCED = 0.02
"""A class agrees with a counter that it misses by no more, at any size."""
TOP = 3


@dataclass(frozen=True, slots=True)
class Class:
    """A class of growth: a sum of terms of n/n_max with weights of 0 or more."""

    name: str
    terms: tuple[Term, ...]


def one(_: float) -> float:
    """The part that does not grow."""
    return 1.0


def power(exponent: float) -> Term:
    """n to the power of ``exponent``."""
    return lambda n: n**exponent


CONSTANT = Class("constant", (one,))
LINEAR = Class("linear", (one, power(1)))
QUADRATIC = Class("quadratic", (one, power(1), power(2)))
CUBIC = Class("cubic", (one, power(1), power(2), power(3)))
NEARLY_LINEAR = Class("n^1.15", (one, power(1.15)))


def n_log_n(largest: float) -> Class:
    """a + b·n·log n; n counts from ``largest`` = 1, whose logarithm the size itself gives."""
    return Class("n log n", (one, lambda n: n * math.log(max(n * largest, 2.0))))


@dataclass(frozen=True, slots=True)
class Degree:
    """What the counters say."""

    exponent: float | None
    """The steepest counter's, over the top three sizes; None: nothing was counted."""
    candidates: tuple[Class, ...]
    """What may be fitted to the clock; empty: no class reproduces the counter."""
    by: str | None = None
    """The steepest counter."""


def degree(points: Sequence[Point]) -> Degree:
    """The classes that the counters allow.

    The steepest counter decides: a part that grows fast may be small where it was measured. Without
    counters every class stays, and the interval says so.
    """
    top = points[-TOP:]
    largest = points[-1].n
    nearly = (LINEAR, n_log_n(largest), NEARLY_LINEAR)
    names = set.intersection(*(set(point.counters) for point in points))
    if not names:
        return Degree(None, (CONSTANT, *nearly, QUADRATIC))
    exponents = {name: _exponent(top, name) for name in names}
    name = max(exponents, key=lambda each: (exponents[each], each))
    exponent = exponents[name]
    if exponent == 0.0:
        return Degree(0.0, (CONSTANT,), name)
    if exponent <= STEEP:
        return Degree(exponent, nearly, name)
    return Degree(exponent, tuple(_steep(points, name, exponent)), name)


def _exponent(top: Sequence[Point], name: str) -> float:
    """The slope of the logarithm of a counter over the size; 0 where it does not grow."""
    first, last = top[0], top[-1]
    counted = [point.counters[name] for point in top]
    small, large = min(counted), max(counted)
    if large - small <= max(FEW, CONSTANT_SPREAD * large) or small <= 0 or first.n == last.n:
        return 0.0
    return math.log(counted[-1] / max(counted[0], 1.0)) / math.log(last.n / first.n)


def _steep(points: Sequence[Point], name: str, exponent: float) -> Sequence[Class]:
    """The polynomials and the power that reproduce the counter, the simplest polynomial alone."""
    raised = Class(f"power {exponent:.2f}", (one, power(exponent)))
    polynomial = next((each for each in (QUADRATIC, CUBIC) if reproduces(each, points, name)), None)
    found = [polynomial] if polynomial is not None else []
    if reproduces(raised, points, name):
        found.append(raised)
    return found


def reproduces(candidate: Class, points: Sequence[Point], name: str) -> bool:
    """Whether a class gives the counter within 2 % at each of the top four sizes."""
    from bench.analyse.forecast.fit import weighted_fit

    top = points[-(TOP + 1) :]
    counted = [point.counters[name] for point in top]
    if min(counted) <= 0:
        return False
    sizes = [point.n / points[-1].n for point in top]
    fit = weighted_fit(candidate, sizes, counted, [REPRODUCED * value for value in counted])
    return all(
        abs(fit.at(size) - value) <= REPRODUCED * value for size, value in zip(sizes, counted, strict=True)
    )


def simplest(points: Sequence[Point], by: str | None, plausible: Mapping[str, Class]) -> str:
    """The name of the growth: the simplest plausible class that reproduces the counter, too.

    ``plausible`` are the classes that fit the clock, the best one first.
    """
    order = ("constant", "linear", "n log n", "n^1.15", "quadratic", "cubic")
    ranked = sorted(plausible, key=lambda name: order.index(name) if name in order else len(order))
    if by is not None:
        for name in ranked:
            if reproduces(plausible[name], points, by):
                return name
    return ranked[0] if by is not None else next(iter(plausible))
