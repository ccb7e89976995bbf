"""A side with some of its repeats alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.analyse.compare import wall
from bench.model.record import MigrationRecord, Record, StatementRecord


def count(side: Record) -> int:
    """How many repeats every statement of it has."""
    found = [len(one.durations_s) for each in side.migrations for one in each.statements]
    return min(found, default=0)


def drawn(side: Record, at: Sequence[int], slower: Mapping[str, float] | None = None) -> Record:
    """The side with these repeats alone; ``slower``: digests of statements whose times take a factor."""

    def of(one: StatementRecord) -> StatementRecord:
        factor = (slower or {}).get(one.sha256, 1.0)
        times = [one.durations_s[each] for each in at]
        return replace(
            one,
            durations_s=tuple(None if value is None else value * factor for value in times),
            calibrations_s=tuple(one.calibrations_s[each] for each in at),
            rows=tuple(one.rows[each] for each in at),
            counters={name: tuple(values[each] for each in at) for name, values in one.counters.items()},
        )

    def whole(each: MigrationRecord) -> MigrationRecord:
        return replace(each, statements=tuple(of(one) for one in each.statements))

    return replace(side, migrations=tuple(whole(each) for each in side.migrations))


def timed_alone(side: Record) -> Record:
    """Without the statements that are too short to be timed or to tell the pace."""
    return replace(
        side,
        queries=(),
        migrations=tuple(
            replace(
                each, statements=tuple(one for one in each.statements if wall.pacer(one, one) is not None)
            )
            for each in side.migrations
        ),
    )
