"""Findings of values tried: constraints that contradict each other, and constraints that refuse nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.model.finding import Finding, Severity
from bench.model.proof import ValueTrial
from bench.model.run import Run

REFUSALS = ("22", "23")
"""SQLSTATE classes data exception and integrity constraint violation: a trigger may refuse otherwise."""
NOT_ITS_OWN = frozenset({"23503", "23505"})
"""Refusals by what other rows hold: of a deletion by other keys, of a value by rows that have it."""
SHOWN = 3


def value_findings(run: Run) -> Iterator[Finding]:
    """``constraint-contradiction`` and ``constraint-unenforced``, one for each constraint or column.

    One for each constraint that deletions break: it stands in the way of many keys that lead there.
    """
    deletions = [each for each in run.proofs.values if each.kind == "delete" and _contradicts(each)]
    for broken in dict.fromkeys((each.constraint, each.message) for each in deletions):
        yield _deletion([each for each in deletions if (each.constraint, each.message) == broken])
    others = [each for each in run.proofs.values if each.kind != "delete"]
    for subject in dict.fromkeys((each.relation, each.subject) for each in others):
        trials = [each for each in others if (each.relation, each.subject) == subject]
        refused = [each for each in trials if _contradicts(each)]
        passed = [each for each in trials if _lets_through(each)]
        if refused:
            yield _contradiction(refused)
        if passed:
            yield _unenforced(passed)


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
        values = ", ".join(repr(each.tried) for each in trials[:SHOWN])
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
    own = [each for each in trials if f'"{each.relation.rpartition(".")[2]}"' in (first.message or "")]
    relation = (own or trials)[0].relation
    columns = dict.fromkeys(name for each in own or trials for name in each.columns)
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
    values = ", ".join(repr(each.tried) for each in trials[:SHOWN])
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
            {"value": each.tried, "accepted": each.accepted, "sqlstate": each.sqlstate} for each in trials
        ]
    }
