"""From what the lookout saw and what became of the requests to who waited for the migration, and how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.model.load import Cause, LockSpan, StatementSpan, Wait
from bench.model.lock import LockMode
from bench.workload.lookout import SeenHold, SeenWait, Sighting

Interval = tuple[float, float]
_MODES = frozenset(mode.value for mode in LockMode)


@dataclass(frozen=True, slots=True)
class MigrationSession:
    """A backend that applied a migration, and when; readings of ``time.perf_counter``."""

    migration: str
    pid: int
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Attributed:
    """A wait of the traffic, its class by number, on the workload's clock."""

    cls: int
    wait: Wait


def attribute(
    seen: Sequence[SeenWait],
    requests: npt.NDArray[np.void],
    names: Sequence[str],
    sessions: Sequence[MigrationSession],
    spans: Sequence[StatementSpan],
    relations: Mapping[int, str],
    *,
    zero: float,
    end: float,
) -> list[Attributed]:
    """The waits for the migration, one for each request and lock; ``spans`` are on the workload's clock.

    A wait begins when the server says so, else when the request was sent. It has ended when a look did not
    show it any more, or when the request itself had ended, whichever is known to be earlier.
    """
    by_pid = _requests_by_pid(requests)
    waits_of: dict[int, list[SeenWait]] = {}
    for waiting in seen:
        waits_of.setdefault(waiting.pid, []).append(waiting)
    outcomes = []
    for waiting in seen:
        request = _request_of(waiting, by_pid.get(waiting.pid))
        root = _root(waiting, waits_of, sessions, frozenset())
        if request is None or root is None:
            continue
        session, last = root
        begin, shortest, longest = _bounds(waiting, request, end)
        cause = _cause(last, session, spans, relations, begin - zero, last.first_with - zero)
        wait = Wait(
            name=names[request["cls"]],
            began_s=begin - zero,
            waited_s=longest,
            waited_s_bounds=(shortest, longest),
            cause=cause,
            direct=session.pid in waiting.blockers,
            ended=waiting.first_without is not None or request["outcome"] != 2,
        )
        outcomes.append(Attributed(int(request["cls"]), wait))
    return outcomes


def union(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same time as stretches that do not touch each other, in order."""
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return tuple(merged)


def length_s(intervals: Iterable[Interval]) -> float:
    """The time that they cover together, none of them touching another."""
    return sum((end - begin for begin, end in intervals), 0.0)


def _requests_by_pid(requests: npt.NDArray[np.void]) -> dict[int, npt.NDArray[np.void]]:
    sent = requests[~np.isnan(requests["sent"])]
    ordered = sent[np.lexsort((sent["sent"], sent["pid"]))]
    pids, starts = np.unique(ordered["pid"], return_index=True)
    ends = [*starts[1:], len(ordered)]
    return {int(pid): ordered[a:b] for pid, a, b in zip(pids, starts, ends, strict=False)}


def _request_of(wait: SeenWait, of_pid: npt.NDArray[np.void] | None) -> np.void | None:
    """The request that the session carried when it was first seen to wait."""
    if of_pid is None:
        return None
    # What was sent last before the look had come back, and had not ended before it was sent.
    position = int(np.searchsorted(of_pid["sent"], wait.first_with, side="right")) - 1
    while position >= 0:
        request: np.void = of_pid[position]
        if wait.started is None or request["sent"] <= wait.started + 0.002:
            return request if request["finished"] >= wait.last_without else None
        position -= 1
    return None


def _bounds(wait: SeenWait, request: np.void, end: float) -> tuple[float, float, float]:
    """Begin, shortest and longest wait."""
    earliest = max(float(request["sent"]), wait.last_without)
    begin = earliest
    if wait.started is not None:
        begin = min(max(wait.started, float(request["sent"])), wait.first_with)
    latest_end = min(float(request["finished"]), wait.first_without or end)
    surely = max(begin, min(wait.last_with, latest_end))
    return begin, surely - begin, max(latest_end, surely) - begin


def _root(
    wait: SeenWait,
    waits_of: Mapping[int, Sequence[SeenWait]],
    sessions: Sequence[MigrationSession],
    visited: frozenset[int],
) -> tuple[MigrationSession, SeenWait] | None:
    """The migration's session at the end of the chain of those who block, and the last wait before it."""
    at = wait.first_with
    for session in sessions:
        if session.pid in wait.blockers and session.begin <= at and wait.last_without <= session.end:
            return session, wait
    for pid in wait.blockers:
        if pid in visited:
            continue
        for other in waits_of.get(pid, ()):
            until = other.first_without
            if other.last_without <= at and (until is None or until >= at):
                found = _root(other, waits_of, sessions, visited | {wait.pid})
                if found is not None:
                    return found
    return None


def _cause(
    last: SeenWait,
    session: MigrationSession,
    spans: Sequence[StatementSpan],
    relations: Mapping[int, str],
    at_s: float,
    seen_s: float,
) -> Cause:
    wanted = last.wanted
    on_it = [(mode, granted) for relation, mode, granted in last.migration_locks if relation == last.relation]
    blocking = [pair for pair in on_it if _conflict(pair[0], wanted)] or on_it
    mode, granted = max(blocking, key=lambda pair: _strength(pair[0]), default=(None, None))
    own = [span for span in spans if span.migration == session.migration]
    running = _running(own, at_s)
    if granted is False:  # it is the statement that still waited when that was seen
        running = _running(own, seen_s) or running
    return Cause(
        migration=session.migration,
        statement=running[0] if running else None,
        relation=relations.get(last.relation) if last.relation else None,
        mode=mode,
        granted=granted,
        wanted=wanted,
        kind=last.kind,
    )


def _running(spans: Sequence[StatementSpan], at_s: float) -> list[int]:
    """The statements that ran at a moment, within a thousandth of a second."""
    return [span.statement for span in spans if span.begin_s - 0.001 <= at_s <= span.end_s + 0.001]


def _strength(mode: str) -> int:
    return LockMode(mode).strength if mode in _MODES else 0


def _conflict(held: str, wanted: str) -> bool:
    return held in _MODES and wanted in _MODES and LockMode(held).conflicts_with(LockMode(wanted))


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
    spans = [*_holds(seen.holds, sessions, relations, tables, zero, end)]
    spans += _waits(seen.waits, sessions, relations, zero, end)
    longest = sorted(spans, key=lambda span: span.at_most_s[0] - span.at_most_s[1])[:LOCKS_KEPT]
    return tuple(sorted(longest, key=lambda span: span.at_most_s))


def _holds(
    holds: Sequence[SeenHold],
    sessions: Sequence[MigrationSession],
    relations: Mapping[int, str],
    tables: frozenset[int],
    zero: float,
    end: float,
) -> Iterator[LockSpan]:
    for hold in holds:
        session = _session(sessions, hold.pid, hold.first_with)
        if session is None or hold.relation not in tables:
            continue
        earliest = max(hold.last_without, session.begin)
        latest = min(end if hold.first_without is None else hold.first_without, session.end)
        surely = hold.first_with - zero, max(hold.first_with, hold.last_with) - zero
        at_most = earliest - zero, max(latest - zero, surely[1])
        yield LockSpan(session.migration, relations.get(hold.relation), hold.mode, True, surely, at_most)


def _waits(
    waits: Sequence[SeenWait],
    sessions: Sequence[MigrationSession],
    relations: Mapping[int, str],
    zero: float,
    end: float,
) -> Iterator[LockSpan]:
    for wait in waits:
        session = _session(sessions, wait.pid, wait.first_with)
        if session is None:
            continue
        first, earliest = wait.first_with, wait.last_without
        if wait.started is not None:
            first = earliest = min(wait.started, first)
        latest = min(end if wait.first_without is None else wait.first_without, session.end)
        surely = first - zero, max(first, wait.last_with) - zero
        at_most = earliest - zero, max(latest - zero, surely[1])
        name = relations.get(wait.relation) if wait.relation else None
        yield LockSpan(session.migration, name, wait.wanted, False, surely, at_most)


def _session(sessions: Sequence[MigrationSession], pid: int, at: float) -> MigrationSession | None:
    """The session whose backend it was then."""
    return next(
        (session for session in sessions if session.pid == pid and session.begin <= at <= session.end + 1.0),
        None,
    )
