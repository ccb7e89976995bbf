"""What is a migration's or the deploy's as a whole, and what queries take after it, at several sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analyse.forecast.measured import Size, total_work
from bench.analyse.forecast.series import EXECUTION, PEAK, Point, Series
from bench.model.run import MigrationRun


def peak_series(sizes: Sequence[Size]) -> Iterator[Series]:
    """The most that each migration, and the deploy, takes on disk above what was there before it."""
    migrations = sizes[-1].repeats[-1].migrations
    for m, migration in enumerate(migrations):
        yield from _peak(f"migration:{migration.id}", sizes, slice(m, m + 1))
    if migrations:
        yield from _peak("all", sizes, slice(None))


def _peak(subject: str, sizes: Sequence[Size], which: slice) -> Iterator[Series]:
    points = []
    for size in sizes:
        peaks = [disk_peak(repeat.migrations[which]) for repeat in size.repeats]
        known = tuple(float(peak) for peak in peaks if peak is not None)
        if not known:
            return
        statements = [each for run in size.repeats[-1].migrations[which] for each in run.statements]
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
            rewritten = sum(each.bytes or 0 for each in statement.rewrites)
            peak = max(peak, grown + max(delta, rewritten) + (statement.counters.temp_bytes or 0))
            grown += delta
    return max(peak, grown)


def query_series(sizes: Sequence[Size]) -> Iterator[Series]:
    """What every view, function and query takes after the migrations, where all sizes have it."""
    for query in sizes[-1].run.queries:
        points = [point for size in sizes if (point := _query_point(size, query.name)) is not None]
        if len(points) == len(sizes):
            yield Series(f"query:{query.name}", EXECUTION, tuple(points), rows=sizes[-1].rows_per_scale)


def _query_point(size: Size, name: str) -> Point | None:
    cost = next((each.after for each in size.run.queries if each.name == name), None)
    if cost is None or not cost.execution_s_all:
        return None
    counters = {"pages": float(cost.blocks)} if cost.blocks is not None else {}
    speed = size.speed[-1]
    return Point(size.scale, tuple(seconds * speed for seconds in cost.execution_s_all), counters)
