"""Findings of crash points and second runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.dangers.rollback import SHOWN, describe, describe_error, gravest_first, listed
from bench.analyse.quantity import count
from bench.model.finding import Finding
from bench.model.proof import CrashPoint, Difference, IdempotenceProof


@danger("partial-failure", "A crash leaves it half done", "Partial failure")
def partial_failure(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A crash at one of the statements leaves a state from which the migration cannot go on.

    Found by `bench prove`, which cuts each migration off after every statement and runs it again.

    Why: a lost connection or a restart is enough; somebody then repairs the schema by hand.
    Way out: put what belongs together into one transaction; let what cannot be in one begin by looking at
    what is there (IF NOT EXISTS; DROP INDEX CONCURRENTLY IF EXISTS before an index).
    Example:
        ALTER TABLE deals ADD COLUMN region text;
        ALTER TABLE contacts ADD COLUMN region text;
    Instead:
        BEGIN;
        ALTER TABLE deals ADD COLUMN region text;
        ALTER TABLE contacts ADD COLUMN region text;
        COMMIT;
    Source: https://www.postgresql.org/docs/current/tutorial-transactions.html
    """
    every = rehearsed.run.proofs.crash_points
    for migration in dict.fromkeys(point.migration for point in every):
        points = [point for point in every if point.migration == migration]
        bad = [point for point in points if point.state == "partial" and point.rerun in ("fails", "damages")]
        if bad:
            yield _partial(migration, bad, points)


@danger("not-idempotent", "A second run does other things", "Data integrity")
def not_idempotent(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A migration that runs twice, or before its turn, fails or leaves another state.

    Found by `bench prove`. A second run that is refused and changes nothing is a note.

    Why: two runners that start at once, or a retry after a lost answer, run a file twice.
    Way out: let every statement look at what is there first.
    Example:
        UPDATE deals SET quantity = quantity + 1;
    Instead:
        UPDATE deals SET quantity = 2 WHERE quantity = 1;
    Source: https://www.postgresql.org/docs/current/tutorial-transactions.html
    """
    for proof in rehearsed.run.proofs.idempotence:
        if proof.scope == "twice" and proof.outcome != "same":
            yield _second_run(proof)
        elif proof.scope == "out-of-order" and proof.outcome in ("changes", "breaks"):
            yield _swapped(proof)


def _partial(migration: str, bad: Sequence[CrashPoint], points: Sequence[CrashPoint]) -> Finding:
    first = min(bad, key=lambda point: (point.line, point.inside))
    where = f"{'inside' if first.inside else 'after'} line {first.line}"
    then = (
        f"run again it fails {describe_error(first.error)}"
        if first.rerun == "fails"
        else f"run again it ends elsewhere than an undisturbed run: it {listed(first.end_differences)}"
    )
    boundaries = sum(point.covers for point in points)
    stuck = sum(point.covers for point in bad)
    return Finding(
        "partial-failure",
        "error",
        migration,
        first.statement if first.statement >= 0 else None,
        None,
        f"a crash {where} leaves {migration} half done ({so_far(first.differences)}), and {then}; "
        f"so at {stuck} of {boundaries} points",
        {
            "points": boundaries,
            "stuck": stuck,
            "line": first.line,
            "inside": first.inside,
            "rerun": first.rerun,
            "sqlstate": first.error.sqlstate if first.error else None,
            "left": [describe(difference) for difference in first.differences],
        },
        "Put what belongs together into one transaction, and let what cannot be in one (CONCURRENTLY, "
        "batches) begin by looking at what is there: IF NOT EXISTS for tables and columns, DROP INDEX "
        "CONCURRENTLY IF EXISTS before an index (IF NOT EXISTS would keep one that is INVALID), a "
        "record of the batches done.",
    )


def so_far(differences: Sequence[Difference]) -> str:
    """What a crash leaves, in words: the gravest first."""
    ordered = gravest_first(differences)
    shown = [_state(difference) for difference in ordered[:SHOWN]]
    more = len(ordered) - SHOWN
    return "; ".join([*shown, f"{more} more"] if more > 0 else shown)


def _state(difference: Difference) -> str:
    verb = {"added": "there", "removed": "gone", "changed": "changed"}[difference.change]
    if difference.thing != "rows":
        return f"{difference.object} {verb} already"
    rows = f"{count(difference.rows or 0)} {'row' if difference.rows == 1 else 'rows'}"
    return f"{rows} of {difference.object} {verb} already"


def _second_run(proof: IdempotenceProof) -> Finding:
    migration = proof.migrations[0]
    if proof.outcome == "refuses":
        message = f"{migration} run a second time fails {describe_error(proof.error)}; nothing changes"
    elif proof.outcome == "breaks":
        message = (
            f"{migration} run a second time fails {describe_error(proof.error)}, and "
            f"{listed(proof.differences)}"
        )
    else:
        message = f"{migration} run a second time {listed(proof.differences)}, without an error"
    return Finding(
        "not-idempotent",
        "info" if proof.outcome == "refuses" else "warning",
        migration,
        None,
        None,
        message,
        {"outcome": proof.outcome, "differences": [describe(difference) for difference in proof.differences]},
        "Where the deploy may be started twice, let every statement look at what is there first.",
    )


def _swapped(proof: IdempotenceProof) -> Finding:
    early, late = proof.migrations
    how = "fails half-way" if proof.outcome == "breaks" else "raises no error"
    return Finding(
        "not-idempotent",
        "info",
        early,
        None,
        None,
        f"{early} run before {late} {how}, and {listed(proof.differences)}",
        {"outcome": proof.outcome, "differences": [describe(difference) for difference in proof.differences]},
        f"Let {early} begin with a check that {late} has been applied.",
    )
