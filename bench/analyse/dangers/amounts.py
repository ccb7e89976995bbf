"""What a migration keeps to itself: locked rows, entries of the shared lock table, advisory locks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding, severity_of
from bench.analyse.dangers.guards import passed_by
from bench.analyse.overschemas import lock_table
from bench.analyse.quantity import count, seconds
from bench.analyse.remedies.batches import rows_per_batch
from bench.analyse.remedies.choice import for_rows
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.finding import Finding, Severity
from bench.model.lock import LockMode
from bench.model.statement import RowChanges


@danger("row-locks", "Rows stay locked for long", "Performance")
def row_locks(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A backfill holds the locks of the rows that it has changed until its transaction ends.

    Why: who updates or deletes one of them waits, and a request that waits keeps its own locks meanwhile.
    Way out: change few rows in each transaction, in batches that commit.
    Example:
        BEGIN;
        UPDATE deals SET stage = 'open';
        SELECT pg_sleep(1.2);
        COMMIT;
    Instead:
        UPDATE deals SET stage = 'open' WHERE id <= 100;
        UPDATE deals SET stage = 'open' WHERE id > 100 AND id <= 200;
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
    """
    for migration in rehearsed.summary.migrations:
        yield from _row_locks(migration, rehearsed)


@danger("lock-table-full", "The shared lock table fills up", "Downtime")
def lock_table_full(rehearsed: Rehearsed) -> Iterator[Finding]:
    """One transaction locks so many relations that little of the lock table is left for all others.

    Its size is max_locks_per_transaction times the number of sessions that may be.

    Why: with no entry left, every session fails with "out of shared memory".
    Way out: commit more often, so that fewer relations are locked at once; or raise
    max_locks_per_transaction, which needs a restart.
    Example:
        BEGIN;
        DO $$ BEGIN FOR i IN 1..2500 LOOP EXECUTE format('CREATE TABLE many_%s (i int)', i); END LOOP; END $$;
        COMMIT;
    Instead:
        CREATE TABLE many (kind int, i int);
    Source: https://www.postgresql.org/docs/current/runtime-config-locks.html
    """
    for migration in rehearsed.summary.migrations:
        yield from _lock_table_full(migration, rehearsed)


@danger("advisory-lock", "An advisory lock is held", "Downtime")
def advisory_lock(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A migration takes an advisory lock: who asks for the same key waits.

    Why: beside CREATE INDEX CONCURRENTLY, which waits for every older snapshot, a second deploy that waits
    for the key ends in a deadlock with the first. By itself it is a note.
    Way out: ask for the key without waiting, and again after a pause until it is had; give it back as soon as
    the migrations are done.
    Example:
        SELECT pg_advisory_lock(4711);
        CREATE INDEX CONCURRENTLY deals_title ON deals (title);
        SELECT pg_advisory_unlock(4711);
    Instead:
        CREATE INDEX CONCURRENTLY deals_title ON deals (title);
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """
    for migration in rehearsed.summary.migrations:
        yield from _advisory_locks(migration, rehearsed)


@dataclass(frozen=True, slots=True)
class LockedRows:
    """Rows of an existing table that a statement updates or deletes, and for how long they stay locked."""

    statement: StatementSummary
    change: RowChanges
    locked_s: float
    share: int | None
    """Rows of the table before the migrations; None where they were not counted."""

    @property
    def relation(self) -> str:
        return self.change.relation

    @property
    def rows(self) -> int:
        """Outside one transaction all that are changed: a row that is updated twice counts twice."""
        batched = self.statement.transaction == "none"
        return self.change.updated + self.change.deleted if batched else self.change.rows_locked

    @property
    def distinct(self) -> int:
        """There are no more to lock than there are."""
        return min(self.rows, self.share) if self.share else self.rows


def locked_rows(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[LockedRows]:
    """The rows that a migration locks, of each statement and table, where it is known for how long."""
    for statement in migration.statements:
        for change in rehearsed.row_changes(statement):
            locked_s = _locked_s(statement, migration, change)
            if locked_s is None:
                continue
            locked = LockedRows(statement, change, locked_s, rehearsed.rows_before(change.relation))
            if locked.rows:
                yield locked


def _batch_rows(locked: LockedRows) -> int:
    """How many rows of the table a batch may go through, by what the statement took for all of them."""
    took = locked.statement.duration_s
    return rows_per_batch(max(locked.rows, locked.share or 0), took.median if took else 0.0)


def _row_locks(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Rows of existing tables that stay locked until their transaction ends, where that takes a while."""
    limits = rehearsed.limits
    for locked in locked_rows(migration, rehearsed):
        statement, change, locked_s, share = locked.statement, locked.change, locked.locked_s, locked.share
        batched = statement.transaction == "none"
        if locked_s < (limits.conditional_s if batched else limits.noticeable_s):
            continue
        severity: Severity = "info" if locked.rows < limits.many_rows else severity_of(locked_s, limits)
        of = f" of {count(share)}" if share and share > locked.distinct else ""
        if batched:
            remedy = Remedy("Make the batches smaller, so that others wait for less.")
        elif passed_by(statement, migration, change.relation):
            remedy = Remedy(_BESIDE_TRIGGERS)
        else:
            remedy = for_rows(statement.text, change.relation, rehearsed.around, _batch_rows(locked))
        many = f"{count(locked.distinct)}{of} rows of {change.relation}"
        kept = (
            f"changes {many} in transactions of up to {seconds(locked_s)}"
            if batched
            else f"keeps {many} locked for up to {seconds(locked_s)}, until its transaction ends"
        )
        yield finding(
            "row-locks",
            severity,
            statement,
            f"{statement.kind} {kept}: who updates or deletes one of them waits",
            relation=change.relation,
            evidence={
                "rows": locked.rows,
                "rows_before": share,
                "updated": change.updated or None,
                "deleted": change.deleted or None,
                "locked_s": locked_s,
            },
            remedy=remedy,
        )


_BESIDE_TRIGGERS = (
    "Leave the trigger on, and change few rows in each transaction, in batches that pass it by alone: a "
    "WHEN condition on a setting that each batch makes with SET LOCAL. Batches with the trigger off would "
    "leave it off for all sessions between them."
)


def _locked_s(statement: StatementSummary, migration: MigrationSummary, change: RowChanges) -> float | None:
    """From the statement's start, or the longest transaction inside it, to the end of what locks its rows."""
    writing = [
        lock
        for lock in migration.locks
        if lock.relation == change.relation and lock.mode.strength >= LockMode.ROW_EXCLUSIVE.strength
    ]
    own = [lock.longest_s for lock in writing if lock.statement == statement.index]
    known = [held_s for held_s in own if held_s is not None]
    if statement.transaction == "none":
        return max(known, default=None)
    began = statement.started_at_s.median if statement.started_at_s else None
    ends = [
        lock.released_at_s.median
        for lock in writing
        if lock.statement <= statement.index and lock.released_at_s is not None
    ]
    if began is not None and ends and max(ends) > began:
        return max([max(ends) - began, *known])
    return max(known, default=statement.duration_s.high if statement.duration_s else None)


def _lock_table_full(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """The most entries of the shared lock table held at once, against its size.

    https://www.postgresql.org/docs/current/runtime-config-locks.html
    """
    settings, limits = rehearsed.run.environment.server.settings, rehearsed.limits
    held = {
        statement.index: max(execution.lock_count or 0 for execution in executions)
        for statement in migration.statements
        if (executions := rehearsed.executions(statement))
    }
    size = lock_table(settings)
    if not held or size is None:
        return
    index, most = max(held.items(), key=lambda item: item[1])
    per_session = int(settings["max_locks_per_transaction"])
    sessions = size // per_session
    share = most / size
    if share <= limits.lock_table_noted:
        return
    statement = next(other for other in migration.statements if other.index == index)
    enough = _enough(most, sessions, limits.lock_table_full)
    yield finding(
        "lock-table-full",
        "warning" if share > limits.lock_table_full else "info",
        statement,
        f"the migration holds {count(most)} of about {count(size)} locks that all sessions share "
        f'({share:.0%}): with none left every session fails with "out of shared memory"',
        evidence={
            "locks": most,
            "lock_table": size,
            "max_locks_per_transaction": per_session,
            "max_connections": sessions,
        },
        remedy=Remedy(
            "Commit more often, so that fewer relations are locked at once; or raise "
            f"max_locks_per_transaction to {enough} (needs a restart).",
            f"ALTER SYSTEM SET max_locks_per_transaction = {enough};",
        ),
    )


def _enough(locks: int, sessions: int, share: float) -> int:
    """A setting with which the locks are at most this share of the table, a multiple of 64."""
    wanted = locks / share / sessions
    return 64 * max(2, -int(-wanted // 64))


_WAITS_FOR_SNAPSHOTS = ("CREATE INDEX CONCURRENTLY", "REINDEX")
"""Kinds that, done CONCURRENTLY, wait for every older snapshot of whatever session.
https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY"""


def _advisory_locks(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Each advisory lock once, from the statement that took it to the one that gave it back."""
    holders: dict[tuple[str, str], list[StatementSummary]] = {}
    for statement in migration.statements:
        keys = {
            (lock.key, lock.mode)
            for execution in rehearsed.executions(statement)
            for lock in execution.advisory
        }
        for pair in sorted(keys):
            holders.setdefault(pair, []).append(statement)
    for (key, mode), statements in holders.items():
        yield _advisory(key, mode, statements, migration)


def _advisory(
    key: str, mode: str, statements: Sequence[StatementSummary], migration: MigrationSummary
) -> Finding:
    first, shared = statements[0], mode == "ShareLock"
    held_s = sum(statement.duration_s.median for statement in statements[1:] if statement.duration_s)
    after = [statement for statement in migration.statements if statement.index > statements[-1].index]
    until = f"line {after[0].line}" if after else "the end of its session"
    online = next((statement for statement in statements[1:] if _waits_for_snapshots(statement)), None)
    evidence: dict[str, object] = {
        "key": key, "mode": mode, "held_s": held_s, "statements": len(statements),
    }  # fmt: skip
    what = (
        f"the advisory lock {key} ({'shared' if shared else 'exclusive'}) is held from here to {until}, "
        f"{seconds(held_s)}: who asks for the same key waits"
    )
    suffix = "_shared" if shared else ""
    if online is not None and not shared:
        return finding(
            "advisory-lock",
            "warning",
            first,
            f"{what}. Line {online.line} ({online.kind}) waits for every session that has begun a statement "
            "before, also for a second deploy that waits for the key: the two end in a deadlock (40P01)",
            evidence=evidence | {"deadlock_line": online.line},
            remedy=Remedy(
                "Ask for the key without waiting, and again after a pause until it is had: between two tries "
                "nothing stands in the way of the build.",
                f"SELECT pg_try_advisory_lock({key});",
            ),
        )
    return finding(
        "advisory-lock",
        "info",
        first,
        what,
        evidence=evidence,
        remedy=Remedy(
            f"Give the key {key} to nothing but migrations, and release it as soon as they are done.",
            None if after else f"SELECT pg_advisory_unlock{suffix}({key});",
        ),
    )


def _waits_for_snapshots(statement: StatementSummary) -> bool:
    return statement.kind.startswith(_WAITS_FOR_SNAPSHOTS) and "CONCURRENTLY" in statement.text.upper()
