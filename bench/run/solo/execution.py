"""A statement right after it ran, before the samples of its locks are put in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.model.lock import Lock
from bench.model.run import MigrationRun
from bench.model.statement import (
    AdvisoryLock,
    Block,
    Counters,
    Hanging,
    Notice,
    Statement,
    StatementError,
    StatementOutcome,
    StatementRun,
    TransactionMode,
)
from bench.observe.clock import DeployClock
from bench.observe.holds import Span
from bench.observe.inside import Inside


@dataclass(slots=True)
class Execution:
    """What is known of one statement; filled in as the runner goes from its execution to its commit."""

    outcome: StatementOutcome
    span: Span
    """Wall-clock readings right before and right after its execution."""
    duration_s: float
    calibration_s: float | None
    rows: int | None
    error: StatementError | None
    transaction: TransactionMode = "none"
    counters: Counters = field(default_factory=Counters)
    inside: Inside = field(default_factory=Inside)
    advisory: tuple[AdvisoryLock, ...] = ()
    blocks: tuple[Block, ...] | None = None
    untried: tuple[str, ...] = ()
    lock_count: int | None = None
    lock_timeout: tuple[float, str] | None = None
    """Seconds, 0.0 for none, and where the setting came from."""
    commit_s: float | None = None
    observed_s: float | None = None
    notices: tuple[Notice, ...] = ()
    notices_left_out: int = 0
    hanging: tuple[Hanging, ...] | None = None

    def as_run(self, statement: Statement, clock: DeployClock, locks: tuple[Lock, ...] = ()) -> StatementRun:
        """The record for the run file, with offsets on the deploy's clock."""
        return StatementRun(
            index=statement.index,
            line=statement.line,
            file=statement.file,
            text=statement.text,
            by_tool=statement.by_tool,
            kind=statement.kind,
            transaction=self.transaction,
            outcome=self.outcome,
            duration_s=self.duration_s,
            calibration_s=self.calibration_s,
            rows=self.rows,
            counters=self.counters,
            locks=locks,
            rewrites=self.inside.rewrites,
            validations=self.inside.validations,
            error=self.error,
            started_at_s=clock.at(self.span[0]),
            commit_s=self.commit_s,
            observed_s=self.observed_s,
            truncated=self.inside.truncated,
            row_changes=self.inside.row_changes,
            advisory=self.advisory,
            blocks=self.blocks,
            untried=self.untried,
            lock_timeout_s=self.lock_timeout[0] if self.lock_timeout else None,
            lock_timeout_source=self.lock_timeout[1] if self.lock_timeout else None,
            lock_count=self.lock_count,
            notices=self.notices,
            notices_left_out=self.notices_left_out,
            hanging=self.hanging,
        )


def skipped(statement: Statement) -> StatementRun:
    """The record of a statement that was not reached."""
    return StatementRun(
        index=statement.index,
        line=statement.line,
        file=statement.file,
        text=statement.text,
        by_tool=statement.by_tool,
        kind=statement.kind,
        transaction="none",
        outcome="skipped",
        duration_s=None,
        calibration_s=None,
        rows=None,
        counters=Counters(),
    )


def not_reached(migration: str, statements: Iterable[Statement]) -> MigrationRun:
    """The record of a migration that was not reached."""
    return MigrationRun(
        id=migration,
        outcome="skipped",
        duration_s=None,
        error=None,
        statements=tuple(skipped(statement) for statement in statements),
    )
