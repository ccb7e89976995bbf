"""From what the lookout saw of the migration itself to the locks that it held and waited for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.model.load import LockSpan
from bench.workload.attribution import MigrationSession
from bench.workload.lookout import SeenHold, SeenWait, Sighting

LOCKS_KEPT = 500
"""In the run file; the longest ones."""


def deploy_locks(
    seen: Sighting,
    sessions: Sequence[MigrationSession],
    relations: Mapping[int, str],
    tables: frozenset[int],
    zero: float,
    end: float,
) -> tuple[LockSpan, ...] | None:
    """The longest of them, in order, on the workload's clock; None where nobody ever looked.

    Locks on ``tables`` alone, as nobody else knows what the migration makes; and waits for rows, too.
    ``relations`` has names by oid, ``end`` is when the last request had ended.
    """
    if not (seen.looks or seen.holds or seen.waits):
        return None
    found = [*_holds(seen.holds, sessions, relations, tables, zero, end)]
    found += _waits(seen.waits, sessions, relations, zero, end)
    longest = sorted(found, key=lambda span: span.at_most_s[0] - span.at_most_s[1])[:LOCKS_KEPT]
    return tuple(sorted(longest, key=lambda span: span.at_most_s))


def _holds(
    holds: Sequence[SeenHold],
    sessions: Sequence[MigrationSession],
    relations: Mapping[int, str],
    tables: frozenset[int],
    zero: float,
    end: float,
) -> Iterator[LockSpan]:
    for each in holds:
        session = _session(sessions, each.pid, each.first_with)
        if session is None or each.relation not in tables:
            continue
        earliest = max(each.last_without, session.begin)
        latest = min(end if each.first_without is None else each.first_without, session.end)
        surely = each.first_with - zero, max(each.first_with, each.last_with) - zero
        at_most = earliest - zero, max(latest - zero, surely[1])
        yield LockSpan(session.migration, relations.get(each.relation), each.mode, True, surely, at_most)


def _waits(
    waits: Sequence[SeenWait],
    sessions: Sequence[MigrationSession],
    relations: Mapping[int, str],
    zero: float,
    end: float,
) -> Iterator[LockSpan]:
    for each in waits:
        session = _session(sessions, each.pid, each.first_with)
        if session is None:
            continue
        first, earliest = each.first_with, each.last_without
        if each.started is not None:
            first = earliest = min(each.started, first)
        latest = min(end if each.first_without is None else each.first_without, session.end)
        surely = first - zero, max(first, each.last_with) - zero
        at_most = earliest - zero, max(latest - zero, surely[1])
        name = relations.get(each.relation) if each.relation else None
        yield LockSpan(session.migration, name, each.wanted, False, surely, at_most)


def _session(sessions: Sequence[MigrationSession], pid: int, at: float) -> MigrationSession | None:
    """The session whose backend it was then."""
    return next((each for each in sessions if each.pid == pid and each.begin <= at <= each.end + 1.0), None)
