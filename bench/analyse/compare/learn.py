"""What a machine's times do where nothing changed: a suite against itself, drawn from its own repeats."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain

from bench.analyse.compare import wall
from bench.analyse.compare.decide import LIMITS, compare
from bench.analyse.compare.match import machine_digest
from bench.analyse.compare.result import Comparison
from bench.errors import UsageError
from bench.model.record import MigrationRecord, Noise, Record, StatementRecord

FEWEST_REPEATS = 20
"""Ten pairs, as many as ``bench run --against`` measures at most."""
DRAWS = 200
FALSE_ALARMS = 0.01
"""Share of the suites compared with themselves that may fail."""
GRID = (1.25, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0)
FIRST, ADDED = wall.ENOUGH, wall.ENOUGH

Draw = tuple[Sequence[int], Sequence[int]]
"""The repeats of base and head."""


def learn(side: Record, seed: int = 1) -> Noise:
    """The limits that at most one in a hundred comparisons of a suite with itself reaches.

    ``side`` has 20 repeats or more of a suite in which nothing changed. Raises UsageError: too few repeats,
    or no statement long enough to be timed.
    """
    if count(side) < FEWEST_REPEATS:
        raise UsageError(
            f"{side.run_id} has {count(side)} repeats of every statement",
            f"noise is learnt from {FEWEST_REPEATS} or more: bench aa",
        )
    light = timed_alone(side)
    statements = sum(not wall.is_short(one, one) for record in light.migrations for one in record.statements)
    if not statements:
        raise UsageError(
            f"no statement of {side.suite} takes {wall.SHORT_S:g} s here, so there is no time to compare",
            "learn from a larger --scale",
        )
    rng = random.Random(seed)
    in_turn = [_smallest(light, draw, paired=True) for draw in (_in_turn(side, rng) for _ in range(DRAWS))]
    stored = [_smallest(light, draw, paired=False) for draw in (_stored(side, rng) for _ in range(DRAWS))]
    return Noise(
        machine=machine_digest(side.machine),
        learnt_at=datetime.now(UTC).isoformat(timespec="seconds"),
        run_id=side.run_id,
        suite=side.suite,
        repeats=count(side),
        statements=statements,
        draws=DRAWS,
        in_turn=_reached(in_turn),
        stored=_reached(stored),
        in_turn_alarms=sum(value > LIMITS["paired"] for value in in_turn) / DRAWS,
        stored_alarms=sum(value > LIMITS["same machine"] for value in stored) / DRAWS,
    )


def _in_turn(side: Record, rng: random.Random) -> Draw:
    """Ten pairs of repeats that ran one right after the other, in random order within each."""
    firsts = rng.sample(range(0, count(side) - 1, 2), FIRST + ADDED)
    pairs = [rng.choice(((at, at + 1), (at + 1, at))) for at in firsts]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _stored(side: Record, rng: random.Random) -> Draw:
    """Two runs of five repeats, each without a gap, one before the other."""
    n = count(side)
    first = rng.randrange(0, n - 2 * FIRST + 1)
    second = rng.randrange(first + FIRST, n - FIRST + 1)
    runs = (range(first, first + FIRST), range(second, second + FIRST))
    return runs if rng.random() < 0.5 else runs[::-1]


def _smallest(side: Record, draw: Draw, *, paired: bool) -> float:
    """The smallest limit of the grid at which nothing fails; beyond its end, twice the last."""
    fails = _in_turn_fails if paired else _stored_fails
    return next((limit for limit in GRID if not fails(side, draw, limit)), 2 * GRID[-1])


def _in_turn_fails(side: Record, draw: Draw, limit: float) -> bool:
    old, new = draw
    first = compare(drawn(side, old[:FIRST]), drawn(side, new[:FIRST]), paired=True, limit=limit)
    if not first.wants_repeats:
        return False
    both = drawn(side, old), drawn(side, new)
    return _fails(compare(*both, paired=True, final=True, limit=limit))


def _stored_fails(side: Record, draw: Draw, limit: float) -> bool:
    old, new = draw
    return _fails(compare(drawn(side, old), drawn(side, new), final=True, limit=limit))


def _fails(decided: Comparison) -> bool:
    gates = chain.from_iterable(decision.gates for decision in decided.verdicts)
    return any(gate.level == "W" and gate.outcome == "fail" for gate in gates)


def _reached(limits: Sequence[float]) -> float:
    """The smallest limit that is enough for all but one in a hundred."""
    allowed = FALSE_ALARMS * len(limits)
    return next((at for at in GRID if sum(limit > at for limit in limits) <= allowed), 2 * GRID[-1])


def count(side: Record) -> int:
    """How many repeats every statement of it has."""
    found = [len(one.durations_s) for record in side.migrations for one in record.statements]
    return min(found, default=0)


def drawn(side: Record, at: Sequence[int], slower: Mapping[str, float] | None = None) -> Record:
    """The side with these repeats alone; ``slower``: digests of statements whose times take a factor."""

    def of(one: StatementRecord) -> StatementRecord:
        factor = (slower or {}).get(one.sha256, 1.0)
        times = [one.durations_s[number] for number in at]
        return replace(
            one,
            durations_s=tuple(None if value is None else value * factor for value in times),
            calibrations_s=tuple(one.calibrations_s[number] for number in at),
            rows=tuple(one.rows[number] for number in at),
            counters={name: tuple(values[number] for number in at) for name, values in one.counters.items()},
        )

    def whole(record: MigrationRecord) -> MigrationRecord:
        return replace(record, statements=tuple(of(one) for one in record.statements))

    return replace(side, migrations=tuple(whole(record) for record in side.migrations))


def timed_alone(side: Record) -> Record:
    """Without the statements that are too short to be timed or to tell the pace."""
    return replace(
        side,
        queries=(),
        migrations=tuple(
            replace(
                record, statements=tuple(one for one in record.statements if wall.pacer(one, one) is not None)
            )
            for record in side.migrations
        ),
    )
