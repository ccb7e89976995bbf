"""Whether a run keeps within its team's budgets.

Beside a hazard the budgets hold for the deploy as it is meant to run: with lock timeout and retries where
the run has such a pass, else waiting as the files say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from bench.analyse.locks import longest_first
from bench.analyse.quantity import seconds
from bench.analyse.summary import RunSummary
from bench.analyse.traffic import unwatched_s
from bench.model.budget import ANY_HAZARD, Budget, BudgetCheck
from bench.model.deploy import HAZARDS
from bench.model.load import Access, Workload
from bench.model.run import Note, Pass, Run

WAITS = ("longest_blocked_read_s", "longest_blocked_write_s", "blocked_s")
"""The keys of budgets that are about requests that wait."""

Figure = tuple[float | None, str | None]
"""What was measured, and what came to it."""


def check_budgets(run: Run, summary: RunSummary) -> tuple[BudgetCheck, ...]:
    """Each budget of the suite against the passes that it is about, in the order of its file.

    One that says ``any`` hazard is checked beside each hazard that the run has, and stands once without a
    figure where the run has none.
    """
    checks: list[BudgetCheck] = []
    for budget in run.suite.budgets:
        if budget.hazard is None:
            checks.append(_check(budget, None, _quiet(run, summary, budget)))
            continue
        passes = [
            traffic_pass
            for traffic_pass in _beside_hazards(run)
            if _is_about(budget, traffic_pass, run.suite.budgets)
        ]
        checks += [_check(budget, traffic_pass, _of_pass(traffic_pass, budget)) for traffic_pass in passes]
        if not passes and not _overridden(budget, run.suite.budgets):
            checks.append(_check(budget, None, (None, None)))
    return tuple(checks)


def within_budget(checks: Sequence[BudgetCheck], measured_in: Pass, access: Access) -> bool:
    """Whether the suite has a budget for such waits in such a pass, and it is kept."""
    key = f"longest_blocked_{access}_s"
    about = [check for check in checks if (check.key, check.hazard) == (key, measured_in.hazard)]
    return bool(about) and not any(check.broken for check in about)


def describe_check(check: BudgetCheck) -> str:
    """A check in words: what, beside what, measured, allowed, and where that is stated."""
    measured = _amount(check.key, check.measured)
    words: Mapping[str, str] = {
        "longest_blocked_read_s": f"a read waits {measured} for a lock",
        "longest_blocked_write_s": f"a write waits {measured} for a lock",
        "blocked_s": f"requests of one kind wait for {measured} in all",
        "error_share": f"{measured} of the requests fail",
        "deploy_s": "the deploy does not come to its end"
        if check.measured is None
        else f"the deploy takes {measured}",
        "hold_s": f"a lock that blocks {check.relation} is held for {measured}",
    }
    who = f" ({check.subject})" if check.subject else ""
    limit = _amount(check.key, check.limit)
    return f"{words[check.key]}{who}{_beside(check)}, over its budget of {limit} ({check.place})"


def unmeasured_note(checks: Sequence[BudgetCheck]) -> Note | None:
    """Which budgets the run has no figure for, and what would give one."""
    missing = [other for other in checks if other.measured is None and not other.broken]
    if not missing:
        return None
    names = [f"{other.key}{_beside(other)} ({other.place})" for other in missing]
    beside = any(check.hazard for check in missing)
    how = "bench run --hazard all" if beside else "bench run with traffic, watched to its end,"
    return Note("budgets", f"Not measured here: {', '.join(names)}. {how} tries them.")


def _beside(check: BudgetCheck) -> str:
    if check.hazard is None:
        return ""
    return " beside a hazard" if check.hazard == ANY_HAZARD else f" beside {check.hazard}"


def _amount(key: str, value: float | None) -> str:
    if value is None:
        return "?"
    return f"{100 * value:.3g} %" if key == "error_share" else seconds(value)


def _check(budget: Budget, measured_in: Pass | None, figure: Figure) -> BudgetCheck:
    measured, subject = figure
    stopped = measured is None and measured_in is not None and budget.key == "deploy_s"
    return BudgetCheck(
        key=budget.key,
        limit=budget.limit,
        place=budget.place,
        measured=measured,
        broken=stopped or (measured is not None and measured > budget.limit),
        hazard=measured_in.hazard if measured_in is not None else budget.hazard,
        relation=budget.relation,
        lock_timeout_s=measured_in.lock_timeout_s if measured_in is not None else None,
        subject=subject,
    )


def _beside_hazards(run: Run) -> Iterator[Pass]:
    """For each hazard the pass that the budgets are about."""
    for name in HAZARDS:
        passes = run.beside(name)
        tried = [traffic_pass for traffic_pass in passes if traffic_pass.lock_timeout_s is not None]
        yield from (tried or passes)[:1]


def _is_about(budget: Budget, measured_in: Pass, budgets: Sequence[Budget]) -> bool:
    if budget.hazard != ANY_HAZARD:
        return budget.hazard == measured_in.hazard
    return not any(other.hazard == measured_in.hazard and other.key == budget.key for other in budgets)


def _overridden(budget: Budget, budgets: Sequence[Budget]) -> bool:
    """Whether every hazard has a budget of its own in place of this one."""
    own = {other.hazard for other in budgets if other.key == budget.key}
    return budget.hazard == ANY_HAZARD and set(HAZARDS) <= own


def _quiet(run: Run, summary: RunSummary, budget: Budget) -> Figure:
    if budget.key == "hold_s":
        return _hold(summary, budget.relation or "")
    if budget.key == "deploy_s":
        return (summary.duration_s.median if summary.duration_s else None), None
    return (None, None) if run.quiet is None else _of_pass(run.quiet, budget)


def _hold(summary: RunSummary, relation: str) -> Figure:
    """The longest hold that keeps writers of the table waiting; 0 s where there is none."""
    if summary.duration_s is None:
        return None, None
    blocking = [lock for lock in summary.locks if lock.blocks_writes and lock.subject == relation]
    worst = min(blocking, key=longest_first, default=None)
    if worst is None:
        return 0.0, None
    return worst.longest_s, worst.where


def _of_pass(measured_in: Pass, budget: Budget) -> Figure:
    """The worst over the repeats; None where a figure is missing in one.

    Where nobody watched for a time, waits that were seen can break a budget, and nothing shows it kept.
    """
    if budget.key == "deploy_s":
        return _deploy(measured_in), None
    workloads = measured_in.workloads
    figures = [_FIGURES[budget.key](workload) for workload in workloads]
    worst = max(figures, key=lambda figure: figure[0] or 0.0, default=(None, None))
    unseen = budget.key in WAITS and any(map(unwatched_s, workloads))
    return (None, None) if unseen and (worst[0] or 0.0) <= budget.limit else worst


def _deploy(measured_in: Pass) -> float | None:
    """First statement to last, with waits and pauses; None where it did not get there."""
    whole = all(
        migration.outcome == "applied" for repeat in measured_in.repeats for migration in repeat.migrations
    )
    took_s = [repeat.deploy_s for repeat in measured_in.repeats]
    known_s = [seconds for seconds in took_s if seconds is not None]
    return max(known_s) if whole and known_s and len(known_s) == len(took_s) else None


def _longest(workload: Workload, access: Access) -> Figure:
    classes = [load for load in workload.classes if load.access == access]
    worst = max(classes, key=lambda load: load.worst_blocked_s, default=None)
    if worst is None:
        return 0.0, None
    return worst.worst_blocked_s, f'"{worst.name}"' if worst.worst_blocked_s else None


def _blocked(workload: Workload) -> Figure:
    worst = max(workload.classes, key=lambda load: load.blocked_s, default=None)
    return (worst.blocked_s, f'"{worst.name}"') if worst is not None else (0.0, None)


def _errors(workload: Workload) -> Figure:
    sent = sum(load.sent for load in workload.classes)
    bad = sum(load.failed + load.unfinished for load in workload.classes)
    return (bad / sent if sent else None), None


_FIGURES: Mapping[str, Callable[[Workload], Figure]] = {
    "longest_blocked_read_s": lambda workload: _longest(workload, "read"),
    "longest_blocked_write_s": lambda workload: _longest(workload, "write"),
    "blocked_s": _blocked,
    "error_share": _errors,
}
