"""A run in figures: medians over the repeats of its solo pass, with n and the extremes.

The loaded pass never enters here: under traffic, durations and counters mean something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.analyse.locks import LockSummary as LockSummary
from bench.analyse.locks import merge_locks, worst_block
from bench.analyse.queries import QuerySummary as QuerySummary
from bench.analyse.queries import summarise_query
from bench.analyse.stats import Spread, low_median, median_counters
from bench.model.finding import Place
from bench.model.plan import GrowthOf, NestedPlan
from bench.model.run import MigrationFile, MigrationOutcome, MigrationRun, Repeat, Run
from bench.model.statement import (
    Counters,
    Hanging,
    Notice,
    Onward,
    Rewrite,
    Skip,
    StatementError,
    StatementOutcome,
    StatementRun,
    TransactionMode,
    Validation,
)
from bench.sql.kinds import TRANSACTION_COMMANDS

T = TypeVar("T")

TRANSACTION_CONTROL = TRANSACTION_COMMANDS | {"SET"}
"""Commands whose missing counters leave a total known: they write nothing worth counting."""


@dataclass(frozen=True, slots=True)
class StatementSummary:
    """One statement over all repeats in which its migration ran."""

    migration: str
    file: str
    """Path below the suite's directory."""
    index: int
    line: int
    text: str
    kind: str
    transaction: TransactionMode
    outcome: StatementOutcome
    """The worst over the repeats: failed, then skipped, then applied."""
    duration_s: Spread | None
    """None where it never ran."""
    started_at_s: Spread | None
    """Seconds after the start of the migration's first statement."""
    rows: int | None
    """Low median over the repeats."""
    counters: Counters
    """Each counter's low median over the repeats: a value that was really read."""
    varying: dict[str, Spread]
    """The counters that were not equal in all repeats, by field name of :class:`Counters`."""
    locks: tuple[LockSummary, ...]
    """Strongest mode first, then longest hold."""
    rewrites: tuple[Rewrite, ...]
    validations: tuple[Validation, ...]
    nested: tuple[NestedPlan, ...]
    error: StatementError | None
    """The first failure, in the repeats' order."""
    explained_s: float | None = None
    """Its duration in the pass that looked inside, to which ``nested`` belongs."""
    nested_left_out: int = 0
    notices: tuple[Notice, ...] = ()
    """What the server said in the first repeat in which it said something."""
    notices_left_out: int = 0
    skips: tuple[Skip, ...] = ()
    growth: float | None = None
    """Exponent of the whole statement against data."""
    growth_of: GrowthOf | None = None
    hanging: tuple[Hanging, ...] | None = None
    """What hangs on the columns whose type it changed."""

    @property
    def place(self) -> Place:
        """Its file and line; the line where the server points if the statement failed."""
        return Place(self.file, self.error.line if self.error and self.error.line else self.line)

    @property
    def where(self) -> str:
        """``file:line`` of its place."""
        return str(self.place)

    @property
    def strongest_lock(self) -> LockSummary | None:
        """The strongest lock on a relation that existed before the migration."""
        return next((lock for lock in self.locks if lock.felt), None)


@dataclass(frozen=True, slots=True)
class MigrationSummary:
    """One migration over all repeats."""

    id: str
    file: str
    rollback_file: str | None
    outcome: MigrationOutcome | None
    """The worst over the repeats; None where no repeat has it."""
    n: int
    """Repeats that have it, whatever its outcome."""
    failures: int
    """Repeats in which it failed."""
    duration_s: Spread | None
    """What the deploy needs, without the harness's own reads."""
    wall_s: Spread | None
    wal_bytes: Spread | None
    """Sum over the applied statements; None where one of them has no figure."""
    size_delta_bytes: Spread | None
    """Growth of the database on disk, summed in the same way."""
    statements: tuple[StatementSummary, ...]
    error: StatementError | None
    onward: tuple[Onward, ...] = ()
    """What psql without ON_ERROR_STOP would go on to do, after the first failure."""

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended the run in it, so that its end is no failure of its own."""
        return self.error is not None and self.error.interrupted

    @property
    def locks(self) -> tuple[LockSummary, ...]:
        """The locks of all its statements, in the file's order."""
        return tuple(lock for statement in self.statements for lock in statement.locks)

    @property
    def failed_statement(self) -> StatementSummary | None:
        """The statement that the server refused."""
        return next((statement for statement in self.statements if statement.outcome == "failed"), None)

    @property
    def failure_file(self) -> str:
        """The file where it failed: its own, or one that it includes."""
        last = self.failed_statement or (self.statements[-1] if self.statements else None)
        return last.file if last else self.file

    @property
    def failure_line(self) -> int | None:
        """Line of the file where it failed: where the server points, else where the statement starts."""
        if self.error is not None and self.error.line is not None:
            return self.error.line
        return self.failed_statement.line if self.failed_statement else None

    @property
    def worst_read_block(self) -> LockSummary | None:
        """The longest hold behind which a plain SELECT on an existing relation waits."""
        return worst_block(lock for lock in self.locks if lock.blocks_reads)

    @property
    def worst_write_block(self) -> LockSummary | None:
        """The longest hold behind which INSERT, UPDATE and DELETE on an existing relation wait."""
        return worst_block(lock for lock in self.locks if lock.blocks_writes)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The whole run. ``n`` is the number of solo repeats, complete or not."""

    run_id: str
    suite: str
    n: int
    finished: bool
    """False while the run goes on, or where it was cut off."""
    migrations: tuple[MigrationSummary, ...]
    """In the suite's order; those that no repeat reached are listed with outcome None."""
    queries: tuple[QuerySummary, ...]
    duration_s: Spread | None
    """All migrations together, over the repeats in which every one was applied."""
    wal_bytes: Spread | None
    size_delta_bytes: Spread | None
    table_rows: int | None
    """In all tables before the migrations; None where they were not counted."""

    @property
    def statements(self) -> tuple[StatementSummary, ...]:
        """The statements of all migrations, in order."""
        return tuple(statement for migration in self.migrations for statement in migration.statements)

    @property
    def locks(self) -> tuple[LockSummary, ...]:
        """The locks of all migrations, in order."""
        return tuple(lock for migration in self.migrations for lock in migration.locks)

    @property
    def failed(self) -> MigrationSummary | None:
        """The first migration that failed in any repeat; not one in which somebody ended the run."""
        return next(
            (
                migration
                for migration in self.migrations
                if migration.outcome == "failed" and not migration.interrupted
            ),
            None,
        )

    @property
    def interrupted(self) -> MigrationSummary | None:
        """The migration in which somebody ended the run."""
        return next((migration for migration in self.migrations if migration.interrupted), None)

    @property
    def worst_read_block(self) -> LockSummary | None:
        """The longest hold behind which a plain SELECT on an existing relation waits."""
        return worst_block(lock for lock in self.locks if lock.blocks_reads)

    @property
    def worst_write_block(self) -> LockSummary | None:
        """The longest hold behind which INSERT, UPDATE and DELETE on an existing relation wait."""
        return worst_block(lock for lock in self.locks if lock.blocks_writes)


def summarise(run: Run) -> RunSummary:
    """Sum a run up; a run without repeats gives its migrations with outcome None and no figures."""
    repeats = run.solo
    migrations = tuple(
        summarise_migration(file, [migration for repeat in repeats for migration in repeat.migrations])
        for file in run.suite.migrations
    )
    complete = [r for r in repeats if _complete(r, run)]
    return RunSummary(
        run_id=run.run_id,
        suite=run.suite.name,
        n=len(repeats),
        finished=run.finished_at is not None,
        migrations=migrations,
        queries=tuple(summarise_query(query, run.functions, run.table_indexes) for query in run.queries),
        duration_s=Spread.of(_total(m.duration_s for m in r.migrations) for r in complete),
        wal_bytes=Spread.of(_total(_written(m, "wal_bytes") for m in r.migrations) for r in complete),
        size_delta_bytes=Spread.of(
            _total(_written(m, "size_delta_bytes") for m in r.migrations) for r in complete
        ),
        table_rows=run.dataset.rows if run.dataset else None,
    )


def _complete(repeat: Repeat, run: Run) -> bool:
    applied = [migration.id for migration in repeat.migrations if migration.outcome == "applied"]
    return bool(applied) and applied == [file.id for file in run.suite.migrations]


def summarise_migration(file: MigrationFile, all_runs: Iterable[MigrationRun]) -> MigrationSummary:
    """One file over those of the runs that are its."""
    runs = [migration for migration in all_runs if migration.id == file.id]
    by_index: dict[int, list[StatementRun]] = {}
    for migration in runs:
        for statement in migration.statements:
            by_index.setdefault(statement.index, []).append(statement)
    return MigrationSummary(
        id=file.id,
        file=file.file,
        rollback_file=file.rollback_file,
        outcome=_worst([migration.outcome for migration in runs]),
        n=len(runs),
        failures=sum(migration.outcome == "failed" for migration in runs),
        duration_s=Spread.of(migration.duration_s for migration in runs),
        wall_s=Spread.of(migration.wall_s for migration in runs),
        wal_bytes=Spread.of(_written(migration, "wal_bytes") for migration in runs),
        size_delta_bytes=Spread.of(_written(migration, "size_delta_bytes") for migration in runs),
        statements=tuple(_statement(file, by_index[index]) for index in sorted(by_index)),
        error=_first_error(migration.error for migration in runs),
        onward=next((migration.onward for migration in runs if migration.onward), ()),
    )


def _statement(file: MigrationFile, runs: Sequence[StatementRun]) -> StatementSummary:
    first = runs[0]
    outcome = _worst([statement.outcome for statement in runs])
    assert outcome is not None  # there is at least one run
    counters, varying = median_counters([statement.counters for statement in runs])
    opened = next(
        (statement for statement in runs if statement.nested or statement.explained_s is not None), first
    )
    heard = next((statement for statement in runs if statement.notices), first)
    return StatementSummary(
        migration=file.id,
        file=first.file_beside(file.file),
        index=first.index,
        line=first.line,
        text=first.text,
        kind=first.kind,
        transaction=next(
            (statement.transaction for statement in runs if statement.outcome == "applied"), first.transaction
        ),
        outcome=outcome,
        duration_s=Spread.of(statement.duration_s for statement in runs),
        started_at_s=Spread.of(statement.started_at_s for statement in runs),
        rows=low_median(statement.rows for statement in runs),
        counters=counters,
        varying=varying,
        locks=merge_locks(file, runs),
        rewrites=_union((statement.rewrites for statement in runs), lambda rewrite: rewrite.relation),
        validations=_union(
            (statement.validations for statement in runs), lambda validation: validation.relation
        ),
        nested=opened.nested,
        error=next((statement.error for statement in runs if statement.error), None),
        explained_s=opened.explained_s,
        nested_left_out=opened.nested_left_out,
        notices=heard.notices,
        notices_left_out=heard.notices_left_out,
        skips=next((statement.skips for statement in runs if statement.skips), ()),
        growth=opened.growth,
        growth_of=opened.growth_of,
        hanging=next((statement.hanging for statement in runs if statement.hanging is not None), None),
    )


def _first_error(errors: Iterable[StatementError | None]) -> StatementError | None:
    """A failure of the migration's own, else the end of the run that somebody asked for."""
    known = [error for error in errors if error is not None]
    return next((error for error in known if not error.interrupted), next(iter(known), None))


def _written(run: MigrationRun, counter: str) -> int | None:
    """One counter summed over the applied statements, 0 over none; None where a figure is missing."""
    values: list[int | None] = [
        getattr(statement.counters, counter)
        for statement in run.statements
        if statement.outcome == "applied"
        and not (statement.kind in TRANSACTION_CONTROL and getattr(statement.counters, counter) is None)
    ]
    if not values and run.outcome == "applied":
        return 0
    total = _total(values)
    return None if total is None else int(total)


def _total(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if not known or None in known else sum(value for value in known if value is not None)


def _worst(outcomes: Sequence[StatementOutcome]) -> StatementOutcome | None:
    return min(outcomes, key=("failed", "skipped", "applied").index, default=None)


def _union(repeats: Iterable[tuple[T, ...]], key: Callable[[T], str]) -> tuple[T, ...]:
    found: dict[str, T] = {}
    for repeat in repeats:
        for item in repeat:
            found.setdefault(key(item), item)
    return tuple(found.values())
