"""Exact snapshots and samples put together: which lock was held from when to when, within which bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bench.model.lock import Lock, LockMode, LockSource
from bench.observe.clock import DeployClock
from bench.observe.intervals import SeenInterval
from bench.observe.relations import RelationCatalog

LockKey = tuple[int, str]
"""Relation oid and mode."""

Span = tuple[float, float]
"""Earliest and latest moment, as wall-clock readings in seconds."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock, the statement that took it, and between which moments it came and went."""

    oid: int
    mode: str
    statement: int
    granted: Span
    released: Span
    source: LockSource
    waited_s: float | None = 0.0


class HoldTracker:
    """Follows the locks of one session from snapshot to snapshot."""

    def __init__(self) -> None:
        self._held: dict[LockKey, tuple[int, Span]] = {}
        self.holds: list[Hold] = []

    def snapshot(self, statement: int, present: Iterable[LockKey], during: Span) -> None:
        """Locks held at the end of a statement that ran ``during``; those that are gone went in it."""
        now = set(present)
        self._release(self._held.keys() - now, during)
        for key in now - self._held.keys():
            self._held[key] = (statement, during)

    def release_all(self, during: Span) -> None:
        """The transaction ended ``during`` its COMMIT or ROLLBACK, or by an error."""
        self._release(set(self._held), during)

    def _release(self, keys: Iterable[LockKey], during: Span) -> None:
        for key in list(keys):
            statement, granted = self._held.pop(key)
            self.holds.append(Hold(*key, statement, granted, during, "exact"))


def refine(
    holds: Iterable[Hold], intervals: Iterable[SeenInterval], ran: dict[int, Span]
) -> tuple[Hold, ...]:
    """Narrow exact holds by what was sampled, and add the locks that only samples saw.

    ``ran`` gives the span in which each statement ran: a sampled lock cannot have come before its statement
    began, nor, where no snapshot shows it at the end, have lasted longer.
    """
    seen: dict[tuple[int, str, int], list[SeenInterval]] = {}
    waits: dict[tuple[int, str, int], float] = {}
    for interval in intervals:
        key = (interval.oid, interval.mode, interval.epoch)
        if interval.granted:
            seen.setdefault(key, []).append(interval)
        else:
            waited = max(interval.waiting_s or 0.0, interval.shortest_s)
            waits[key] = max(waits.get(key, 0.0), waited)
    refined = [_narrow(hold, seen.pop((hold.oid, hold.mode, hold.statement), [])) for hold in holds]
    kept_on = {(hold.oid, hold.mode, statement) for hold in refined for statement in _covers(hold, ran)}
    refined += [
        _sampled(interval, ran[interval.epoch])
        for key, found in seen.items()
        if key not in kept_on
        for interval in found
        if interval.epoch in ran
        and interval.not_after > ran[interval.epoch][0]
        # A sample answered after the statement's end may show what came later: a look of ours, or the next.
        and interval.seen_from <= ran[interval.epoch][1]
    ]
    return tuple(
        replace(hold, waited_s=waits.get((hold.oid, hold.mode, hold.statement), 0.0)) for hold in refined
    )


def _covers(hold: Hold, ran: dict[int, Span]) -> Iterable[int]:
    """Statements that ran while the lock was held."""
    return (
        statement for statement, (begin, _) in ran.items() if hold.granted[0] <= begin <= hold.released[1]
    )


def _narrow(hold: Hold, intervals: list[SeenInterval]) -> Hold:
    if not intervals:
        return hold
    last = max(intervals, key=lambda interval: interval.seen_to)
    low, high = hold.granted
    granted = (min(high, max(low, last.not_before)), max(low, min(high, last.seen_from)))
    return replace(hold, granted=granted)


def _sampled(interval: SeenInterval, ran: Span) -> Hold:
    begin, end = ran
    return Hold(
        interval.oid,
        interval.mode,
        interval.epoch,
        granted=(max(begin, interval.not_before), min(end, max(begin, interval.seen_from))),
        released=(min(end, max(begin, interval.seen_to)), min(end, interval.not_after)),
        source="sampled",
    )


def as_locks(
    holds: Iterable[Hold], catalog: RelationCatalog, clock: DeployClock
) -> dict[int, tuple[Lock, ...]]:
    """Locks by the statement that took them, strongest on existing relations first, on the deploy's clock."""
    by_statement: dict[int, list[Lock]] = {}
    for hold in holds:
        by_statement.setdefault(hold.statement, []).append(_as_lock(hold, catalog, clock))
    return {
        statement: tuple(sorted(locks, key=lambda lock: (lock.new, -lock.mode.strength, lock.relation)))
        for statement, locks in by_statement.items()
    }


def _as_lock(hold: Hold, catalog: RelationCatalog, clock: DeployClock) -> Lock:
    granted = [clock.at(moment) for moment in hold.granted]
    released = [clock.at(moment) for moment in hold.released]
    bounds = (max(0.0, released[0] - granted[1]), released[1] - granted[0])
    relation = catalog.find(hold.oid)
    return Lock(
        relation=catalog.name(hold.oid),
        mode=LockMode(hold.mode),
        target=relation.target if relation else "transient",
        new=not catalog.existed(hold.oid, hold.statement),
        source=hold.source,
        waited_s=hold.waited_s,
        held_s=(bounds[0] + bounds[1]) / 2,
        held_s_bounds=bounds,
        table=catalog.table_of(hold.oid),
        granted_at_s=granted[1],
        released_at_s=released[0],
        relkind=relation.relkind if relation else None,
    )
