"""Classes of growth: sums of terms of the size, from one that does not grow to a cube."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Term = Callable[[float], float]
"""What a term adds at a size n/n_max from 0 to 1, before its weight."""


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
    """a + b·n·log n, where the largest size is of so many rows."""
    return Class("n log n", (one, lambda n: n * math.log(max(n * largest, 2.0))))
