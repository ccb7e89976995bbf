"""From runs at several sizes to series: durations, WAL and disk of statements, with what was counted."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.analyse.forecast.regime import memory, regime, settings_after
from bench.analyse.forecast.series import (
    DISK,
    DURATION,
    EXECUTION,
    PEAK,
    TEMP,
    WAL,
    Point,
    Quantity,
    Regime,
    Sample,
    Series,
)
from bench.model.forecast import WHOLE, Subject
from bench.model.run import MigrationRun, Repeat, Run
from bench.model.statement import StatementRun

PAGE_BYTES = 8192
_ANALYZED = re.compile(r"(?s)^.*?\bANALYZE\b(?:\s*\([^)]*\)|\s+VERBOSE\b)?", re.IGNORECASE)
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

    @property
    def rows_per_scale(self) -> float:
        """Rows of all tables together at scale 1, as far as this size tells it."""
        tables = self.run.dataset.tables if self.run.dataset is not None else ()
        return sum(table.rows for table in tables) / self.scale or 1.0


def sizes_of(runs: Iterable[Run]) -> tuple[Size, ...]:
    """The runs by ascending scale, each time set against the calibration query's in its repeat."""
    found = [(run.dataset.scale, run, run.solo) for run in runs if run.dataset is not None]
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
        for scale, run, repeats in sorted(known, key=lambda pair: pair[0])
    )


def statement_series(sizes: Sequence[Size]) -> Iterator[Series]:
    """Duration, WAL, growth on disk and temporary files of every statement that was applied at all sizes."""
    for m, migration in enumerate(sizes[-1].repeats[-1].migrations):
        for s, _ in enumerate(migration.statements):
            subject = Subject("statement", migration.id, migration.statements[s].index)
            runs = [[r.migrations[m].statements[s] for r in size.repeats] for size in sizes]
            if any(statement.outcome != "applied" for repeats in runs for statement in repeats):
                continue
            settings = [
                settings_after(
                    size.run.environment.server.settings, size.repeats[-1].migrations[m].statements[:s]
                )
                for size in sizes
            ]
            yield from _series(subject, sizes, runs, settings)


def _series(
    subject: Subject,
    sizes: Sequence[Size],
    runs: Sequence[Sequence[StatementRun]],
    settings: Sequence[Mapping[str, str]],
) -> Iterator[Series]:
    last = [repeats[-1] for repeats in runs]
    timed = [
        Point(
            size.scale,
            tuple(
                (statement.duration_s or 0.0) * factor
                for statement, factor in zip(repeats, size.speed, strict=True)
            ),
            work(repeats),
            regime(repeats[-1]),
            memory(repeats[-1], size.run, known),
        )
        for size, repeats, known in zip(sizes, runs, settings, strict=True)
    ]
    rows = sizes[-1].rows_per_scale
    yield Series(subject, DURATION, tuple(timed), rows=rows, sampled=_sample(last[-1], sizes[-1]))
    readers: tuple[tuple[Quantity, Callable[[StatementRun], int | None]], ...] = (
        (WAL, lambda run: run.counters.wal_bytes),
        (DISK, lambda run: run.counters.size_delta_bytes),
        (TEMP, lambda run: run.counters.temp_bytes),
    )
    for quantity, read in readers:
        points = [
            _written(point, [read(statement) for statement in repeats])
            for point, repeats in zip(timed, runs, strict=True)
        ]
        known = [point for point in points if point is not None]
        written = quantity is not TEMP or any(value for point in known for value in point.values)
        if len(known) == len(sizes) and written:
            yield Series(subject, quantity, tuple(known), rows=rows)


def _sample(run: StatementRun, size: Size) -> Sample | None:
    """The tables that ANALYZE samples; those that the migration made are not known."""
    if run.kind != "ANALYZE":
        return None
    named = [text.strip() for text in _ANALYZED.sub("", run.text).split(",")]
    tables = size.run.dataset.tables if size.run.dataset is not None else ()
    found = [
        table.rows / size.scale
        for name in named
        for table in tables
        if table.name in (name, f"public.{name}")
    ]
    return Sample(tuple(found), whole=len(found) == len(named))


def _written(point: Point, amounts: Sequence[int | None]) -> Point | None:
    """What was written at one size: its own counter, whatever plan wrote it."""
    known = tuple(float(amount) for amount in amounts if amount is not None)
    if not known:
        return None
    written = statistics.median(known)
    same = Regime(spilled=point.regime.spilled, rewrites=point.regime.rewrites)
    return Point(point.n, known, {"bytes written": written} if written >= 0 else {}, same, point.memory)


def work(repeats: Sequence[StatementRun]) -> dict[str, float]:
    """What a statement touched: pages and WAL together, and the rows that its plans handled where known."""
    found: dict[str, float] = {}
    touched = [_touched(statement) for statement in repeats]
    known = [value for value in touched if value is not None]
    if known:
        found["pages and WAL"] = statistics.median(known)
    rows = _rows_handled(repeats[-1])
    if rows is not None:
        found["rows handled"] = rows
    return found


def total_work(statements: Iterable[StatementRun]) -> dict[str, float]:
    """What several statements touched together, in one repeat."""
    total: dict[str, float] = {}
    for statement in statements:
        for name, amount in work([statement]).items():
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
    unknown_s = sum(plan.duration_s for plan in run.nested if plan.work is None)
    if unknown_s > UNKNOWN_SHARE * max(plan.duration_s for plan in run.nested):
        return None
    return sum(plan.work for plan in run.nested if plan.work is not None)


def pooled(subject: Subject, members: Sequence[Series]) -> Series:
    """Many small series as one: their sums at each size; their regimes and memory do not matter."""
    points = []
    for position, first in enumerate(members[0].points):
        at = [series.points[position] for series in members]
        # A counter may be missing in one repeat: as many as all have.
        values = tuple(sum(pair) for pair in zip(*(point.values for point in at), strict=False))
        # What has no counters, as SET and COMMIT have not, does nothing that grows.
        names = set[str]().union(*(point.counters for point in at))
        counters = {name: sum(point.counters.get(name, 0.0) for point in at) for name in names}
        points.append(Point(first.n, values, counters))
    return Series(subject, members[0].quantity, tuple(points), pooled=True, rows=members[0].rows)


def peak_series(sizes: Sequence[Size]) -> Iterator[Series]:
    """The most that each migration, and the deploy, takes on disk above what was there before it."""
    migrations = sizes[-1].repeats[-1].migrations
    for m, migration in enumerate(migrations):
        yield from _peak(Subject("migration", migration.id), sizes, slice(m, m + 1))
    if migrations:
        yield from _peak(WHOLE, sizes, slice(None))


def _peak(subject: Subject, sizes: Sequence[Size], which: slice) -> Iterator[Series]:
    points = []
    for size in sizes:
        peaks = [disk_peak(repeat.migrations[which]) for repeat in size.repeats]
        known = tuple(float(peak) for peak in peaks if peak is not None)
        if not known:
            return
        statements = [statement for run in size.repeats[-1].migrations[which] for statement in run.statements]
        points.append(Point(size.scale, known, total_work(statements)))
    yield Series(subject, PEAK, tuple(points), rows=sizes[-1].rows_per_scale)


def disk_peak(migrations: Sequence[MigrationRun]) -> int | None:
    """Bytes above the size before: what was added until then, and what a statement had beside it.

    A rewrite has the old file beside the new one until its commit, a sort its temporary files. WAL is not
    counted: how much of it is kept is up to the server. None where growth was not read.
    """
    grown = peak = 0
    for migration in migrations:
        for statement in migration.statements:
            delta = statement.counters.size_delta_bytes
            if delta is None:
                if statement.counters.wal_bytes:
                    return None
                continue
            rewritten = sum(rewrite.bytes or 0 for rewrite in statement.rewrites)
            peak = max(peak, grown + max(delta, rewritten) + (statement.counters.temp_bytes or 0))
            grown += delta
    return max(peak, grown)


def query_series(sizes: Sequence[Size]) -> Iterator[Series]:
    """What every view, function and query takes after the migrations, where all sizes have it."""
    for query in sizes[-1].run.queries:
        points = [point for size in sizes if (point := _query_point(size, query.name)) is not None]
        if len(points) == len(sizes):
            yield Series(
                Subject("query", query=query.name), EXECUTION, tuple(points), rows=sizes[-1].rows_per_scale
            )


def _query_point(size: Size, name: str) -> Point | None:
    cost = next((query.after for query in size.run.queries if query.name == name), None)
    if cost is None or not cost.execution_s_all:
        return None
    counters = {"pages": float(cost.blocks)} if cost.blocks is not None else {}
    speed = size.speed[-1]
    return Point(size.scale, tuple(seconds * speed for seconds in cost.execution_s_all), counters)
