"""A statement right after it ran, before the samples of its locks are put in."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.model.lock import Lock
from bench.model.metric import Counters
from bench.model.statement import (
    Rewrite,
    Statement,
    StatementError,
    StatementOutcome,
    StatementRun,
    TransactionMode,
    Validation,
)
from bench.observe.clock import DeployClock
from bench.observe.holds import Span


@dataclass(slots=True)
class Measured:
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
    rewrites: tuple[Rewrite, ...] = ()
    validations: tuple[Validation, ...] = ()
    commit_s: float | None = None
    observed_s: float | None = None

    def as_run(self, statement: Statement, clock: DeployClock, locks: tuple[Lock, ...] = ()) -> StatementRun:
        """The record for the run file, with offsets on the deploy's clock."""
        return StatementRun(
            index=statement.index,
            line=statement.line,
            text=statement.text,
            kind=statement.kind,
            transaction=self.transaction,
            outcome=self.outcome,
            duration_s=self.duration_s,
            calibration_s=self.calibration_s,
            rows=self.rows,
            counters=self.counters,
            locks=locks,
            rewrites=self.rewrites,
            validations=self.validations,
            error=self.error,
            started_at_s=clock.at(self.span[0]),
            commit_s=self.commit_s,
            observed_s=self.observed_s,
        )


def skipped(statement: Statement) -> StatementRun:
    """The record of a statement that was not reached."""
    return StatementRun(
        index=statement.index,
        line=statement.line,
        text=statement.text,
        kind=statement.kind,
        transaction="none",
        outcome="skipped",
        duration_s=None,
        calibration_s=None,
        rows=None,
        counters=Counters(),
    )
