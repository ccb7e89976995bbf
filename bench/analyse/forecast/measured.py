"""From runs at several sizes to series: durations, WAL and disk of statements, with what was counted."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.analyse.forecast.regime import memory, regime
from bench.analyse.forecast.series import DISK, DURATION, TEMP, WAL, Point, Quantity, Series
from bench.analyse.summary import solo_repeats
from bench.model.run import Repeat, Run
from bench.model.statement import StatementRun

PAGE_BYTES = 8192
UNKNOWN_SHARE = 0.1
"""The rows that plans handled count as known where what left no plan took no more than this share."""


@dataclass(frozen=True, slots=True)
class Size:
    """A run at one size, and how fast its machine was in each repeat."""

    scale: float
    run: Run
    repeats: tuple[Repeat, ...]
    speed: tuple[float, ...]
    """By which each repeat's times are multiplied to be those of a machine as fast as in the middle."""


def sizes_of(runs: Iterable[Run]) -> tuple[Size, ...]:
    """The runs by ascending scale, each time set against the calibration query's in its repeat."""
    found = [(run.dataset.scale, run, solo_repeats(run)) for run in runs if run.dataset is not None]
    known = [(scale, run, tuple(repeats)) for scale, run, repeats in found if scale is not None and repeats]
    readings = [r.calibration_s for _, _, repeats in known for r in repeats if r.calibration_s]
    usual = statistics.median(readings) if readings else None
    return tuple(
        Size(
            scale,
            run,
            repeats,
            tuple(usual / r.calibration_s if usual and r.calibration_s else 1.0 for r in repeats),
        )
        for scale, run, repeats in sorted(known, key=lambda each: each[0])
    )


def statement_series(sizes: Sequence[Size]) -> Iterator[Series]:
    """Duration, WAL, growth on disk and temporary files of every statement that was applied at all sizes."""
    for m, migration in enumerate(sizes[-1].repeats[-1].migrations):
        for s, _ in enumerate(migration.statements):
            subject = f"statement:{migration.id}#{migration.statements[s].index}"
            runs = [[r.migrations[m].statements[s] for r in size.repeats] for size in sizes]
            if any(each.outcome != "applied" for repeats in runs for each in repeats):
                continue
            yield from _series(subject, sizes, runs)


def _series(subject: str, sizes: Sequence[Size], runs: Sequence[Sequence[StatementRun]]) -> Iterator[Series]:
    readers: tuple[tuple[Quantity, Callable[[StatementRun], float | None]], ...] = (
        (DURATION, lambda run: run.duration_s),
        (WAL, lambda run: run.counters.wal_bytes),
        (DISK, lambda run: run.counters.size_delta_bytes),
        (TEMP, lambda run: run.counters.temp_bytes),
    )
    for quantity, read in readers:
        points = []
        for size, repeats in zip(sizes, runs, strict=True):
            speed = size.speed if quantity is DURATION else (1.0,) * len(repeats)
            values = tuple(
                float(value) * factor
                for value, factor in zip(map(read, repeats), speed, strict=True)
                if value is not None
            )
            if values:
                last = repeats[-1]
                points.append(Point(size.scale, values, work(repeats), regime(last), memory(last, size.run)))
        written = quantity is not TEMP or any(value for point in points for value in point.values)
        if len(points) == len(sizes) and written:
            yield Series(subject, quantity, tuple(points))


def work(repeats: Sequence[StatementRun]) -> dict[str, float]:
    """What a statement touched: pages and WAL together, and the rows that its plans handled where known."""
    found: dict[str, float] = {}
    touched = [_touched(each) for each in repeats]
    known = [each for each in touched if each is not None]
    if known:
        found["pages and WAL"] = statistics.median(known)
    rows = _rows_handled(repeats[-1])
    if rows is not None:
        found["rows handled"] = rows
    return found


def total_work(statements: Iterable[StatementRun]) -> dict[str, float]:
    """What several statements touched together, in one repeat."""
    total: dict[str, float] = {}
    for each in statements:
        for name, amount in work([each]).items():
            total[name] = total.get(name, 0.0) + amount
    return total


def _touched(run: StatementRun) -> float | None:
    counters = run.counters
    if counters.blocks_hit is None or counters.blocks_read is None or counters.wal_bytes is None:
        return None
    return counters.blocks_hit + counters.blocks_read + counters.wal_bytes / PAGE_BYTES


def _rows_handled(run: StatementRun) -> float | None:
    if not run.nested:
        return None
    unknown_s = sum(each.duration_s for each in run.nested if each.work is None)
    if unknown_s > UNKNOWN_SHARE * max(each.duration_s for each in run.nested):
        return None
    return sum(each.work for each in run.nested if each.work is not None)


def pooled(subject: str, members: Sequence[Series]) -> Series:
    """Many small series as one: their sums at each size; their regimes and memory do not matter."""
    points = []
    for position, first in enumerate(members[0].points):
        at = [each.points[position] for each in members]
        values = tuple(sum(each) for each in zip(*(point.values for point in at), strict=True))
        names = set.intersection(*(set(point.counters) for point in at))
        counters = {name: sum(point.counters[name] for point in at) for name in names}
        points.append(Point(first.n, values, counters))
    return Series(subject, members[0].quantity, tuple(points), pooled=True)
