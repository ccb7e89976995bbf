"""The same requests on the state before the migrations and after them: what fails, rows, and time.

One session on each state, in turn, nothing beside; each request is executed twice on both, so that the
faster one meets warm caches, and is rolled back.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import TupleRow

from bench.model.load import ComparedRequest, RequestSide
from bench.workload.once import Answer, send_once
from bench.workload.parameters import WireClass, drawing
from bench.workload.spec import RequestClass

MOST, FEWEST = 60, 5
"""Requests of a class, each with its own parameters; so many at least, unless one takes very long."""
BUDGET_S = 0.4
"""For one class on both states, once it had the fewest."""
LONGEST_S = 10.0
"""One that takes longer is given up, and counts with this time."""
SUSPICIOUS = 2.0
"""So many times as long after the migrations: worth a second look."""
CANCELLED = "57014"


@dataclass(frozen=True, slots=True)
class _Tried:
    """One request, twice on each state."""

    before: tuple[Answer, Answer]
    after: tuple[Answer, Answer]

    @property
    def both_work(self) -> bool:
        return all(answer.sqlstate is None for answer in (*self.before, *self.after))

    @property
    def too_long(self) -> bool:
        return any(_given_up(answer) for answer in (*self.before, *self.after))


def compare_requests(
    old: psycopg.Connection[TupleRow],
    new: psycopg.Connection[TupleRow],
    classes: Sequence[RequestClass],
    wires: Sequence[WireClass],
    seed: int,
) -> tuple[ComparedRequest, ...]:
    """Each class on both states, in their order; nothing of it stays but sequences that went on."""
    for conn in (old, new):
        conn.execute("SELECT set_config('statement_timeout', %s, false)", (f"{LONGEST_S:.0f}s",))
    return tuple(
        _compared(request, _surely(old, new, wire, seed))
        for request, wire in zip(classes, wires, strict=True)
    )


def _surely(
    old: psycopg.Connection[TupleRow], new: psycopg.Connection[TupleRow], wire: WireClass, seed: int
) -> list[_Tried]:
    """The tries of a class; where one side seems slower they are made again, and the fastest counts.

    What else a busy machine does in a moment slows one round, a worse plan every one.
    """
    tried = list(_tries(old, new, wire, random.Random(seed)))
    if not _seems_slower(tried):
        return tried
    again = list(_tries(old, new, wire, random.Random(seed)))
    pairs = zip(tried, again, strict=False)
    return [*(_fastest(one, other) for one, other in pairs), *tried[len(again) :]]


def _seems_slower(tried: Sequence[_Tried]) -> bool:
    pairs = [(_quicker(pair.before), _quicker(pair.after)) for pair in tried if pair.both_work]
    if not pairs:
        return False
    before_s, after_s = (statistics.median(side) for side in zip(*pairs, strict=True))
    return bool(after_s >= SUSPICIOUS * before_s)


def _quicker(answers: tuple[Answer, Answer]) -> float:
    return min(answer.duration_s for answer in answers)


def _fastest(one: _Tried, other: _Tried) -> _Tried:
    """The first round, with the quickest of its second executions and of the other round's."""
    if not (one.both_work and other.both_work):
        return one

    def second(mine: tuple[Answer, Answer], others: tuple[Answer, Answer]) -> tuple[Answer, Answer]:
        return mine[0], min((mine[1], *others), key=lambda answer: answer.duration_s)

    return _Tried(second(one.before, other.before), second(one.after, other.after))


def _tries(
    old: psycopg.Connection[TupleRow],
    new: psycopg.Connection[TupleRow],
    wire: WireClass,
    random_: random.Random,
) -> Iterator[_Tried]:
    draw, begin = drawing(wire, random_), time.perf_counter()
    most = MOST if wire.rows or wire.generate else FEWEST
    for number in range(most):
        if number >= FEWEST and time.perf_counter() - begin > BUDGET_S:
            return
        tried = _try(old, new, wire, draw())
        yield tried
        if tried.too_long:
            return


def _try(
    old: psycopg.Connection[TupleRow],
    new: psycopg.Connection[TupleRow],
    wire: WireClass,
    values: Mapping[str, str | None],
) -> _Tried:
    first = send_once(old, wire, values), send_once(new, wire, values)
    if any(answer.sqlstate is not None for answer in first):  # it would fail, or wait, once more
        return _Tried((first[0], first[0]), (first[1], first[1]))
    second = send_once(old, wire, values), send_once(new, wire, values)
    return _Tried((first[0], second[0]), (first[1], second[1]))


def _compared(request: RequestClass, tried: Sequence[_Tried]) -> ComparedRequest:
    return ComparedRequest(
        name=request.name,
        table=request.tables[0],
        access=request.access,
        before=_side(request, [other.before for other in tried], tried),
        after=_side(request, [other.after for other in tried], tried),
        role=request.role,
        steady=all(other.before[0].rows == other.before[1].rows for other in tried if other.both_work),
        expected=request.expected,
    )


@dataclass(slots=True)
class _Sum:
    """What the requests of one side have come to."""

    failed: int = 0
    rows: int = 0
    empty: int = 0
    unexpected: int = 0
    error: Answer | None = None
    latency_s: list[float] = field(default_factory=list)


def _side(
    request: RequestClass, answers: Sequence[tuple[Answer, Answer]], tried: Sequence[_Tried]
) -> RequestSide:
    total = _Sum()
    for (first, second), pair in zip(answers, tried, strict=True):
        if first.sqlstate is not None and not _given_up(first):
            total.failed += 1
            total.error = total.error or first
        elif pair.both_work:
            total.rows += first.rows
            total.empty += first.empty
            total.unexpected += not request.expects(first.rows)
        if pair.both_work or pair.too_long:
            total.latency_s.append(min(first.duration_s, second.duration_s))
    return RequestSide(
        sent=len(answers),
        failed=total.failed,
        rows=total.rows,
        empty=total.empty,
        unexpected=total.unexpected,
        sqlstate=total.error.sqlstate if total.error else None,
        message=total.error.message if total.error else None,
        constraint=total.error.constraint if total.error else None,
        latency_s=tuple(total.latency_s),
    )


def _given_up(answer: Answer) -> bool:
    return answer.sqlstate == CANCELLED and answer.duration_s >= 0.9 * LONGEST_S
