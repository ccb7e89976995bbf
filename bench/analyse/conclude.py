"""What a run comes to: figures, findings, what became of its budgets, and the verdict, each found once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.analyse.budgets import unmeasured_note
from bench.analyse.card import DeployCard, deploy_card
from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.findings import find_dangers
from bench.analyse.limits import DEFAULT_LIMITS, Limits
from bench.analyse.summary import RunSummary
from bench.analyse.verdict import judge
from bench.model.budget import BudgetCheck
from bench.model.finding import Finding, Verdict
from bench.model.run import Run


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A run and all that is said of it: whatever shows a run takes one, and works nothing out again."""

    run: Run
    """With its findings, budgets and verdict: as it is stored."""
    summary: RunSummary
    card: DeployCard
    findings: tuple[Finding, ...]
    """The severest first, those that are accepted last."""
    checks: tuple[BudgetCheck, ...]
    verdict: Verdict


def conclude(run: Run, limits: Limits = DEFAULT_LIMITS, *, anew: bool = False) -> Conclusion:
    """What a run comes to.

    One that has a verdict keeps it with its findings and budgets, whatever today's rules would say;
    ``anew``: it is judged by today's.
    """
    rehearsed = Rehearsed(run, limits)
    if run.verdict is None or anew:
        rehearsed = Rehearsed(_judged(rehearsed), limits)
        run = rehearsed.run
    assert run.verdict is not None
    return Conclusion(
        run=run,
        summary=rehearsed.summary,
        card=deploy_card(run, rehearsed.summary, limits),
        findings=run.findings,
        checks=run.budgets,
        verdict=run.verdict,
    )


def _judged(rehearsed: Rehearsed) -> Run:
    run, checks = rehearsed.run, rehearsed.checks
    note = unmeasured_note(checks)
    others = tuple(other for other in run.notes if other.subject != "budgets")
    findings = find_dangers(rehearsed)
    return replace(
        run,
        findings=findings,
        budgets=checks,
        verdict=judge(rehearsed, findings),
        notes=(*others, *((note,) if note else ())),
    )
