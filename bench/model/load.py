"""What a loaded repeat measured: the requests while the migrations ran, and who waited for whom.

All times are seconds on the workload's clock, whose zero is the scheduled start of the measured traffic; the
statements' boundaries are told on it, too. A request's latency counts from its scheduled start, so that a
server that stands still is not forgiven.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import floor, log2
from typing import Literal

from bench.model.lock import LockMode

Access = Literal["read", "write"]
Arrivals = Literal["poisson", "fixed"]

SLOT_S = 0.1
"""Width of a slot of :attr:`ClassLoad.heat` and of the timeline."""
HEAT_LOWEST_S = 0.0001
"""Where bucket 0 starts."""
BUCKETS_PER_DOUBLING = 2


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Quantiles over all requests of a class, unfinished ones with what they had waited by the end."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True, slots=True)
class RequestErrors:
    """Requests of a class that failed in the same way."""

    sqlstate: str
    """As the server said it; ``08006`` where the connection broke or none could be had."""
    count: int
    before: int
    """Of them scheduled before the first statement."""
    during: int
    after: int
    """Of them scheduled after the last statement had ended."""
    message: str
    """Of the first one."""
    first_at_s: float
    ended_before: int = 0
    """Of :attr:`count`, those that had failed before the first statement, whenever they were due."""
    ended_during: int = 0
    """And those that failed while the deploy was under way, or within a second of its end."""
    constraint: str | None = None
    """That refused the first one, as the server names it apart from the message."""


@dataclass(frozen=True, slots=True)
class KeptError:
    """What a statement said after the deploy that a session of before had prepared and kept."""

    sqlstate: str
    message: str


@dataclass(frozen=True, slots=True)
class RequestSide:
    """The same requests of a class on one state of the schema, one after the other, each rolled back."""

    sent: int
    """Requests, each with its own parameters."""
    failed: int
    rows: int
    """Returned or changed by those that worked, together."""
    empty: int
    """Of those that worked, how many had no row."""
    unexpected: int = 0
    """Of those that worked, how many had fewer or more rows than the class is told to have."""
    sqlstate: str | None = None
    """Of the first that failed."""
    message: str | None = None
    constraint: str | None = None
    latency_s: tuple[float, ...] = ()
    """Of each that worked on both states, the faster of two executions on warm caches; in the order sent."""


@dataclass(frozen=True, slots=True)
class ComparedRequest:
    """One class of requests, sent with the same parameters before the migrations and after them."""

    name: str
    """The class."""
    table: str
    access: Access
    before: RequestSide
    after: RequestSide
    role: str | None = None
    steady: bool = True
    """False: two executions on the state before had different rows, so that rows are not compared."""
    expected: str | None = None
    """How many rows its author says that a request has, in words."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A lock of the migration that requests waited for."""

    migration: str
    statement: int | None
    """Index of the statement that ran when the wait began; None between two statements."""
    relation: str | None
    """The relation whose lock was waited for; None where it was a row's or another kind of lock."""
    mode: str | None
    """The mode of the migration's lock on it, the strongest it had or asked for; None where not seen."""
    granted: bool | None
    """False: the migration itself was waiting for that lock, and the request queued behind it."""
    wanted: str
    """The mode that the request asked for."""
    kind: str = "relation"
    """``pg_locks.locktype`` of what was waited for."""


@dataclass(frozen=True, slots=True)
class BlockedBy:
    """How long one cause blocked one class."""

    cause: Cause
    waits: int
    blocked_s: float
    """Union of the time in which at least one request of the class waited for it."""
    worst_blocked_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """One request that waited for the migration, directly or behind another request that did."""

    name: str
    """The class."""
    began_s: float
    waited_s: float
    waited_s_bounds: tuple[float, float]
    """[shortest, longest] that agrees with what was seen."""
    cause: Cause
    direct: bool = True
    """False: it waited for another session, which waited for the migration."""
    ended: bool = True
    """False: it still waited when the traffic was ended."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A table lock that a request takes, also through views, triggers, functions and foreign keys."""

    relation: str
    """With its schema."""
    mode: LockMode


@dataclass(frozen=True, slots=True)
class ClassLoad:
    """One class of requests."""

    name: str
    table: str
    """The relation that the class is about, schema-qualified."""
    access: Access
    sent: int
    """Every request that was due, those included that never got a connection."""
    ok: int
    failed: int
    unfinished: int
    """Neither ok nor failed when the traffic was ended."""
    latency_s: LatencySummary | None
    """None where nothing was due."""
    blocked_s: float
    """Union of the time in which at least one request of the class waited for a lock of the migration."""
    worst_blocked_s: float
    """The longest single wait; 0.0: none was seen."""
    tables: tuple[str, ...] = ()
    """Every relation that the class touches, as its author names them; :attr:`table` is the first."""
    role: str | None = None
    weight: float = 1.0
    offered_per_s: float = 0.0
    achieved_per_s: float | None = None
    """Requests that ended, well or not, per second of the measured traffic."""
    delayed: int = 0
    """Requests that took longer than :attr:`Workload.delayed_over_s`."""
    sent_after: int = 0
    """Of :attr:`sent`, those due after the last statement had ended."""
    sent_before: int | None = None
    """And those due before the first one had begun; None: not counted."""
    prepared: bool | None = None
    """Whether the application prepares it once in each session; None: nobody says."""
    kept_error: KeptError | None = None
    """Where it works after the deploy, but not as a statement that was prepared before; None: it does, too,
    or was not tried."""
    rows_before: float | None = None
    """Rows per request that was ok, before the first statement; None where there was none."""
    rows_after: float | None = None
    """The same after the last statement."""
    latency_before_s: LatencySummary | None = None
    """Of the requests that were due before the first statement."""
    takes: tuple[Taken, ...] | None = None
    """The locks of a few requests of the class, read before the deploy; None: they were not read."""
    errors: tuple[RequestErrors, ...] = ()
    blocked: tuple[tuple[float, float], ...] = ()
    """[begin, end] of the stretches that ``blocked_s`` adds up."""
    blocked_by: tuple[BlockedBy, ...] = ()
    """Longest first."""
    heat: str = ""
    """Counts by slot and bucket of latency, see :func:`decode_heat`."""
    latency_hdr: str | None = None
    """HdrHistogram of the latencies in microseconds, V2 compressed, base64: it can be merged with others."""


@dataclass(frozen=True, slots=True)
class LoadSlot:
    """A tenth of a second of the traffic, all classes together."""

    at_s: float
    sent: int
    """Due in it."""
    ok: int
    """Ended well in it."""
    failed: int
    in_flight: int
    """At its end, sent to the server and not answered."""
    queued: int
    """At its end, due and without a connection: the pool was taken."""
    blocked: int
    """At its end, waiting for a lock of the migration."""


@dataclass(frozen=True, slots=True)
class StatementSpan:
    """When a statement ran, its commit included, on the workload's clock."""

    migration: str
    statement: int
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class LockSpan:
    """A lock that the deploy held on a table of before it, stronger than ROW EXCLUSIVE, or waited for."""

    migration: str
    relation: str | None
    """Schema-qualified; None where it waited for a row, a transaction or another kind of lock."""
    mode: str
    granted: bool
    """False: the deploy waited for it."""
    surely_s: tuple[float, float]
    """[begin, end] between which every look saw it."""
    at_most_s: tuple[float, float]
    """[begin, end] that agrees with what was seen: the looks before and after that did not show it."""


@dataclass(frozen=True, slots=True)
class SchedulingDelay:
    """How late the generator itself sent requests for which it had a connection."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A table lock that a request holds."""

    relation: str
    mode: str


@dataclass(frozen=True, slots=True)
class LockOrder:
    """What a request of a class already holds when it comes to a table."""

    name: str
    """The class."""
    relation: str
    mode: str
    """That it asks for."""
    held: tuple[HeldLock, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """The traffic of one loaded repeat."""

    offered_per_s: float
    """The rate that was asked for."""
    classes: tuple[ClassLoad, ...]
    timeline: tuple[LoadSlot, ...]
    source: str = "workload.toml"
    """``workload.toml``, ``catalog`` (derived) or ``pgbench``."""
    arrivals: Arrivals = "poisson"
    capacity_per_s: float | None = None
    """Of a short trial in which every connection always had a request; None where the rate was given."""
    achieved_per_s: float | None = None
    """Requests that were due per second, as the generator made them."""
    scheduling_delay_s: SchedulingDelay | None = None
    rate_held: bool = True
    """Whether the generator offered its rate within 2 % (or what chance allows) and was at most 5 ms late
    in 99 of 100 requests."""
    rate_note: str | None = None
    """Why it did not."""
    duration_s: float = 0.0
    """Of the measured traffic, from its first to its last scheduled start."""
    delayed_over_s: float = 0.1
    connections: int = 0
    workers: int = 1
    workers_lost: int = 0
    """Generator processes that ended before their time; what they had measured is kept."""
    seed: int = 0
    statements: tuple[StatementSpan, ...] = ()
    waits: tuple[Wait, ...] = ()
    """The longest ones, of every class at least one where there was one; longest first."""
    wait_count: int = 0
    """All of them."""
    locks: tuple[LockSpan, ...] | None = None
    """What the deploy held and waited for, in order; the longest ones where there are very many. None where
    nobody looked."""
    deadlocks: int | None = None
    """That the server counted in the database; None where it could not be asked."""
    lock_orders: tuple[LockOrder, ...] = ()
    """Of the tables that the deploy locks two or more of in one transaction; tried apart from the traffic."""
    notes: tuple[str, ...] = field(default_factory=tuple)
    unwatched_s: float = 0.0
    """For so long, while the deploy was under way, nobody watched who waits, as the session that does was
    lost: the waits are those that were seen, and there may have been longer ones."""


def bucket_of(latency_s: float) -> int:
    """The bucket of a latency: bucket b starts at ``HEAT_LOWEST_S * 2 ** (b / 2)``; 0 takes all below."""
    return max(0, floor(BUCKETS_PER_DOUBLING * log2(max(latency_s, HEAT_LOWEST_S) / HEAT_LOWEST_S)))


def bucket_start_s(bucket: int) -> float:
    """Where a bucket starts."""
    return HEAT_LOWEST_S * float(2 ** (bucket / BUCKETS_PER_DOUBLING))


def encode_heat(counts: Iterable[tuple[int, int, int]]) -> str:
    """(slot, bucket, count) as text: ``3 10:2 11:5;4 10:7`` has two slots, the first with two buckets.

    A request is in the slot of its scheduled start. Slots and buckets come out in order.
    """
    slots: dict[int, list[tuple[int, int]]] = {}
    for slot, bucket, count in sorted(counts):
        slots.setdefault(slot, []).append((bucket, count))
    return ";".join(
        " ".join([str(slot), *(f"{bucket}:{count}" for bucket, count in found)])
        for slot, found in slots.items()
    )


def decode_heat(text: str) -> tuple[tuple[int, int, int], ...]:
    """The (slot, bucket, count) of a class's ``heat``. ValueError for text that is none."""
    found = []
    for part in filter(None, text.split(";")):
        slot, *pairs = part.split(" ")
        for pair in pairs:
            bucket, _, count = pair.partition(":")
            found.append((int(slot), int(bucket), int(count)))
    return tuple(found)
