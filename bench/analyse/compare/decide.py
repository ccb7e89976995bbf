"""The decision over two records: key first, then kind, counters, times and budgets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from bench.analyse.compare import categorical, counters, wall
from bench.analyse.compare.categorical import access_gates, budget_gates
from bench.analyse.compare.match import (
    MigrationPair,
    StatementPair,
    differences,
    match_migrations,
    match_statements,
    require_comparable,
)
from bench.analyse.compare.result import Comparison, Decision, Gate, MigrationDecision, Ratio
from bench.model.record import MigrationRecord, Noise, Record, StatementRecord

LIMITS: dict[Literal["paired", "same machine", "other machine"], float] = {
    "paired": 1.25,
    "same machine": 1.40,
    "other machine": 1.50,
}
"""δ by design: the ratio from which a time is a regression."""


@dataclass(frozen=True, slots=True)
class _Times:
    """What judging one statement's time needs of the whole suite."""

    paired: bool
    pacers: tuple[wall.Pacer, ...]
    statements: int
    """How many of the suite are timed."""
    pooled: float
    limit: float
    final: bool


def compare(
    base: Record,
    head: Record,
    *,
    paired: bool = False,
    final: bool = False,
    noise: Noise | None = None,
    limit: float | None = None,
) -> Comparison:
    """Decide what got worse from ``base`` to ``head``.

    ``paired``: repeat n of both sides ran one after the other in one job. ``final``: no more repeats will
    come, so what stays open is a warning. ``noise``: what this machine's times do, which
    widens the design's limit. ``limit``: in place of either. Raises NotComparableError naming the keys that
    differ.
    """
    require_comparable(base, head)
    machine = differences(base.machine, head.machine)
    design: Literal["paired", "same machine", "other machine"] = (
        "paired" if paired else "other machine" if machine else "same machine"
    )
    if limit is None:
        learnt = 0.0 if noise is None else noise.in_turn if paired else noise.stored
        limit = max(LIMITS[design], learnt)
    pairs = [(migration, _statements(migration)) for migration in match_migrations(base, head)]
    matched = [(s.base, s.head, s.presence) for _, found in pairs for s in found if s.base and s.head]
    pacers = tuple(
        pacer
        for old, new, presence in matched
        if presence == "both" and (pacer := wall.pacer(old, new)) is not None
    )
    suite = [
        timed
        for old, new, _ in matched
        if not wall.is_short(old, new)
        if (timed := wall.logs(old, new, paired=paired, pacers=pacers)) is not None
    ]
    times = _Times(paired, pacers, len(suite), wall.pooled_variance(suite), limit, final)
    migrations = tuple(_migration(pair, row, times, head.pages) for pair, row in pairs)
    ratios = [
        s.ratio.head_s / s.ratio.base_s for decision in migrations for s in decision.statements if s.ratio
    ]
    return Comparison(
        suite=head.suite,
        base=base.run_id,
        head=head.run_id,
        limit=limit,
        design=design,
        migrations=migrations,
        queries=tuple(_queries(base, head)),
        gates=(*categorical.proof_gates(base, head), *access_gates(base, head), *budget_gates(base, head)),
        machine=machine,
        geometric_mean=math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None,
        timed=len(ratios),
        path=head.path,
        noise=noise,
    )


def _statements(pair: MigrationPair) -> tuple[StatementPair, ...]:
    old = pair.base.statements if pair.base else ()
    new = pair.head.statements if pair.head else ()
    return match_statements(old, new)


def _migration(
    pair: MigrationPair, statements: Sequence[StatementPair], times: _Times, pages: Mapping[str, int]
) -> MigrationDecision:
    shown = pair.head or pair.base
    assert shown is not None
    verdicts = tuple(_statement(shown, pair, statement, times, pages) for statement in statements)
    gates: list[Gate] = []
    if pair.base and pair.head:
        gates += _outcome_gates(pair.base, pair.head)
        changed = [
            (statement.base, statement.head) for statement in statements if statement.presence != "both"
        ]
        if any(base is None for base, _ in changed):
            gates += counters.added_work(changed)
    elif pair.head and pair.head.outcome == "failed":
        gates.append(Gate("E0", "error", "fail", pair.head.file, None, "failed", note="it was added"))
    was = pair.base.id if pair.base and pair.presence == "renamed" else None
    return MigrationDecision(shown.id, shown.file, pair.presence, verdicts, tuple(gates), was)


def _outcome_gates(base: MigrationRecord, head: MigrationRecord) -> Iterator[Gate]:
    if base.outcome == head.outcome:
        return
    outcome: Literal["fail", "improved"] = "improved" if head.outcome == "applied" else "fail"
    yield Gate("E0", "error", outcome, head.file, base.outcome, head.outcome)


def _statement(
    migration: MigrationRecord,
    among: MigrationPair,
    pair: StatementPair,
    times: _Times,
    pages: Mapping[str, int],
) -> Decision:
    shown = pair.head or pair.base
    assert shown is not None
    verdict = Decision(migration.id, migration.file, shown.line, shown.kind, shown.text, pair.presence)
    if pair.base is None or pair.head is None:
        if among.base is None or pair.head is None:
            return verdict
        return replace(verdict, gates=tuple(categorical.added_gates(among.base, pair.head, pages)))
    exact = chain(
        categorical.statement_gates(pair.base, pair.head, pages),
        counters.counter_gates(pair.base, pair.head),
    )
    timed, measured = _time(pair.base, pair.head, times)
    return replace(verdict, gates=(*exact, *timed), ratio=measured)


def _time(
    base: StatementRecord, head: StatementRecord, times: _Times
) -> tuple[tuple[Gate, ...], Ratio | None]:
    if wall.is_short(base, head):
        return (), None
    logs = wall.logs(base, head, paired=times.paired, pacers=times.pacers)
    note: str | None = None
    if logs is None:
        note = f"needs {wall.FEWEST} repeats on each side"
        outcome: Literal["warn", "inconclusive"] = "warn" if times.final else "inconclusive"
        return (Gate("W", "wall-time", outcome, "duration", None, None, "s", note),), None
    measured = wall.ratio(logs, times.pooled, times.limit)
    decided = wall.judge(measured)
    if decided == "fail" and not wall.shown_twice(logs, times.limit):
        decided, note = "warn", "the repeats that were added do not show it again"
    if decided == "fail" and not wall.surely_slower(logs, times.pooled, times.statements):
        decided, note = "inconclusive", "chance alone does as much to one of the suite's statements"
    if decided == "inconclusive" and times.final:
        decided, note = "warn", note or "still open after the repeats that were added"
    return (Gate("W", "wall-time", decided, "duration", logs.base_s, logs.head_s, "s", note),), measured


def _queries(base: Record, head: Record) -> Iterator[Decision]:
    old = {record.name: record for record in base.queries}
    for record in head.queries:
        before = old.pop(record.name, None)
        gates = tuple(categorical.query_gates(before, record)) if before else ()
        yield Decision("", "", 0, "query", record.name, "both" if before else "added", gates)
    for missing in old:
        gone = Gate("E0", "query", "warn", missing, "costed", None, note="the head's side does not have it")
        yield Decision("", "", 0, "query", missing, "missing", (gone,))
