"""The deploy's own clock, which runs only while the server works for the migration."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class DeployClock:
    """Seconds that the deploy would have taken up to a moment, had nobody looked between its statements.

    Every offset and every hold is given on this clock. Times of other threads come as wall-clock readings of
    the same source and are mapped by :meth:`at`.
    """

    def __init__(self, source: Callable[[], float] = time.perf_counter) -> None:
        self.source = source
        self._starts: list[float] = []
        self._ends: list[float] = []
        self._total_before: list[float] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the clock run for the length of the block, an error's end included. Blocks must not nest."""
        total_before = self.total_s
        begin = self.source()
        try:
            yield
        finally:
            self._ends.append(self.source())
            self._total_before.append(total_before)
            self._starts.append(begin)

    def discard_last(self) -> None:
        """Forget the last run: a try that the deploy would not have made."""
        for times in (self._starts, self._ends, self._total_before):
            times.pop()

    def at(self, wall: float) -> float:
        """Deploy time of a wall-clock reading; between two runs it stands still."""
        begun = bisect_right(self._starts, wall)
        if not begun:
            return 0.0
        last = begun - 1
        return self._total_before[last] + min(wall, self._ends[last]) - self._starts[last]

    @property
    def total_s(self) -> float:
        """How long it has run in all."""
        if not self._starts:
            return 0.0
        return self._total_before[-1] + self._ends[-1] - self._starts[-1]

    @property
    def last_span(self) -> tuple[float, float]:
        """Wall-clock readings of the start and the end of the last run. IndexError before the first."""
        return self._starts[-1], self._ends[-1]

    @property
    def wall_s(self) -> float:
        """From the start of the first run to the end of the last, what came between included."""
        return self._ends[-1] - self._starts[0] if self._starts else 0.0
