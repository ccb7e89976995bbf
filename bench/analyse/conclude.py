"""What a run comes to: its findings, what became of its budgets, and the verdict, each found once."""

from __future__ import annotations

from dataclasses import replace

from bench.analyse.budgets import check_budgets, unmeasured_note
from bench.analyse.findings import find_dangers
from bench.analyse.verdict import judge
from bench.model.run import Run


def conclude(run: Run) -> Run:
    """The run with its findings, what became of its budgets, and verdict."""
    checks = check_budgets(run)
    note = unmeasured_note(checks)
    others = tuple(other for other in run.notes if other.subject != "budgets")
    run = replace(
        run, findings=find_dangers(run), budgets=checks, notes=(*others, *((note,) if note else ()))
    )
    return replace(run, verdict=judge(run))
