"""A deploy among others: requests queue behind it, deadlock with it, or stop it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.analyse.budgets import within_budget
from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, severity_of, statement_of_lock
from bench.analyse.locks import LockSummary
from bench.analyse.quantity import count, other_requests, seconds
from bench.analyse.remedies.choice import detached_by, for_stopped, passes_by
from bench.analyse.summary import MigrationSummary
from bench.model.finding import Finding, Place
from bench.model.load import BlockedBy, ClassLoad, HeldLock, LockOrder, Workload
from bench.model.lock import LockMode
from bench.model.run import MigrationRun, Pass, Repeat, Run
from bench.model.statement import StatementRun
from bench.sql.names import is_named_in

DEADLOCK = "40P01"
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_At = tuple[str, int | None, str | None]


@dataclass(frozen=True, slots=True)
class _Queue:
    """Requests of one class behind one waiting statement, in one pass."""

    measured_in: Pass
    load: ClassLoad
    blocked: BlockedBy
    queued_s: float | None
    """How long the statement took there, most of it in the queue."""


@danger("lock-queue", "Requests queue behind the waiting deploy", "Downtime")
def lock_queue(rehearsed: Rehearsed) -> Iterator[Finding]:
    """The deploy waits for a lock, and requests wait behind it that its own lock would not have met yet.

    Where a hazard was tried both ways, the pass with retries counts: it is how the deploy is meant to run.

    Why: a lock that is asked for is granted in turn: behind one long query and one ALTER TABLE, every SELECT
    of the table waits.
    Way out: a lock_timeout and another try after a pause: nobody then waits longer than that. Deploy when no
    long transaction is open.
    Example:
        ALTER TABLE deals ADD COLUMN region text;
    Instead:
        CREATE TABLE deal_regions (deal_id bigint PRIMARY KEY, region text);
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    queued: dict[_At, list[_Queue]] = {}
    for measured_in in judged_passes(rehearsed.run):
        for repeat in measured_in.repeats:
            for queue in _queues(measured_in, repeat):
                cause = queue.blocked.cause
                queued.setdefault((cause.migration, cause.statement, cause.relation), []).append(queue)
    for at, queues in queued.items():
        if max(queue.blocked.worst_blocked_s for queue in queues) >= rehearsed.limits.noticeable_s:
            yield _queue_finding(at, queues, rehearsed)


@danger("deadlock-order", "Locks in an order that requests reverse", "Downtime")
def deadlock_order(rehearsed: Rehearsed) -> Iterator[Finding]:
    """One transaction of the deploy locks two tables that requests lock the other way round.

    Told where both orders were seen, and where a deadlock came about under traffic.

    Why: each waits for what the other has; after deadlock_timeout the server ends one of them, and it may be
    the deploy.
    Way out: lock the tables in the application's order, or one table in each transaction.
    Example:
        BEGIN;
        ALTER TABLE contacts ADD COLUMN region text;
        ALTER TABLE deals ADD COLUMN region text;
        COMMIT;
    Instead:
        ALTER TABLE contacts ADD COLUMN region text;
        ALTER TABLE deals ADD COLUMN region text;
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS
    """
    orders = [
        order
        for measured_in in rehearsed.run.passes
        for repeat in measured_in.repeats
        if repeat.workload is not None
        for order in repeat.workload.lock_orders
    ]
    for migration in rehearsed.summary.migrations:
        yield from _reversed(migration, orders)
    for measured_in in rehearsed.run.passes:
        for repeat in measured_in.repeats:
            if repeat.workload is not None:
                yield from _came_about(measured_in, repeat, repeat.workload)


@danger("fails-under-traffic", "The deploy stops under traffic", "Partial failure")
def fails_under_traffic(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A migration that applies alone fails beside requests or a hazard: a timeout, a refusal by new rows.

    Where the deploy gets through by trying again, it still stops as the files have it: that is a condition.

    Why: it was tried on an idle server, and production is none.
    Way out: try again after a pause (`--lock-timeout` with `--retries` rehearses it); shorter transactions.
    Example:
        SET lock_timeout = '200ms';
        ALTER TABLE deals ADD COLUMN region text;
    Instead:
        CREATE TABLE deal_regions (deal_id bigint PRIMARY KEY, region text);
    Source: https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT
    """
    if rehearsed.summary.failed is not None:
        return
    judged = tuple(judged_passes(rehearsed.run))
    stops = {
        id(traffic_pass): stop
        for traffic_pass in rehearsed.run.passes
        if (stop := _stop(traffic_pass)) is not None
    }
    for measured_in in rehearsed.run.passes:
        if id(measured_in) not in stops:
            continue
        by_retries = None
        if measured_in not in judged:
            by_retries = next((tried for tried in judged if tried.hazard == measured_in.hazard), None)
            if by_retries is None or id(by_retries) in stops:
                continue  # told of the pass that tried again
        yield _stop_finding(rehearsed, measured_in, *stops[id(measured_in)], by_retries)


def judged_passes(run: Run) -> Iterator[Pass]:
    """The loaded passes, of each hazard the one that tried again where there is one, else the other."""
    loaded = [traffic_pass for traffic_pass in run.passes if traffic_pass.kind == "loaded"]
    tried = {
        traffic_pass.hazard
        for traffic_pass in loaded
        if traffic_pass.lock_timeout_s is not None and traffic_pass.hazard is not None
    }
    for traffic_pass in loaded:
        if traffic_pass.lock_timeout_s is not None or traffic_pass.hazard not in tried:
            yield traffic_pass


def _queues(measured_in: Pass, repeat: Repeat) -> Iterator[_Queue]:
    if repeat.workload is None:
        return
    for load in repeat.workload.classes:
        for blocked in load.blocked_by:
            if blocked.cause.granted is False:
                spans = [
                    span.end_s - span.begin_s
                    for span in repeat.workload.statements
                    if (span.migration, span.statement) == (blocked.cause.migration, blocked.cause.statement)
                ]
                yield _Queue(measured_in, load, blocked, max(spans, default=None))


def _queue_finding(place: _At, queues: list[_Queue], rehearsed: Rehearsed) -> Finding:
    migration, statement, relation = place
    worst = max(queues, key=lambda queue: queue.blocked.worst_blocked_s)
    worst_s = worst.blocked.worst_blocked_s
    waits = sum(queue.blocked.waits for queue in queues if queue.measured_in is worst.measured_in)
    kept = within_budget(rehearsed.checks, worst.measured_in, worst.load.access)
    beside = f" beside {worst.measured_in.hazard}" if worst.measured_in.hazard else " under traffic"
    execution = _execution(rehearsed, migration, statement)
    who = execution.kind if execution else migration
    bounded = execution is not None and bool(execution.lock_timeout_s)
    took = f", which took {seconds(worst.queued_s)} there" if worst.queued_s is not None else ""
    return Finding(
        code="lock-queue",
        severity="info" if kept else severity_of(worst_s, rehearsed.limits),
        migration=migration,
        statement=statement,
        relation=relation,
        message=f"{who}{took}, queues for {relation}{beside}: {count(waits)} "
        f"{'request waits' if waits == 1 else 'requests wait'} behind it, \"{worst.load.name}\" up to "
        f"{seconds(worst_s)}",
        evidence={
            "hazard": worst.measured_in.hazard,
            "lock_timeout_s": worst.measured_in.lock_timeout_s,
            "worst_blocked_s": worst_s,
            "waits": waits,
            "statement_s": worst.queued_s,
            "mode": worst.blocked.cause.mode,
            "classes": sorted({queue.load.name for queue in queues}),
            "passes": [
                {"hazard": queue.measured_in.hazard, "class": queue.load.name, "waits": queue.blocked.waits,
                 "worst_blocked_s": queue.blocked.worst_blocked_s}
                for queue in sorted(queues, key=lambda queue: -queue.blocked.worst_blocked_s)
            ],
        },
        fix="Deploy when no long transaction is open; a shorter lock_timeout with more retries lets the "
        "queue through more often."
        if bounded or worst.measured_in.lock_timeout_s is not None
        else "Set lock_timeout, and try again after a pause: nobody then waits longer than that. "
        "bench run --hazard long-reader --lock-timeout 2s shows it.",
    )  # fmt: skip


def _execution(rehearsed: Rehearsed, migration: str, statement: int | None) -> StatementRun | None:
    summaries = (other for other in rehearsed.summary.statements if other.migration == migration)
    found = next((summary for summary in summaries if summary.index == statement), None)
    return next(iter(rehearsed.executions(found)), None) if found is not None else None


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two tables that one transaction locks one after the other."""

    first: LockSummary
    second: LockSummary


def _reversed(migration: MigrationSummary, orders: list[LockOrder]) -> Iterator[Finding]:
    """For each two tables, the classes that hold the second when they come to the first."""
    locks = [lock for lock in migration.locks if lock.felt and lock.table is None and lock.blocks_writes]
    found: dict[tuple[str, str], tuple[_Pair, list[LockOrder]]] = {}
    for second in locks:
        before = [lock for lock in locks if _held_when(lock, second, migration)]
        for first in before:
            for order in orders:
                held = _meets(order, first, second)
                if held and not any(_guards(gate, first, order, migration) for gate in locks):
                    key = (first.relation, second.relation)
                    found.setdefault(key, (_Pair(first, second), []))[1].append(order)
    for pair, reverse in found.values():
        yield _order_finding(migration, pair, reverse)


def _held_when(first: LockSummary, second: LockSummary, migration: MigrationSummary) -> bool:
    """Whether an earlier statement's lock on another table was still held when the second's began."""
    if first.statement >= second.statement or first.relation == second.relation:
        return False
    began = statement_of_lock(second, migration).started_at_s
    released = first.released_at_s
    return released is not None and began is not None and released.median > began.median


def _meets(order: LockOrder, first: LockSummary, second: LockSummary) -> bool:
    """Whether the request waits for the first table and lets the deploy wait for the second."""
    if order.relation != first.relation or not LockMode(order.mode).conflicts_with(first.mode):
        return False
    return any(_waits_for(second, held) for held in order.held)


def _waits_for(lock: LockSummary, held: HeldLock) -> bool:
    return held.relation == lock.relation and LockMode(held.mode).conflicts_with(lock.mode)


def _guards(gate: LockSummary, first: LockSummary, order: LockOrder, migration: MigrationSummary) -> bool:
    """Whether a third table keeps the two apart: the deploy locks it first of all, and the request has it.

    Who comes second to it comes to neither of the others while the first one is there.
    """
    return _held_when(gate, first, migration) and any(_waits_for(gate, held) for held in order.held)


def _order_finding(migration: MigrationSummary, pair: _Pair, reverse: list[LockOrder]) -> Finding:
    first, second = pair.first, pair.second
    names = sorted({order.name for order in reverse})
    others = f" and {other_requests(len(names) - 1)}" if len(names) > 1 else ""
    return Finding(
        code="deadlock-order",
        severity="warning",
        migration=migration.id,
        statement=second.statement,
        relation=second.relation,
        message=f"locks {second.relation} ({second.mode.sql_name}) while it has "
        f'{first.relation} since line {first.line}; "{names[0]}"{others} come to them the other way round: '
        "each then waits for the other, and one fails",
        evidence={
            "deploy": [first.relation, second.relation],
            "deploy_modes": [first.mode.value, second.mode.value],
            "requests": [second.relation, first.relation],
            "classes": names,
        },
        fix=f"Lock the tables in the application's order, {second.relation} first, or commit before line "
        f"{second.line}.",
    )


def _came_about(measured_in: Pass, repeat: Repeat, workload: Workload) -> Iterator[Finding]:
    """Deadlocks between the deploy and requests: none of these requests had one before the deploy."""
    victims = [
        (load, error)
        for load in workload.classes
        for error in load.errors
        if error.sqlstate == DEADLOCK and not error.ended_before and error.ended_during
    ]
    failed = next(
        (other for other in repeat.migrations if other.error and other.error.sqlstate == DEADLOCK), None
    )
    if not victims and failed is None:
        return
    beside = f" beside {measured_in.hazard}" if measured_in.hazard else ""
    lost = sum(error.ended_during for _, error in victims)
    names = sorted({load.name for load, _ in victims})
    first_s = min((error.first_at_s for _, error in victims), default=0.0)
    spans = workload.statements
    running = [span for span in spans if span.begin_s <= first_s] or list(spans[:1])
    migration = failed.id if failed is not None else running[-1].migration if running else None
    what = f"{failed.id} fails in a deadlock with requests" if failed else "requests fail in deadlocks"
    which = f", {count(lost)} of {', '.join(names)}" if names else ""
    yield Finding(
        code="deadlock-order",
        severity="error" if failed is not None else "warning",
        migration=migration,
        statement=None,
        relation=None,
        message=f"under traffic{beside}, {what}{which}",
        evidence={
            "hazard": measured_in.hazard,
            "lock_timeout_s": measured_in.lock_timeout_s,
            "deadlocks": workload.deadlocks,
            "requests_failed": lost,
            "classes": names,
        },
        fix="Lock one table in each transaction, or all that are needed at once in the application's order.",
    )


def _stop(measured_in: Pass) -> tuple[Repeat, MigrationRun] | None:
    """The first repeat of a loaded pass in which a migration failed, and that migration."""
    for repeat in measured_in.repeats if measured_in.kind == "loaded" else ():
        failed = next((run for run in repeat.migrations if run.outcome == "failed"), None)
        if failed is None or failed.error is None or failed.error.interrupted:
            continue
        if failed.error.sqlstate != DEADLOCK:
            return repeat, failed
    return None


def _stop_finding(
    rehearsed: Rehearsed, measured_in: Pass, repeat: Repeat, failed: MigrationRun, by_retries: Pass | None
) -> Finding:
    error = failed.error
    assert error is not None
    statement = next((other for other in failed.statements if other.outcome == "failed"), None)
    file = rehearsed.run.file_of(failed.id)
    line = error.line or (statement.line if statement else None)
    beside = f"beside {measured_in.hazard}" if measured_in.hazard else "under traffic"
    tries = [attempt for attempt in repeat.tries if attempt.migration == failed.id]
    after = f" after {count(len(tries))} tries in {seconds(failed.wall_s)}" if len(tries) > 1 else ""
    measured = {
        "hazard": measured_in.hazard,
        "lock_timeout_s": measured_in.lock_timeout_s,
        "tries": len(tries) or None,
        "gave_up": tries[-1].gave_up if tries else None,
        "wall_s": failed.wall_s,
    }
    remedy = for_stopped(error.sqlstate, statement.text if statement else None)
    state = f" ({error.sqlstate})" if error.sqlstate else ""
    through = ""
    if by_retries is not None:
        retries = f" and {count(by_retries.retries)} retries" if by_retries.retries else " and retries"
        through = f"; with lock_timeout {by_retries.lock_timeout_s:g} s{retries} it gets through"
    gone = _gone_from_view(statement.text if statement else None, error.sqlstate, rehearsed)
    return Finding(
        code="fails-under-traffic",
        severity="warning" if measured_in.hazard else "error",
        migration=failed.id,
        statement=statement.index if statement else None,
        relation=None,
        message=f"{beside} the deploy stops here{after}: {error.message}{state}{gone}{through}",
        evidence={
            "sqlstate": error.sqlstate,
            **{name: value for name, value in measured.items() if value is not None},
        },
        fix=remedy.say,
        sql=remedy.sql,
        place=Place(statement.file_beside(file) if statement else file, line),
    )


def _gone_from_view(text: str | None, sqlstate: str | None, rehearsed: Rehearsed) -> str:
    """The rows that no query of the parent finds once a DETACH … CONCURRENTLY was cut off."""
    detached = detached_by(text) if text and passes_by(sqlstate) else None
    if detached is None:
        return ""
    parent, partition = detached
    sizes = rehearsed.run.dataset.tables if rehearsed.run.dataset else ()
    rows = next((size.rows for size in sizes if is_named_in(partition, [size.name])), None)
    many = f"the {count(rows)} rows" if rows is not None else "the rows"
    return f"; from then on {many} of {partition} are missing from {parent}"
