"""Comparisons drawn from recorded repeats: identical suites, planted regressions, and what other tools say.

``tests/data/repeats`` holds real repeats of the CRM suite, alone and beside a busy loop on each core, and of
a small suite with and without each regression beside the same. ``tests/perf/record_repeats.py`` made them.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import other_gates

from bench.analyse.compare import wall
from bench.analyse.compare.decide import compare
from bench.analyse.compare.learn import count, drawn, timed_alone
from bench.analyse.compare.result import Comparison, Gate
from bench.model.record import Record, StatementRecord
from bench.store.baseline import decode_record

REPEATS = Path(__file__).parent / "data" / "repeats"
SLOWER = 1.5
FIRST, ALL = 5, 10
"""Pairs of the first look, and with those that are added."""


def recorded(name: str) -> Record:
    """A side with all its repeats."""
    path = REPEATS / f"{name}.json.gz"
    return decode_record(gzip.decompress(path.read_bytes()), str(path))


def joined(names: Sequence[str]) -> Record:
    """The same suite of several recordings as one side, with the repeats of all."""
    sides = [recorded(name) for name in names]
    migrations = [
        replace(first, statements=tuple(_joined(each) for each in zip(*of, strict=True)))
        for first, of in (
            (each, [side.migrations[at].statements for side in sides])
            for at, each in enumerate(sides[0].migrations)
        )
    ]
    return replace(sides[0], migrations=tuple(migrations))


def _joined(of: Sequence[StatementRecord]) -> StatementRecord:
    def one_after_the_other(values: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
        return tuple(chain.from_iterable(values))

    return replace(
        of[0],
        durations_s=one_after_the_other(each.durations_s for each in of),
        calibrations_s=one_after_the_other(each.calibrations_s for each in of),
        rows=one_after_the_other(each.rows for each in of),
        counters={name: one_after_the_other(each.counters[name] for each in of) for name in of[0].counters},
    )


def same(side: Record, rng: random.Random, pairs: int = ALL) -> tuple[list[int], list[int]]:
    """Two sides of repeats that ran one right after the other, in random order within each pair."""
    firsts = rng.sample(range(0, count(side) - 1, 2), pairs)
    orders = [rng.choice(((at, at + 1), (at + 1, at))) for at in firsts]
    return [a for a, _ in orders], [b for _, b in orders]


def in_turn(
    base: Record,
    head: Record,
    old: Sequence[int],
    new: Sequence[int],
    slower: Mapping[str, float] | None = None,
) -> Comparison:
    """What ``bench run --against`` decides: five pairs first, five more where times are open or accused."""
    first = compare(drawn(base, old[:FIRST]), drawn(head, new[:FIRST], slower), paired=True)
    if not first.wants_repeats:
        return first
    return compare(drawn(base, old), drawn(head, new, slower), paired=True, final=True)


def gates(comparison: Comparison, *levels: str) -> list[Gate]:
    """Everything that was judged, of some levels."""
    found = [*comparison.gates, *(gate for each in comparison.migrations for gate in each.gates)]
    found += [gate for each in comparison.verdicts for gate in each.gates]
    return [gate for gate in found if gate.level in levels]


def timed(side: Record) -> list[StatementRecord]:
    """The statements whose times count."""
    found = [one for each in side.migrations for one in each.statements]
    return [one for one in found if not wall.is_short(one, one)]


@dataclass
class Score:
    """How often a rule alarmed over identical suites, and found a statement 1.5 times as slow."""

    alarms: int = 0
    found: int = 0


def scores(
    side: Record, draws: int, seed: int = 1, rules: Mapping[str, other_gates.Rule] = other_gates.RULES
) -> dict[str, Score]:
    """Each rule on the same draws: ours in turn, the others with as many repeats on each side."""
    rng, light = random.Random(seed), timed_alone(side)
    told = {"pgrehearse": Score()} | {f"{name}, n = {n}": Score() for name in rules for n in (FIRST, ALL)}
    for _ in range(draws):
        old, new = same(side, rng)
        victim = rng.choice(timed(light))
        told["pgrehearse"].alarms += bool(failed(in_turn(light, light, old, new)))
        slow = failed(in_turn(light, light, old, new, {victim.sha256: SLOWER}))
        told["pgrehearse"].found += (victim.line, victim.text) in slow
        for name, rule in rules.items():
            for n in (FIRST, ALL):
                score = told[f"{name}, n = {n}"]
                score.alarms += any(rule(*_times(one, old[:n], new[:n])) for one in timed(light))
                base, head = _times(victim, old[:n], new[:n])
                score.found += rule(base, [SLOWER * value for value in head])
    return told


def failed(comparison: Comparison) -> set[tuple[int, str]]:
    """Lines and texts of the statements whose time failed."""
    return {
        (each.line, each.text)
        for each in comparison.verdicts
        for gate in each.gates
        if (gate.level, gate.outcome) == ("W", "fail")
    }


def _times(one: StatementRecord, old: Sequence[int], new: Sequence[int]) -> tuple[list[float], list[float]]:
    return [one.durations_s[at] or 0.0 for at in old], [one.durations_s[at] or 0.0 for at in new]
