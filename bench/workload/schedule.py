"""When requests are due, and of which class: pure, from one seed."""

from __future__ import annotations

import random
from bisect import bisect_right
from itertools import accumulate

from bench.model.load import Arrivals


class Schedule:
    """The arrivals of one worker, one after the other, on an open loop: nothing that happens delays them."""

    def __init__(
        self,
        rate_per_s: float,
        weights: list[float],
        arrivals: Arrivals,
        start: float,
        random_: random.Random,
    ) -> None:
        self._gap_s = 1 / rate_per_s
        self._cumulative = list(accumulate(weights))
        self._arrivals = arrivals
        self._random = random_
        self._fixed = _Interleaved(weights)
        self.due = start
        """When the next request is due."""

    def take(self) -> tuple[float, int]:
        """The next request's time and class, and move on."""
        due = self.due
        if self._arrivals == "fixed":
            self.due += self._gap_s
            return due, self._fixed.take()
        self.due += self._random.expovariate(1.0) * self._gap_s
        return due, self.choose()

    def skip(self, until: float) -> int:
        """Move on to this time without the requests that are due before it; returns about how many."""
        if self.due >= until:
            return 0
        missed = round((until - self.due) / self._gap_s)
        self.due = until
        return missed

    def choose(self) -> int:
        """A class by weight."""
        return bisect_right(self._cumulative, self._random.random() * self._cumulative[-1])


class _Interleaved:
    """Classes in turn, each as evenly spread as its weight allows."""

    def __init__(self, weights: list[float]) -> None:
        total = sum(weights)
        self._shares = [weight / total for weight in weights]
        self._credit = [0.0 for _ in weights]

    def take(self) -> int:
        for position, share in enumerate(self._shares):
            self._credit[position] += share
        chosen = max(range(len(self._credit)), key=self._credit.__getitem__)
        self._credit[chosen] -= 1.0
        return chosen
