"""How a suite's figures went from run to run, and where they changed for good."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean, median
from typing import Literal

LEAST = 3
"""Runs on each side of a change."""
PRICE = 6.0
"""Times log(n), of one more change. Of 300 simulated series in which nothing changes 4 % show one with 8
runs, 1 % with 20; a step by 1.34 in noise of 8 % is found where it is in 66 % and 98 %."""
LEAST_NOISE = 0.01
EXACT = 0.01
"""A counter's change from this share on counts at once, as counters do not vary."""
Measure = Literal["duration_s", "wal_bytes", "blocks"]
MEASURES: tuple[Measure, ...] = ("duration_s", "wal_bytes", "blocks")


@dataclass(frozen=True, slots=True)
class Entry:
    """A run of a suite, in totals."""

    suite: str
    run_id: str
    started_at: str
    because: str | None
    """Why it was accepted as the baseline; None: it was not."""
    accepted_at: str | None
    key: str
    """Entries with the same one can be compared: same data, server and machine."""
    postgresql: str | None
    scale: str | None
    processor: str | None
    durations_s: tuple[float, ...]
    """Of the whole suite, one for each repeat."""
    wal_bytes: float | None
    blocks: float | None
    statements: int

    @property
    def duration_s(self) -> float | None:
        """Median over the repeats."""
        return median(self.durations_s) if self.durations_s else None


@dataclass(frozen=True, slots=True)
class Change:
    """From one run on a figure is another."""

    measure: Measure
    run_id: str
    """The first run after it."""
    at: int
    """Its position in the trend."""
    old: float
    """Geometric mean before, back to the change before it."""
    new: float
    runs: tuple[int, int]
    """How many runs these means are of."""

    @property
    def ratio(self) -> float:
        """New over old."""
        return self.new / self.old


@dataclass(frozen=True, slots=True)
class Trend:
    """The runs that can be compared with the latest one, and what changed between them."""

    suite: str
    entries: tuple[Entry, ...]
    """Oldest first; a run and its acceptance are one."""
    changes: tuple[Change, ...]
    others: int
    """Runs on other data, servers or machines, which are left out."""


def trend(suite: str, entries: Sequence[Entry]) -> Trend:
    """The trend up to the latest of a suite's entries, of which there is one at least."""
    latest = entries[-1].key
    alike: dict[str, Entry] = {}
    for entry in entries:
        if entry.key == latest and (entry.run_id not in alike or entry.because is not None):
            alike[entry.run_id] = entry
    kept = tuple(sorted(alike.values(), key=lambda entry: entry.started_at))
    changes = [change for measure in MEASURES for change in _changes(measure, kept)]
    others = len({entry.run_id for entry in entries}) - len(kept)
    return Trend(suite, kept, tuple(sorted(changes, key=lambda other: other.at)), others)


def value(entry: Entry, measure: Measure) -> float | None:
    """One figure of an entry."""
    found: float | None = getattr(entry, measure)
    return found


def _changes(measure: Measure, entries: Sequence[Entry]) -> Iterator[Change]:
    known = [(at, found) for at, entry in enumerate(entries) if (found := value(entry, measure))]
    logs = [math.log(found) for _, found in known]
    split: Callable[[Sequence[float]], list[int]] = change_points if measure == "duration_s" else exact_steps
    bounds = [0, *split(logs), len(logs)]
    for before, at, after in zip(bounds, bounds[1:], bounds[2:], strict=False):
        yield Change(
            measure,
            entries[known[at][0]].run_id,
            known[at][0],
            math.exp(fmean(logs[before:at])),
            math.exp(fmean(logs[at:after])),
            (at - before, after - at),
        )


def exact_steps(logs: Sequence[float]) -> list[int]:
    """Positions from which a counter differs from the one before by more than one per cent."""
    return [at for at in range(1, len(logs)) if abs(logs[at] - logs[at - 1]) > math.log1p(EXACT)]


def change_points(logs: Sequence[float]) -> list[int]:
    """Positions from which the mean is another.

    The segments of three runs and more whose squares, in units of the noise, plus a price for each are least:
    optimal partitioning (B. Jackson et al., IEEE Signal Process. Lett. 12, 2005). The noise is that between
    neighbours (the median of their absolute differences), which a step does not raise; 1 % at least.
    """
    n = len(logs)
    if n < 2 * LEAST:
        return []
    noise = max(_noise(logs), LEAST_NOISE)
    price = PRICE * math.log(n)
    sums, squares = [0.0, *accumulate(logs)], [0.0, *accumulate(v * v for v in logs)]

    def cost(begin: int, end: int) -> float:
        total = sums[end] - sums[begin]
        return (squares[end] - squares[begin] - total * total / (end - begin)) / noise**2

    best: list[tuple[float, int]] = [(-price, 0), *[(math.inf, 0)] * n]
    for end in range(LEAST, n + 1):
        best[end] = min(
            (best[begin][0] + cost(begin, end) + price, begin) for begin in range(end - LEAST + 1)
        )
    found, at = [], best[n][1]
    while at:
        found.append(at)
        at = best[at][1]
    return found[::-1]


def _noise(values: Sequence[float]) -> float:
    """Standard deviation of one value, from neighbours: 1.4826 median(|difference|) / √2."""
    return 1.4826 * median(abs(b - a) for a, b in pairwise(values)) / math.sqrt(2)
