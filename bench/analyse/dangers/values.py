"""Findings of values tried: constraints that contradict each other, and constraints that refuse nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed
from bench.model.finding import Finding, Severity
from bench.model.proof import ValueTrial

REFUSALS = ("22", "23")
"""SQLSTATE classes data exception and integrity constraint violation: a trigger may refuse otherwise."""
NOT_ITS_OWN = frozenset({"23503", "23505"})
"""Refusals by what other rows hold: of a deletion by other keys, of a value by rows that have it."""
SHOWN = 3


@danger("constraint-contradiction", "Constraints contradict each other", "Data integrity")
def constraint_contradiction(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A value that one constraint allows is refused by another, or a key's own action breaks a rule.

    One finding for each constraint that deletions break: it stands in the way of many keys that lead there.
    Found by `bench prove`, which tries values at the edges of every constraint.

    Why: a default that its own column refuses, an ON DELETE SET NULL into NOT NULL: the error comes with the
    first user who gets there.
    Way out: a default that the constraints accept; a type as wide as its check; a key that cascades.
    Example:
        ALTER TABLE deals ADD COLUMN state varchar(5) CHECK (state IN ('new', 'pending'));
    Instead:
        ALTER TABLE deals ADD COLUMN state varchar(10) CHECK (state IN ('new', 'pending'));
    Source: https://www.postgresql.org/docs/current/ddl-constraints.html
    """
    trials = rehearsed.run.proofs.values
    deletions = [trial for trial in trials if trial.kind == "delete" and _contradicts(trial)]
    for broken in dict.fromkeys((trial.constraint, trial.message) for trial in deletions):
        yield _deletion([trial for trial in deletions if (trial.constraint, trial.message) == broken])
    for of_one in _by_subject(trials):
        if refused := [trial for trial in of_one if _contradicts(trial)]:
            yield _contradiction(refused)


@danger("constraint-unenforced", "A constraint refuses nothing", "Data integrity")
def constraint_unenforced(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A value that a constraint should refuse was accepted.

    Found by `bench prove`, which tries values at the edges of every constraint.

    Why: the code relies on it: a constraint that is NOT ENFORCED, or whose trigger is off, is a comment.
    Way out: enforce the constraint, or drop it.
    Example:
        ALTER TABLE deals ADD COLUMN discount int CONSTRAINT discount_range CHECK (discount > 0) NOT ENFORCED;
    Instead:
        ALTER TABLE deals ADD COLUMN discount int CONSTRAINT discount_range CHECK (discount > 0);
    Source: https://www.postgresql.org/docs/current/sql-createtable.html
    """
    for of_one in _by_subject(rehearsed.run.proofs.values):
        if passed := [trial for trial in of_one if _lets_through(trial)]:
            yield _unenforced(passed)


def _by_subject(trials: Sequence[ValueTrial]) -> Iterator[Sequence[ValueTrial]]:
    """The trials of each constraint or column, deletions left out."""
    others = [trial for trial in trials if trial.kind != "delete"]
    for subject in dict.fromkeys((trial.relation, trial.subject) for trial in others):
        yield [trial for trial in others if (trial.relation, trial.subject) == subject]


def _contradicts(trial: ValueTrial) -> bool:
    state = trial.sqlstate or ""
    return (
        trial.expected is True
        and trial.accepted is False
        and not trial.refused_before
        and state.startswith(REFUSALS)
        and state not in NOT_ITS_OWN
    )


def _lets_through(trial: ValueTrial) -> bool:
    return trial.expected is False and trial.accepted is True


def _contradiction(trials: Sequence[ValueTrial]) -> Finding:
    first = trials[0]
    severity: Severity = "error" if first.kind == "default" else "warning"
    if first.kind == "default":
        message = (
            f"the default of {first.relation}.{first.subject} is refused: {first.message} ({first.sqlstate})"
        )
        fix = "Give the column a default that its own constraints accept."
    else:
        values = ", ".join(repr(trial.tried) for trial in trials[:SHOWN])
        message = (
            f"{first.subject} of {first.relation} allows {values}, which is refused all the same: "
            f"{first.message} ({first.sqlstate})"
        )
        fix = "Make the column's type as wide as its check, or the check as narrow as the type."
    return Finding(
        "constraint-contradiction", severity, None, None, first.relation, message, _evidence(trials), fix
    )


def _deletion(trials: Sequence[ValueTrial]) -> Finding:
    """The keys of the table whose rule is broken; those of others only lead there."""
    first = trials[0]
    own = [trial for trial in trials if f'"{trial.relation.rpartition(".")[2]}"' in (first.message or "")]
    relation = (own or trials)[0].relation
    columns = dict.fromkeys(name for trial in own or trials for name in trial.columns)
    return Finding(
        "constraint-contradiction",
        "error",
        None,
        None,
        relation,
        f"deleting a row that {relation} refers to by {', '.join(columns)} is refused: the key's own action "
        f"breaks {first.constraint or 'another rule'}: {first.message} ({first.sqlstate})",
        _evidence(trials),
        "Let a trigger delete the row that would be left with nothing, or let the key CASCADE.",
    )


def _unenforced(trials: Sequence[ValueTrial]) -> Finding:
    first = trials[0]
    values = ", ".join(repr(trial.tried) for trial in trials[:SHOWN])
    return Finding(
        "constraint-unenforced",
        "error",
        None,
        None,
        first.relation,
        f"{first.subject} of {first.relation} should refuse {values}, and accepts it",
        _evidence(trials),
        "Enforce the constraint (no NOT ENFORCED, no disabled trigger), or drop it.",
    )


def _evidence(trials: Sequence[ValueTrial]) -> dict[str, object]:
    return {
        "tried": [
            {"value": trial.tried, "accepted": trial.accepted, "sqlstate": trial.sqlstate} for trial in trials
        ]
    }
