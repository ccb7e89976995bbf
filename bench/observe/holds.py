"""Exact snapshots and samples put together: which lock was held from when to when, within which bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf

from bench.model.lock import Lock, LockMode, LockSource, put_together
from bench.observe.clock import DeployClock
from bench.observe.intervals import Look, SeenInterval
from bench.observe.intervals import Span as Span
from bench.observe.relations import RelationCatalog

LockKey = tuple[int, str]
"""Relation oid and mode."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock, the statement that took it, and between which moments it came and went."""

    oid: int
    mode: str
    statement: int
    granted: Span
    released: Span
    source: LockSource
    waited: Span | None = None
    """Shortest and longest wait for it; None where that is not known."""
    wait_seen: bool = False


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
    holds: Iterable[Hold],
    intervals: Iterable[SeenInterval],
    ran: Mapping[int, Span],
    looks: Iterable[Look] = (),
) -> tuple[Hold, ...]:
    """Narrow exact holds by what was sampled, and add the locks that only samples saw.

    ``ran`` gives the span in which each statement ran: a sampled lock cannot have come before its statement
    began, nor, where no snapshot shows it at the end, have lasted longer. ``looks`` are the samples: one that
    does not show a lock says as much about it as one that does.
    """
    samples = _Samples(intervals, looks)
    refined: list[Hold] = []
    inside: list[SeenInterval] = []
    for hold in holds:
        own = samples.granted.pop((hold.oid, hold.mode, hold.statement), [])
        if hold.source == "exact":
            hold, before = _narrow(hold, own, samples)
            inside += before
        refined.append(hold)
    kept_on = {(hold.oid, hold.mode, statement) for hold in refined for statement in _outlives(hold, ran)}
    inside += [seen for key, found in samples.granted.items() if key not in kept_on for seen in found]
    refined += [
        _sampled(seen, ran[seen.epoch])
        for seen in inside
        if seen.epoch in ran and _shows(seen, ran[seen.epoch])
    ]
    return tuple(hold if hold.source == "frozen" else _waited(hold, samples, ran) for hold in refined)


_Key = tuple[int, str, int]
"""Relation oid, mode and statement."""


class _Samples:
    """Intervals by lock and statement, in order, and the samples that they come from."""

    def __init__(self, intervals: Iterable[SeenInterval], looks: Iterable[Look]) -> None:
        self.granted: dict[_Key, list[SeenInterval]] = {}
        self.awaited: dict[_Key, list[SeenInterval]] = {}
        self._shown: dict[LockKey, list[SeenInterval]] = {}
        self._looks: dict[int, list[Look]] = {}
        for seen in sorted(intervals, key=lambda seen: seen.first):
            kind = self.granted if seen.granted else self.awaited
            kind.setdefault((seen.oid, seen.mode, seen.epoch), []).append(seen)
            if seen.granted:
                self._shown.setdefault((seen.oid, seen.mode), []).append(seen)
        for look in looks:
            self._looks.setdefault(look.epoch, []).append(look)

    def last_look(self, statement: int, by: float) -> float:
        """When the statement's last sample was sent that was answered until then."""
        return max(
            (look.sent for look in self._looks.get(statement, ()) if look.received <= by), default=-inf
        )

    def last_shown(self, lock: LockKey, by: float) -> float:
        """When the last sample of an interval of the lock was sent that was answered by then."""
        return max((seen.last[0] for seen in self._shown.get(lock, ()) if seen.last[1] <= by), default=-inf)


def _narrow(hold: Hold, own: list[SeenInterval], samples: _Samples) -> tuple[Hold, list[SeenInterval]]:
    """The hold within its statement's samples, and the earlier holds of the same lock in that statement.

    An exact hold lasted at the statement's end. So it is the last interval, unless that one ended before.
    """
    _, high = hold.granted
    before, last = own, None
    if own and own[-1].gone[1] > high:
        before, last = own[:-1], own[-1]
    if last is None:
        granted = (_within(hold.granted, samples.last_look(hold.statement, high)), high)
    elif last.gone[0] >= high:
        granted = (_within(hold.granted, last.not_before), _within(hold.granted, last.first[1]))
    else:  # whether it was gone before the statement's end, and came back, cannot be told
        granted = (_within(hold.granted, last.not_before), high)
    released = _within(hold.released, samples.last_shown((hold.oid, hold.mode), hold.released[1]))
    return replace(hold, granted=granted, released=(released, hold.released[1])), before


def _outlives(hold: Hold, ran: Mapping[int, Span]) -> Iterable[int]:
    """Later statements that began while the lock was held."""
    return (
        statement
        for statement, (begin, _) in ran.items()
        if statement != hold.statement and hold.granted[0] <= begin <= hold.released[1]
    )


def _shows(seen: SeenInterval, ran: Span) -> bool:
    """Whether the lock was the statement's own.

    It was not where it had gone before the statement began again, outside the transaction that it refused;
    nor where it came after the statement's end, with the harness's reads.
    """
    return seen.last[1] >= ran[0] and seen.first[0] <= ran[1]


def _sampled(seen: SeenInterval, ran: Span) -> Hold:
    surely_held = seen.first[1] if seen.first[0] >= ran[0] else seen.last[1]
    return Hold(
        seen.oid,
        seen.mode,
        seen.epoch,
        granted=(_within(ran, seen.not_before), _within(ran, surely_held)),
        released=(_within(ran, seen.last[0]), _within(ran, seen.gone[1])),
        source="sampled",
    )


def _waited(hold: Hold, samples: _Samples, ran: Mapping[int, Span]) -> Hold:
    """With its wait, which ended with the grant; one that no sample shows fits between two of them."""
    low, high = hold.granted
    waits = samples.awaited.get((hold.oid, hold.mode, hold.statement), ())
    ended = [seen for seen in waits if seen.last[0] <= high and seen.gone[1] >= low]
    if not ended:
        return replace(hold, waited=(0.0, high - low))
    wait = ended[-1]
    low = max(low, wait.last[0])
    began = wait.began or (wait.not_before, wait.first[1])
    earliest = max(began[0], ran[hold.statement][0] if hold.statement in ran else began[0])
    return replace(
        hold,
        granted=(low, high),
        waited=(max(0.0, low - began[1]), max(0.0, high - earliest)),
        wait_seen=True,
    )


def _within(span: Span, moment: float) -> float:
    return min(span[1], max(span[0], moment))


def as_locks(
    holds: Iterable[Hold], catalog: RelationCatalog, clock: DeployClock
) -> dict[int, tuple[Lock, ...]]:
    """Locks by the statement that took them, strongest on existing relations first, on the deploy's clock.

    What it took again and again is one of them.
    """
    same: dict[tuple[int, int, str, LockSource], list[Lock]] = {}
    for hold in holds:
        key = (hold.statement, hold.oid, hold.mode, hold.source)
        same.setdefault(key, []).append(_as_lock(hold, catalog, clock))
    by_statement: dict[int, list[Lock]] = {}
    for (statement, *_), locks in same.items():
        by_statement.setdefault(statement, []).extend(put_together(locks))
    return {
        statement: tuple(sorted(locks, key=lambda lock: (lock.new, -lock.mode.strength, lock.relation)))
        for statement, locks in by_statement.items()
    }


def _middle(bounds: Span | None) -> float | None:
    return (bounds[0] + bounds[1]) / 2 if bounds else None


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
        waited_s=_middle(hold.waited) if hold.wait_seen else 0.0 if hold.waited else None,
        waited_s_bounds=hold.waited,
        held_s=_middle(bounds),
        held_s_bounds=bounds,
        table=catalog.table_of(hold.oid),
        granted_at_s=granted[1],
        released_at_s=released[0],
        relkind=relation.relkind if relation else None,
    )
