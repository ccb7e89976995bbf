"""The loaded passes of a run in figures: how the deploy fared, who waited, and how good the load was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.analyse.stats import Spread
from bench.model.budget import DEFAULT_LIMITS
from bench.model.deploy import HazardRecord, Try
from bench.model.load import Access, ClassLoad, Workload
from bench.model.run import MigrationRun, Pass, Repeat, Run

SERVER_DOWN = frozenset({"57P02", "57P03"})
"""crash_shutdown and cannot_connect_now; with class 08, connection exceptions, what the clients of a server
that goes down are told. https://www.postgresql.org/docs/current/errcodes-appendix.html"""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Requests of one access, reads or writes, that waited for locks of the migration."""

    worst_s: float
    """The longest single wait over all repeats; 0.0: none was seen."""
    name: str
    """The class that had it; empty where none waited."""
    table: str
    """What that class is about, schema-qualified; empty where none waited."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a deploy came to its end before its time, in the first repeat that did."""

    migration: str
    line: int | None
    sqlstate: str | None
    message: str
    after_s: float | None
    """From the first statement to the end of the one that failed."""
    repeats: int
    """In so many repeats."""


@dataclass(frozen=True, slots=True)
class PassFigures:
    """One loaded pass over its repeats that had traffic."""

    hazard: str | None
    lock_timeout_s: float | None
    retries: int | None
    n: int
    offered_per_s: float
    deploy_s: Spread | None
    """First statement to last, pauses between tries included, where every migration was applied."""
    stop: Stop | None
    record: HazardRecord | None
    """Of the first repeat's hazard."""
    reads: Blocked | None
    """None where no class reads."""
    writes: Blocked | None
    blocked_s: float
    """Time in which at least one request waited for the deploy, in the repeat where it is longest."""
    waits: int
    """Requests that were seen to wait, in the repeat where they were most."""
    queued: int
    """Requests that were due and had no connection, at the moment when they were most."""
    slowest_s: float
    """From when it was due to its end."""
    connections: int
    failed: int
    """Requests that failed, in the same way."""
    broken: int
    """Of them those that were due after the first statement had begun."""
    deadlocks: int | None
    lock_wait_s: float | None
    """The longest that the deploy itself waited for one table lock; None where nobody looked."""
    timeouts: int | None
    """Lock timeouts after which the deploy came back or gave up, at most; None without retries."""
    longest_try_s: float | None
    """The longest that a statement ran until its lock timeout; None where none had one."""
    gave_up: str | None
    doubt: str | None
    """Why the pass's figures are to be doubted: the generator did not hold its rate."""
    unwatched_s: float = 0.0
    """For so long, in one repeat at most, nobody watched who waits: the waits are those that were seen."""
    cut_off: int = 0
    """Requests that lost their connection, as they do where a server crashes or is restarted."""

    @property
    def worst_s(self) -> float:
        """The longest single wait of a request that was seen."""
        return max((blocked.worst_s for blocked in (self.reads, self.writes) if blocked), default=0.0)

    @property
    def name(self) -> str:
        """As a sentence goes on with it: ``beside long-reader, with retries``."""
        return f"{pass_name(self.hazard)}{', with retries' if self.retried else ''}"

    @property
    def quiet(self) -> bool:
        """Whether neither a hazard nor a lock timeout of ours was in the deploy's way."""
        return self.hazard is None and not self.retried

    @property
    def retried(self) -> bool:
        """Whether the deploy tried again after lock timeouts."""
        return self.lock_timeout_s is not None


def loaded_passes(run: Run) -> tuple[PassFigures, ...]:
    """Every loaded pass that has traffic, in the run's order."""
    whole = len(run.suite.migrations)
    figures = (pass_figures(part, migrations=whole) for part in run.loaded)
    return tuple(traffic for traffic in figures if traffic is not None)


def pass_figures(traffic_pass: Pass, *, migrations: int = 1) -> PassFigures | None:
    """One pass; None where no repeat of it has traffic.

    A repeat with fewer ``migrations`` was cut off: how long the deploy takes is not known from it.
    """
    repeats = [repeat for repeat in traffic_pass.repeats if repeat.workload is not None]
    if not repeats:
        return None
    loads = [repeat.workload for repeat in repeats if repeat.workload is not None]
    tries = [attempt for repeat in repeats for attempt in repeat.tries]
    return PassFigures(
        hazard=traffic_pass.hazard,
        lock_timeout_s=traffic_pass.lock_timeout_s,
        retries=traffic_pass.retries,
        n=len(repeats),
        offered_per_s=loads[0].offered_per_s,
        deploy_s=Spread.of(repeat.deploy_s for repeat in repeats if _applied(repeat, migrations)),
        stop=_stop(repeats),
        record=next((repeat.hazard for repeat in repeats if repeat.hazard), None),
        reads=_blocked(loads, "read"),
        writes=_blocked(loads, "write"),
        blocked_s=max(blocked_s(load.classes) for load in loads),
        waits=max(load.wait_count for load in loads),
        queued=max((slot.queued for load in loads for slot in load.timeline), default=0),
        slowest_s=max((c.latency_s.max for load in loads for c in load.classes if c.latency_s), default=0.0),
        connections=loads[0].connections,
        failed=max(sum(request_class.failed for request_class in load.classes) for load in loads),
        broken=max(_broken(load) for load in loads),
        deadlocks=_most(load.deadlocks for load in loads),
        lock_wait_s=_lock_wait(loads),
        timeouts=max(map(_timeouts, repeats)) if traffic_pass.lock_timeout_s is not None else None,
        longest_try_s=max((t.blocked_s for t in tries if t.blocked_s is not None), default=None),
        gave_up=next((attempt.gave_up for attempt in tries if attempt.gave_up), None),
        doubt=next((load.rate_note for load in loads if not load.rate_held and load.rate_note), None),
        unwatched_s=max(map(unwatched_s, loads)),
        cut_off=max(map(_cut_off, loads)),
    )


def pass_name(hazard: str | None) -> str:
    """A loaded pass as a sentence begins with it: ``under traffic``, ``beside a backup``."""
    return "under traffic" if hazard is None else f"beside {hazard}"


def blocked_s(classes: Iterable[ClassLoad]) -> float:
    """The time in which at least one request of at least one of the classes waited for the deploy."""
    return sum(end - begin for begin, end in merged(part for load in classes for part in load.blocked))


def merged(parts: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The same time as stretches that do not touch each other, in order."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted(parts):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return tuple(found)


def shown_repeat(traffic_pass: Pass) -> Repeat | None:
    """The repeat in which a request waited longest, the first of several; None where none has traffic."""
    return max(
        (repeat for repeat in traffic_pass.repeats if repeat.workload is not None),
        key=lambda repeat: (
            max((c.worst_blocked_s for c in repeat.workload.classes), default=0.0) if repeat.workload else 0.0
        ),
        default=None,
    )


def timed_out(tries: Iterable[Try]) -> tuple[Try, ...]:
    """The tries that a lock timeout ended."""
    return tuple(attempt for attempt in tries if attempt.outcome == "lock_timeout")


def _timeouts(repeat: Repeat) -> int:
    return len(timed_out(repeat.tries))


def _applied(repeat: Repeat, migrations: int) -> bool:
    applied = [migration.outcome == "applied" for migration in repeat.migrations]
    return len(applied) >= migrations and all(applied)


def _stop(repeats: Sequence[Repeat]) -> Stop | None:
    stopped = [(repeat, failed) for repeat in repeats if (failed := _failed(repeat)) is not None]
    if not stopped:
        return None
    repeat, migration = stopped[0]
    statement = next((other for other in migration.statements if other.outcome == "failed"), None)
    error = migration.error or (statement.error if statement else None)
    line = error.line if error is not None and error.line else statement.line if statement else None
    return Stop(
        migration=migration.id,
        line=line,
        sqlstate=error.sqlstate if error else None,
        message=error.message if error else "it was not applied to its end",
        after_s=repeat.deploy_s,
        repeats=len(stopped),
    )


def _failed(repeat: Repeat) -> MigrationRun | None:
    return next((migration for migration in repeat.migrations if migration.outcome == "failed"), None)


def _blocked(loads: Sequence[Workload], access: Access) -> Blocked | None:
    classes = [
        request_class for load in loads for request_class in load.classes if request_class.access == access
    ]
    if not classes:
        return None
    worst = max(classes, key=lambda other: other.worst_blocked_s)
    if not worst.worst_blocked_s:
        return Blocked(0.0, "", "")
    return Blocked(worst.worst_blocked_s, worst.name, worst.table)


def unwatched_s(load: Workload) -> float:
    """For how long nobody watched who waits; 0.0 where no wait worth telling fits into it."""
    return load.unwatched_s if load.unwatched_s > DEFAULT_LIMITS.noticeable_s else 0.0


def _cut_off(load: Workload) -> int:
    return sum(
        error.count
        for request_class in load.classes
        for error in request_class.errors
        if error.sqlstate.startswith("08") or error.sqlstate in SERVER_DOWN
    )


def _broken(load: Workload) -> int:
    return sum(error.during + error.after for request_class in load.classes for error in request_class.errors)


def _lock_wait(loads: Sequence[Workload]) -> float | None:
    watched = [load.locks for load in loads if load.locks is not None]
    if not watched:
        return None
    waits = (span for locks in watched for span in locks if not span.granted)
    return max((span.at_most_s[1] - span.at_most_s[0] for span in waits), default=0.0)


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def worst_first(classes: Iterable[ClassLoad]) -> tuple[ClassLoad, ...]:
    """Those that waited longest for the deploy first, then those that failed, then by the slowest request."""

    def key(load: ClassLoad) -> tuple[float, int, float]:
        return -load.worst_blocked_s, -load.failed, -(load.latency_s.max if load.latency_s else 0.0)

    return tuple(sorted(classes, key=key))
