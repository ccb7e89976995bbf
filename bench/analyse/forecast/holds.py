"""For how long a migration keeps a relation from others, at several sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analyse.forecast.measurements import Size, total_work
from bench.analyse.forecast.series import BLOCKED, HELD, Point, Series
from bench.model.forecast import Subject
from bench.model.lock import Lock
from bench.model.run import MigrationRun

Hold = tuple[int, Lock]
"""Index of the statement that took it, and the lock."""


def lock_series(sizes: Sequence[Size]) -> Iterator[Series]:
    """For each migration and relation that was there before: the longest hold that keeps writes waiting, and
    the time in all in which one of them does.
    """
    for m, migration in enumerate(sizes[-1].repeats[-1].migrations):
        for relation in sorted({lock.relation for _, lock in _holds(migration)}):
            longest, in_all = [], []
            for size in sizes:
                runs = [repeat.migrations[m] for repeat in size.repeats]
                holds = [_holds(run, relation) for run in runs]
                if not all(holds):
                    continue
                longest.append(
                    _point(size, [_longest(hold) for hold in holds], _meanwhile(runs[-1], relation))
                )
                in_all.append(_point(size, [_in_all(hold) for hold in holds], _under(runs[-1], relation)))
            if len(longest) == len(sizes):
                subject = Subject("lock", migration.id, relation=relation)
                yield Series(subject, HELD, tuple(longest), rows=sizes[-1].rows_per_scale)
                yield Series(subject, BLOCKED, tuple(in_all), rows=sizes[-1].rows_per_scale)


def _holds(migration: MigrationRun, relation: str | None = None) -> list[Hold]:
    return [
        (statement.index, lock)
        for statement in migration.statements
        for lock in statement.locks
        if lock.blocks_writes
        and lock.on_table
        and lock.held_s is not None
        and relation in (None, lock.relation)
    ]


def _point(size: Size, seconds: Sequence[float], counters: dict[str, float]) -> Point:
    values = tuple(value * factor for value, factor in zip(seconds, size.speed, strict=True))
    return Point(size.scale, values, counters)


def _longest(holds: Sequence[Hold]) -> float:
    return max(lock.held_s or 0.0 for _, lock in holds)


def _in_all(holds: Sequence[Hold]) -> float:
    """Length of the union of the holds, and all that repeat in one statement; the longest at least."""
    spans = sorted(
        (lock.granted_at_s, lock.granted_at_s + (lock.held_s or 0.0))
        for _, lock in holds
        if lock.granted_at_s is not None and lock.repeated is None
    )
    total, until = sum(lock.total_s or 0.0 for _, lock in holds if lock.repeated is not None), 0.0
    for begin, end in spans:
        total += max(end - max(begin, until), 0.0)
        until = max(until, end)
    return max(total, _longest(holds))


def _meanwhile(migration: MigrationRun, relation: str) -> dict[str, float]:
    """What the statements did that began while the relation's longest hold lasted."""
    index, longest = max(_holds(migration, relation), key=lambda hold: hold[1].held_s or 0.0)
    return _during(migration, [(index, longest)])


def _under(migration: MigrationRun, relation: str) -> dict[str, float]:
    """What the statements did that took such a lock, or began while it was held."""
    return _during(migration, _holds(migration, relation))


def _during(migration: MigrationRun, holds: Sequence[Hold]) -> dict[str, float]:
    return total_work(
        statement
        for statement in migration.statements
        if any(
            statement.index == index
            or (
                statement.index > index
                and lock.released_at_s is not None
                and (statement.started_at_s or 0.0) < lock.released_at_s
            )
            for index, lock in holds
        )
    )
