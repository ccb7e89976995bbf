"""Delta debugging: the smallest set that still fails.

A. Zeller, R. Hildebrandt: Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28 (2), 2002: ddmin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


def smallest(
    items: Sequence[T], fails: Callable[[Sequence[T]], bool], go_on: Callable[[], bool] = lambda: True
) -> list[T]:
    """A subset that fails and of which no single item can be left out; all ``items`` must fail.

    ``go_on``: asked before every trial; once it says no, the smallest subset found so far is returned.
    """
    left = list(items)
    if go_on() and fails([]):
        return []
    parts = 2
    while len(left) >= 2:
        for part in _parts(left, parts):
            rest = [each for each in left if each not in part]
            if not go_on():
                return left
            if len(rest) < len(left) and fails(part):
                left, parts = part, 2
                break
            if not go_on():
                return left
            if parts > 2 and fails(rest):
                left, parts = rest, max(parts - 1, 2)
                break
        else:
            if parts >= len(left):
                return left
            parts = min(parts * 2, len(left))
    return left


def _parts(items: Sequence[T], count: int) -> list[list[T]]:
    size, more = divmod(len(items), count)
    ends = [size * n + min(n, more) for n in range(count + 1)]
    return [list(items[begin:end]) for begin, end in pairwise(ends) if end > begin]
