"""Comparisons drawn from recorded repeats: identical suites, planted regressions, and what other tools say.

``tests/data/repeats`` holds real repeats of one suite, alone and beside a busy loop on each core, and of a
small suite with and without each regression beside the same. ``tests/perf/record_repeats.py`` made them.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.analyse.compare.decide import compare
from bench.analyse.compare.result import Comparison
from bench.model.record import Record, StatementRecord
from bench.store.baseline import decode_record

REPEATS = Path(__file__).parent / "data" / "repeats"
FIRST, ALL = 5, 10
"""Pairs of the first look, and with those that are added."""


def recorded(name: str) -> Record:
    """A side with all its repeats."""
    path = REPEATS / f"{name}.json.gz"
    return decode_record(gzip.decompress(path.read_bytes()), str(path))


def count(side: Record) -> int:
    """How many repeats it has."""
    return len(side.migrations[0].statements[0].durations_s)


def drawn(side: Record, at: Sequence[int], slower: dict[str, float] | None = None) -> Record:
    """The side with these repeats alone; statements of some digests slower by a factor."""

    def of(one: StatementRecord) -> StatementRecord:
        factor = (slower or {}).get(one.sha256, 1.0)
        return replace(
            one,
            durations_s=tuple(v and v * factor for i in at if (v := one.durations_s[i]) is not None),
            calibrations_s=tuple(one.calibrations_s[i] for i in at),
            rows=tuple(one.rows[i] for i in at),
            counters={name: tuple(values[i] for i in at) for name, values in one.counters.items()},
        )

    migrations = [
        replace(each, statements=tuple(of(one) for one in each.statements)) for each in side.migrations
    ]
    return replace(side, migrations=tuple(migrations))


def identical(side: Record, rng: random.Random, pairs: int = ALL) -> tuple[list[int], list[int]]:
    """Two sides of repeats that ran one right after the other, in random order within each pair."""
    firsts = rng.sample(range(0, count(side) - 1, 2), pairs)
    orders = [rng.choice(((at, at + 1), (at + 1, at))) for at in firsts]
    return [a for a, _ in orders], [b for _, b in orders]


def in_turn(
    base: Record, head: Record, old: Sequence[int], new: Sequence[int], slower: dict[str, float] | None = None
) -> Comparison:
    """What ``bench run --against`` decides: five pairs first, five more where times are open or accused."""
    first = compare(drawn(base, old[:FIRST]), drawn(head, new[:FIRST], slower), paired=True)
    if not any(
        g.level == "W" and g.outcome in ("fail", "inconclusive") for v in first.verdicts for g in v.gates
    ):
        return first
    return compare(drawn(base, old), drawn(head, new, slower), paired=True, final=True)


def timed(side: Record, least_s: float = 0.05) -> Iterator[StatementRecord]:
    """The statements whose times count."""
    for migration in side.migrations:
        for each in migration.statements:
            known = sorted(v for v in each.durations_s if v)
            if known and known[len(known) // 2] >= least_s:
                yield each
