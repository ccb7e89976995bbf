"""Who waits for the deploy: for locks kept long, felt on other relations, or asked for without a bound."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import (
    Rehearsed,
    finding,
    lock_during,
    ran_under,
    severity_of,
    severity_of_lock,
    statement_of_lock,
    who_waits,
)
from bench.analyse.dangers.work import index_built_under_lock, rewrite, scan_under_lock
from bench.analyse.locks import LockSummary, asks_for, longest_first
from bench.analyse.quantity import other_requests, seconds
from bench.analyse.remedies.choice import for_lock
from bench.analyse.remedies.script import LOCK_TIMEOUT, Remedy
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.budget import Limits
from bench.model.finding import Finding
from bench.model.load import Access, Cause, ClassLoad, Workload
from bench.model.run import Run
from bench.model.statement import Block
from bench.sql.names import quoted

_LISTED = 6
_MOST = 0.5
"""Of the time that a lock is held."""


@danger("held-across", "A lock is kept while later statements run", "Downtime", explains_block=True)
def held_across(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A transaction keeps the lock of an earlier statement while others of it run.

    Why: a lock is given back at the end of the transaction alone. A change of the catalog that takes a
    millisecond then blocks a table for as long as the backfill after it.
    Way out: commit before the long statement, or take the lock after it.
    Example:
        BEGIN;
        ALTER TABLE deals ADD COLUMN region text;
        UPDATE contacts SET email = lower(email);
        COMMIT;
    Instead:
        ALTER TABLE deals ADD COLUMN region text;
        UPDATE contacts SET email = lower(email);
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    for migration in rehearsed.summary.migrations:
        yield from _held_across(migration, rehearsed)


@danger("blocks-reads", "Reads wait for the deploy", "Downtime", explains_block=True)
def blocks_reads(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Queries of a table wait, as a statement holds ACCESS EXCLUSIVE on it.

    It is told where the hold is long enough to need somebody's consent and no other finding explains it,
    and where requests of the traffic beside the deploy really waited.

    Why: a request that waits keeps its connection; when the pool is empty, everything waits.
    Way out: give the statement a transaction of its own, with a lock_timeout and another try: it then holds
    the lock for as long as it needs, and nobody waits behind it for longer than the timeout.
    Example:
        DO $$ BEGIN LOCK TABLE deals; PERFORM pg_sleep(1.2); END $$;
    Instead:
        SET lock_timeout = '2s';
        ALTER TABLE deals ADD COLUMN region text;
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    yield from _blocked(rehearsed, "read")


@danger("blocks-writes", "Writes wait for the deploy", "Downtime", explains_block=True)
def blocks_writes(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Inserts, updates and deletes of a table wait for a lock that a statement holds, or for its rows.

    It is told where the hold is long enough to need somebody's consent and no other finding explains it,
    and where requests of the traffic beside the deploy really waited.

    Why: a request that waits keeps its connection and the rows that it has changed already; when the pool
    is empty, everything waits.
    Way out: shorter transactions and smaller batches; for locks of tables a lock_timeout and another try.
    Example:
        DO $$ BEGIN LOCK TABLE deals IN SHARE MODE; PERFORM pg_sleep(1.2); END $$;
    Instead:
        SET lock_timeout = '2s';
        ALTER TABLE deals ALTER COLUMN stage SET DEFAULT 'new';
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    yield from _blocked(rehearsed, "write")


@danger("fan-out", "A lock stops other tables and views", "Downtime")
def fan_out(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Commands on other relations wait for a lock as well: by a foreign key, a view or an index.

    Why: who counts the users of the altered table alone forgets those of every view over it and of every
    table that refers to it.
    Way out: none of its own: whatever holds the lock for less helps them too. Count them among those
    who wait.
    Example:
        BEGIN;
        ALTER TABLE contacts ADD COLUMN region text;
        SELECT pg_sleep(0.2);
        COMMIT;
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    for migration in rehearsed.summary.migrations:
        yield from _fan_out(migration, rehearsed)


@danger("no-lock-timeout", "Waits without end for a lock", "Downtime")
def no_lock_timeout(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A statement asks for a lock that others queue behind, and lock_timeout is 0: it waits without end.

    Why: behind one long query the deploy waits, and every request for the table waits behind the deploy,
    also those that the long query alone would not have stopped.
    Way out: set lock_timeout to what your users can wait, and run again what gave up.
    Example:
        ALTER TABLE deals ADD COLUMN region text;
    Instead:
        SET lock_timeout = '2s';
        ALTER TABLE deals ADD COLUMN region text;
    Source: https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT
    """
    for migration in rehearsed.summary.migrations:
        yield from _no_lock_timeout(migration, rehearsed)


def _held_across(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """For each relation, the lock that blocked it longest while later statements of its transaction ran."""
    worst: dict[str, tuple[float, LockSummary, list[StatementSummary]]] = {}
    for lock in migration.locks:
        if not lock.blocks:
            continue
        later = [statement for statement in ran_under(lock, migration) if not _takes_it_too(statement, lock)]
        kept_s = sum(statement.duration_s.median for statement in later if statement.duration_s)
        noticeable = kept_s >= rehearsed.limits.noticeable_s
        if noticeable and kept_s > worst.get(lock.subject, (0.0,))[0]:
            worst[lock.subject] = (kept_s, lock, later)
    for subject, (kept_s, lock, later) in worst.items():
        slowest = max(
            later, key=lambda statement: statement.duration_s.median if statement.duration_s else 0.0
        )
        yield finding(
            "held-across",
            severity_of_lock(lock, rehearsed.limits),
            statement_of_lock(lock, migration),
            f"{lock.mode.sql_name} on {subject} is kept for {seconds(kept_s)} after its own statement, most "
            f"of it while {slowest.where} ({slowest.kind}) runs: {who_waits(lock.mode)} wait",
            relation=subject,
            evidence={
                "mode": lock.mode.value,
                "kept_s": kept_s,
                "held_s": lock.longest_s,
                "later_statements": len(later),
                "slowest_line": slowest.line,
            },
            remedy=Remedy(_kept_shorter(lock, slowest, rehearsed)),
        )


def _takes_it_too(statement: StatementSummary, lock: LockSummary) -> bool:
    """Whether a later statement needs as strong a lock on the same relation itself, so that a commit before
    it would spare nobody."""
    asked = asks_for(statement.text, lock.subject)
    own = max((other.mode.strength for other in statement.locks if other.subject == lock.subject), default=0)
    written = any(candidate.relation == lock.subject for candidate in statement.rewrites)
    return written or max(own, asked.strength if asked else 0) >= lock.mode.strength


def _kept_shorter(lock: LockSummary, slowest: StatementSummary, rehearsed: Rehearsed) -> str:
    """What can be done: a statement that touches the relation itself may need what was done to it before."""
    apart = all(other.subject != lock.subject for other in slowest.locks) and not re.search(
        rf"\b{re.escape(lock.subject.rpartition('.')[2])}\b", slowest.text
    )
    order = f", or lock {quoted(lock.subject)} (line {lock.line}) after it" if apart else ""
    if _tool_commits(rehearsed):
        return (
            f"Have line {slowest.line} in a migration of its own, deployed after this one{order}: the tool "
            "commits at the end of a file, or of all files."
        )
    return f"Commit before line {slowest.line}{order}."


def _tool_commits(rehearsed: Rehearsed) -> bool:
    """Whether the transaction is the migration tool's, so that a file cannot end it."""
    return any(
        execution.by_tool
        for statement in rehearsed.summary.statements
        for execution in rehearsed.executions(statement)
    )


def _blocked(rehearsed: Rehearsed, access: Access) -> Iterator[Finding]:
    explaining = (rewrite, index_built_under_lock, scan_under_lock, held_across)
    explained = {
        (finding.migration, finding.statement, relation)
        for danger in explaining
        for finding in rehearsed.found(danger.find)
        for relation in (finding.relation, *finding.evidence.get("read_as_well", ()))
    }
    for migration in rehearsed.summary.migrations:
        for lock in _long_blocks(migration, rehearsed):
            told = (migration.id, lock.statement, lock.subject) in explained
            if not told and lock.blocks_reads is (access == "read"):
                yield _block_finding(lock, migration, rehearsed)
    for workload in quiet_workloads(rehearsed.run):
        yield from _waits(workload, access, rehearsed.limits)


def _long_blocks(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[LockSummary]:
    """Of each relation the longest block that asks for somebody's consent."""
    blocking = [lock for lock in migration.locks if lock.blocks]
    worst: dict[str, LockSummary] = {}
    for lock in sorted(blocking, key=longest_first):
        if lock.longest_s is None or lock.longest_s > rehearsed.limits.conditional_s:
            worst.setdefault(lock.subject, lock)
    yield from worst.values()


def _block_finding(lock: LockSummary, migration: MigrationSummary, rehearsed: Rehearsed) -> Finding:
    statement = statement_of_lock(lock, migration)
    return finding(
        "blocks-reads" if lock.blocks_reads else "blocks-writes",
        severity_of_lock(lock, rehearsed.limits),
        statement,
        f"{statement.kind} holds {lock.mode.sql_name} on {lock.subject} for up to {seconds(lock.longest_s)}: "
        f"{who_waits(lock.mode)} wait",
        relation=lock.subject,
        evidence={"mode": lock.mode.value, "held_s": lock.longest_s},
        remedy=_kept_for(lock, migration)
        or for_lock(
            statement.kind, statement.text, rehearsed.around, [lock.subject for lock in statement.locks]
        ),
    )


def _kept_for(lock: LockSummary, migration: MigrationSummary) -> Remedy | None:
    """Where a later statement takes most of the time: to try the first one again would spare nobody."""
    later = [
        (statement.duration_s.median, statement)
        for statement in ran_under(lock, migration)
        if statement.duration_s
    ]
    if lock.longest_s is None or not later:
        return None
    longest_s, slowest = max(later, key=lambda timed: timed[0])
    if longest_s < _MOST * lock.longest_s:
        return None
    return Remedy(
        f"Most of that time {slowest.where} ({slowest.kind}) runs, while the transaction keeps the lock: "
        "shorten that statement, or have it in a later transaction."
    )


def _fan_out(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """For each locked relation, the commands on other ones that waited for it when they were tried."""
    worst: dict[str, tuple[float, LockSummary | None, StatementSummary, list[Block]]] = {}
    for statement in migration.statements:
        for subject, blocks in _blocks_elsewhere(statement, rehearsed).items():
            lock = lock_during(statement, migration, subject)
            held_s = lock.longest_s if lock else None
            if held_s is not None and held_s < rehearsed.noticeable_s:
                continue
            seen = worst.get(subject)
            order = float("inf") if held_s is None else held_s
            if seen is None or order > seen[0]:
                worst[subject] = (order, lock, statement, blocks)
    for subject, (_, lock, statement, blocks) in worst.items():
        held_s = lock.longest_s if lock else None
        others = list(dict.fromkeys(block.relation for block in blocks))
        yield finding(
            "fan-out",
            severity_of(held_s, rehearsed.limits),
            statement,
            f"the lock on {subject} stops more than {subject}: {_in_words(blocks)} "
            f"{'waits' if len(blocks) == 1 else 'wait'} for it too, for up to {seconds(held_s)}",
            relation=subject,
            evidence={
                "held_s": held_s,
                "mode": lock.mode.value if lock else None,
                "others": others,
                "commands": len(blocks),
            },
            remedy=Remedy(
                f"Count the users of {', '.join(map(quoted, others[:_LISTED]))} among those who wait: their "
                f"foreign keys, views or indexes lead to {quoted(subject)}. What shortens the lock helps "
                "them, too."
            ),
        )


def _blocks_elsewhere(statement: StatementSummary, rehearsed: Rehearsed) -> dict[str, list[Block]]:
    """By locked relation, what was tried on another one and waited for it, over all repeats."""
    subjects = {lock.relation: lock.subject for lock in statement.locks}
    found: dict[str, dict[tuple[str, str], Block]] = {}
    for execution in rehearsed.executions(statement):
        for block in execution.blocks or ():
            subject = subjects.get(block.waits_on, block.waits_on)
            if block.wait_kind == "relation" and subject != block.relation:
                found.setdefault(subject, {}).setdefault((block.relation, block.op), block)
    return {subject: list(blocks.values()) for subject, blocks in found.items()}


def _in_words(blocks: Sequence[Block]) -> str:
    """``SELECT on public.v; INSERT, UPDATE on public.notes``."""
    by_relation: dict[str, list[str]] = {}
    for block in blocks:
        by_relation.setdefault(block.relation, []).append(block.op)
    parts = [f"{', '.join(ops)} on {relation}" for relation, ops in by_relation.items()]
    more = f"; and on {len(parts) - _LISTED} more" if len(parts) > _LISTED else ""
    return "; ".join(parts[:_LISTED]) + more


def _queues(lock: LockSummary, rehearsed: Rehearsed) -> bool:
    """Whether requests queue behind who waits for it."""
    made_now = lock.subject in rehearsed.made and rehearsed.rows_before(lock.subject) is None
    return lock.blocks and not made_now


def _no_lock_timeout(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """The first statement that would have waited without end for a lock which others then queue behind.

    What is built or dropped CONCURRENTLY is left out: it waits while nobody waits behind it. So is a table
    that this deploy has made, in an earlier file: no release uses it yet.
    """
    unbounded = [
        statement
        for statement in migration.statements
        if "CONCURRENTLY" not in statement.kind
        and any(_queues(lock, rehearsed) for lock in statement.locks)
        and any(other.lock_timeout_s == 0.0 for other in rehearsed.executions(statement))
    ]
    if not unbounded:
        return
    statement, many = unbounded[0], len(unbounded)
    lock = next(lock for lock in statement.locks if _queues(lock, rehearsed))
    execution = next(other for other in rehearsed.executions(statement) if other.lock_timeout_s == 0.0)
    others = "" if many == 1 else f", as {'does' if many == 2 else 'do'} {many - 1} more of the file"
    remedy = for_lock(
        statement.kind, statement.text, rehearsed.around, [lock.subject for lock in statement.locks]
    )
    yield finding(
        "no-lock-timeout",
        "warning",
        statement,
        f"{statement.kind} asks for {lock.mode.sql_name} on {lock.subject} with no lock_timeout{others}: "
        f"behind one long query it waits without end, and all {who_waits(lock.mode)} of {lock.subject} queue "
        "behind it",
        relation=lock.subject,
        evidence={
            "lock_timeout": "0, no limit",
            "source": execution.lock_timeout_source,
            "mode": lock.mode.value,
            "statements": many,
        },
        remedy=Remedy(
            f"Begin the file with SET lock_timeout = '{LOCK_TIMEOUT}', and run what gave up again.",
            f"SET lock_timeout = '{LOCK_TIMEOUT}';\n"
            + (f"-- or, instead of line {statement.line} by itself:\n{remedy.sql}" if remedy.sql else ""),
        ),
    )


def quiet_workloads(run: Run) -> Iterator[Workload]:
    """The traffic of each loaded repeat in which neither a hazard nor a lock timeout was in the way."""
    for part in run.passes:
        if part.quiet:
            yield from part.workloads


@dataclass(frozen=True, slots=True)
class _Wait:
    """The longest wait of a class for one cause."""

    worst_s: float
    total_s: float
    waits: int
    load: ClassLoad
    cause: Cause


def _waits(workload: Workload, access: Access, limits: Limits) -> Iterator[Finding]:
    """For each statement, the class of this access that waited longest."""
    worst: dict[tuple[str, int | None], _Wait] = {}
    classes: dict[tuple[str, int | None], list[str]] = {}
    for load in workload.classes:
        for blocked in load.blocked_by if load.access == access else ():
            at = (blocked.cause.migration, blocked.cause.statement)
            wait = _Wait(blocked.worst_blocked_s, blocked.blocked_s, blocked.waits, load, blocked.cause)
            if blocked.cause.granted is not False and wait.worst_s >= limits.noticeable_s:
                classes.setdefault(at, []).append(load.name)
                if at not in worst or wait.worst_s > worst[at].worst_s:
                    worst[at] = wait
    for at, wait in worst.items():
        yield _wait_finding(wait, classes[at], limits)


def _wait_finding(wait: _Wait, classes: list[str], limits: Limits) -> Finding:
    cause, load = wait.cause, wait.load
    what = f"the lock on {cause.relation}" if cause.relation else "rows that it has changed"
    others = len(set(classes)) - 1
    who = f" and {other_requests(others)} wait" if others else " waits"
    return Finding(
        code="blocks-reads" if load.access == "read" else "blocks-writes",
        severity=severity_of(wait.worst_s, limits),
        migration=cause.migration,
        statement=cause.statement,
        relation=cause.relation or load.table,
        message=f'under traffic, "{load.name}"{who} up to {seconds(wait.worst_s)} for {what} '
        f"({seconds(wait.total_s)} in all)",
        evidence={
            "class": load.name,
            "classes": sorted(set(classes)),
            "worst_blocked_s": wait.worst_s,
            "blocked_s": wait.total_s,
            "waits": wait.waits,
            "mode": cause.mode,
            "wanted": cause.wanted,
            "kind": cause.kind,
            "p99_s": load.latency_s.p99 if load.latency_s else None,
            "failed": load.failed,
        },
        fix="Hold the lock for less: shorter transactions, smaller batches, lock_timeout with retries."
        if cause.relation
        else "Change fewer rows in each transaction.",
    )
