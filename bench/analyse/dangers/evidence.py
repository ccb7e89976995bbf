"""What every danger is told with: the rehearsal around it, its lock, its severity and its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.analyse.budgets import check_budgets
from bench.analyse.locks import LockSummary, longest_first, worst_block
from bench.analyse.quantity import seconds
from bench.analyse.remedies.choice import Surroundings
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import (
    TRANSACTION_CONTROL,
    MigrationSummary,
    RunSummary,
    StatementSummary,
    summarise,
)
from bench.model.budget import DEFAULT_LIMITS, BudgetCheck, Limits
from bench.model.finding import Finding, Severity
from bench.model.lock import LockMode
from bench.model.run import Run, TableKey
from bench.model.statement import RowChanges, StatementRun
from bench.model.texts import LONGEST


@dataclass(frozen=True)
class Rehearsed:
    """A run, its summary, and its single executions by migration and statement."""

    run: Run
    limits: Limits = DEFAULT_LIMITS

    @cached_property
    def summary(self) -> RunSummary:
        return summarise(self.run)

    @cached_property
    def _found(self) -> dict[object, tuple[Finding, ...]]:
        return {}

    def found(self, find: Callable[[Rehearsed], Iterator[Finding]]) -> tuple[Finding, ...]:
        """What a danger's search finds here, searched for once."""
        if find not in self._found:
            self._found[find] = tuple(find(self))
        return self._found[find]

    @cached_property
    def checks(self) -> tuple[BudgetCheck, ...]:
        """What became of the suite's budgets."""
        return check_budgets(self.run, self.summary)

    @cached_property
    def _executions(self) -> Mapping[tuple[str, int], Sequence[StatementRun]]:
        found: dict[tuple[str, int], list[StatementRun]] = {}
        for repeat in self.run.solo:
            for migration in repeat.migrations:
                for statement in migration.statements:
                    found.setdefault((migration.id, statement.index), []).append(statement)
        return found

    def executions(self, statement: StatementSummary) -> Sequence[StatementRun]:
        """The statement in each repeat in which it ran."""
        return [
            execution
            for execution in self._executions.get((statement.migration, statement.index), ())
            if execution.outcome != "skipped"
        ]

    def migration_of(self, statement: StatementSummary) -> MigrationSummary:
        """The migration that a statement stands in."""
        return next(migration for migration in self.summary.migrations if migration.id == statement.migration)

    def seen_before(self, statement: StatementSummary) -> frozenset[str]:
        """The relations that earlier statements of its migration locked."""
        migration = self.migration_of(statement)
        earlier = (other for other in migration.statements if other.index < statement.index)
        return frozenset(lock.relation for other in earlier for lock in other.locks)

    @cached_property
    def around(self) -> Surroundings:
        """What the remedies need to know of the tables."""
        return surroundings(
            self.run.dataset.keys if self.run.dataset else (),
            self.run.environment.server.version_num,
            tuple(statement.text for statement in self.summary.statements),
        )

    @cached_property
    def made(self) -> frozenset[str]:
        """The relations that the migrations themselves make."""
        return frozenset(lock.relation for lock in self.summary.locks if lock.new)

    @cached_property
    def empty(self) -> bool:
        """No table held a row, so that no duration says anything of production."""
        return not self.summary.table_rows

    @property
    def noticeable_s(self) -> float:
        """From how long on a wait is worth a line: on empty tables each is."""
        return 0.0 if self.run.dataset is not None and self.empty else self.limits.noticeable_s

    def row_changes(self, statement: StatementSummary) -> tuple[RowChanges, ...]:
        """The rows that the statement changed, of each table the most over the repeats."""
        most: dict[str, RowChanges] = {}
        for execution in self.executions(statement):
            for change in execution.row_changes:
                if total(change) > total(most.get(change.relation)):
                    most[change.relation] = change
        return tuple(most.values())

    def rows_before(self, table: str) -> int | None:
        """How many rows a table had before the migrations; None where it is not known."""
        tables = self.run.dataset.tables if self.run.dataset else ()
        return next((size.rows for size in tables if size.name == table), None)


def surroundings(keys: Sequence[TableKey], version_num: int, texts: Sequence[str] = ()) -> Surroundings:
    """What remedies need, of tables as they were before the migrations."""
    return Surroundings(
        keys={key.name: key.columns for key in keys if key.columns},
        partitioned_by={key.name: key.partitioned_by for key in keys if key.partitioned_by},
        partitions={key.name: key.partitions for key in keys if key.partitioned_by},
        default_partition={key.name: key.default_partition for key in keys if key.default_partition},
        effects={key.name: key.effects for key in keys if key.effects},
        by_statement={key.name: key.by_statement for key in keys if key.by_statement},
        unpopulated=frozenset(key.name for key in keys if not key.populated),
        version_num=version_num,
        texts=texts,
    )


def total(change: RowChanges | None) -> int:
    """Rows changed in any way."""
    return 0 if change is None else change.inserted + change.updated + change.deleted


def finding(
    code: str,
    severity: Severity,
    statement: StatementSummary,
    message: str,
    *,
    relation: str | None = None,
    evidence: Mapping[str, object],
    remedy: Remedy,
) -> Finding:
    """A danger of one statement, at its place; its evidence has what is known.

    Statements of many thousand characters are not repeated to be run instead.
    """
    return Finding(
        code=code,
        severity=severity,
        migration=statement.migration,
        statement=statement.index,
        relation=relation,
        message=message,
        evidence={key: value for key, value in evidence.items() if value is not None},
        fix=remedy.say,
        sql=remedy.sql if len(remedy.sql or "") <= LONGEST else None,
        place=statement.place,
    )


def severity_of(held_s: float | None, limits: Limits) -> Severity:
    """By how long others wait; what is not known is a warning, never an error."""
    if held_s is None or held_s > limits.conditional_s:
        return "error" if held_s is not None and held_s > limits.not_ready_s else "warning"
    return "info"


def severity_of_lock(lock: LockSummary | None, limits: Limits) -> Severity:
    """By the longest hold; without a lock nobody waits."""
    return "info" if lock is None else severity_of(lock.longest_s, limits)


def lock_during(statement: StatementSummary, migration: MigrationSummary, subject: str) -> LockSummary | None:
    """The strongest lock on a relation while the statement ran, from it or an earlier one."""
    began = statement.started_at_s.median if statement.started_at_s else 0.0
    held = [
        lock
        for lock in migration.locks
        if lock.subject == subject
        and (lock.felt or lock.new)  # what an earlier transaction of the suite has made can be waited for
        and (
            lock.statement == statement.index
            or (lock.statement < statement.index and lock.released_at_s and lock.released_at_s.median > began)
        )
    ]
    return min(held, key=lambda lock: (-lock.mode.strength, longest_first(lock)), default=None)


def block_on(statement: StatementSummary, migration: MigrationSummary, table: str) -> LockSummary | None:
    """The lock that kept users of a table waiting while the statement worked, else one on its indexes.

    Of the statement's own locks the one that was held longest, unless an earlier statement of its
    transaction has left a stronger one.
    """
    strong = [lock for lock in statement.locks if lock.subject == table and lock.blocks]
    own = [lock for lock in strong if lock.relation == table] or strong
    worst = worst_block(own) or next(iter(own), None)
    during = lock_during(statement, migration, table)
    if during is None or during.statement == statement.index:
        return worst
    stronger = worst is None or during.mode.strength > worst.mode.strength
    return during if stronger and during.blocks else worst


def figures(statement: StatementSummary, lock: LockSummary | None, **measured: object) -> dict[str, object]:
    """The figures given, then duration, WAL and the lock."""
    evidence: dict[str, object] = {
        **measured,
        "duration_s": statement.duration_s.median if statement.duration_s else None,
        "wal_bytes": statement.counters.wal_bytes,
    }
    if lock is not None:
        evidence |= {"mode": lock.mode.value, "held_s": lock.longest_s}
    return evidence


def while_held(lock: LockSummary | None) -> str:
    """The lock in words, and who waits behind it."""
    if lock is None:
        return ""
    return (
        f" under {lock.mode.sql_name} on {lock.subject}, held for up to {seconds(lock.longest_s)}: "
        f"{who_waits(lock.mode)} wait"
    )


def who_waits(mode: LockMode) -> str:
    """Reads and writes, or writes alone."""
    return "reads and writes" if mode.blocks_reads else "writes"


def took(statement: StatementSummary) -> str:
    """Its median duration."""
    return seconds(statement.duration_s.median if statement.duration_s else None)


def ran_under(lock: LockSummary, migration: MigrationSummary) -> Iterator[StatementSummary]:
    """The later statements that began before the lock was released, transaction control left out."""
    if lock.released_at_s is None:
        return
    for statement in migration.statements:
        began = statement.started_at_s.median if statement.started_at_s else None
        if (
            statement.index > lock.statement
            and statement.kind not in TRANSACTION_CONTROL
            and began is not None
            and began < lock.released_at_s.median
        ):
            yield statement


def statement_of_lock(lock: LockSummary, migration: MigrationSummary) -> StatementSummary:
    """The statement that took it."""
    return next(statement for statement in migration.statements if statement.index == lock.statement)
