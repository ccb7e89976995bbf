"""What a run comes to: figures, findings, what became of its budgets, and the verdict, each found once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.analyse.budgets import unmeasured_note
from bench.analyse.card import DeployCard, deploy_card
from bench.analyse.coverage import find_uncovered
from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.findings import find_dangers, with_places
from bench.analyse.summary import RunSummary
from bench.analyse.verdict import judge
from bench.analyse.waits import ACCESSES, find_waits, longest_wait
from bench.model.budget import DEFAULT_LIMITS, BudgetCheck, Limits
from bench.model.finding import Finding, Verdict
from bench.model.load import Access
from bench.model.run import LongestWait, Run


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
    waits: tuple[LongestWait, ...]
    """The longest wait of each migration, access and way of measuring it, the longest first."""

    def longest(self, access: Access, migration: str | None = None) -> LongestWait | None:
        """For how long reads or writes wait at most, for one migration or all; None where nobody waits."""
        return longest_wait(self.waits, access, migration)


def conclude(run: Run, limits: Limits = DEFAULT_LIMITS, *, anew: bool = False) -> Conclusion:
    """What a run comes to.

    One that has a verdict keeps it with its findings and budgets, whatever today's rules would say;
    ``anew``: it is judged by today's.
    """
    rehearsed = Rehearsed(run, limits)
    if run.verdict is None or anew:
        covered = replace(run, uncovered=find_uncovered(run, rehearsed.summary))
        rehearsed = Rehearsed(covered, limits)
        rehearsed = Rehearsed(_judged(rehearsed, find_waits(rehearsed)), limits)
        run = rehearsed.run
    assert run.verdict is not None
    waits = find_waits(rehearsed)
    return Conclusion(
        run=run,
        summary=rehearsed.summary,
        card=deploy_card(run, rehearsed.summary, waits, limits),
        findings=tuple(with_places(run.findings, rehearsed)),
        checks=run.budgets,
        verdict=run.verdict,
        waits=waits,
    )


def _judged(rehearsed: Rehearsed, waits: Sequence[LongestWait]) -> Run:
    run, checks = rehearsed.run, rehearsed.checks
    note = unmeasured_note(checks)
    others = tuple(other for other in run.notes if other.subject != "budgets")
    findings = find_dangers(rehearsed)
    return replace(
        run,
        findings=findings,
        budgets=checks,
        verdict=judge(rehearsed, findings, waits),
        longest_waits=tuple(wait for access in ACCESSES if (wait := longest_wait(waits, access)) is not None),
        notes=(*others, *((note,) if note else ())),
    )
