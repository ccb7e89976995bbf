"""The deploy's own clock, which stands still while the harness reads between statements."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class DeployClock:
    """Seconds since the start, without the pauses.

    What the deploy would need in production is what remains when the harness's reads are taken out, so
    every offset and every hold is given on this clock. Times of other threads come as wall-clock readings
    of the same source and are mapped by :meth:`at`.
    """

    def __init__(self, source: Callable[[], float] = time.perf_counter) -> None:
        self.source = source
        self.started = source()
        self._pause_starts: list[float] = []
        self._pause_ends: list[float] = []
        self._paused_before: list[float] = [0.0]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock for the length of the block. Pauses must not nest."""
        begin = self.source()
        try:
            yield
        finally:
            end = self.source()
            self._paused_before.append(self._paused_before[-1] + end - begin)
            self._pause_ends.append(end)
            self._pause_starts.append(begin)

    def at(self, wall: float) -> float:
        """Deploy time of a wall-clock reading; a reading within a pause counts as the pause's start."""
        done = bisect_right(self._pause_starts, wall)
        paused = self._paused_before[done]
        if done and wall < self._pause_ends[done - 1]:
            paused -= self._pause_ends[done - 1] - wall
        return wall - self.started - paused

    @property
    def paused_s(self) -> float:
        """All pauses so far."""
        return self._paused_before[-1]
