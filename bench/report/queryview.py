"""Views, functions and queries as a page shows them, with their plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.queries import QuerySummary
from bench.analyse.stats import Spread
from bench.model.plan import QueryCost
from bench.report import format as fmt
from bench.report.planview import PlanView, plan_view


@dataclass(frozen=True, slots=True)
class QueryView:
    """One query before and after the suite."""

    anchor: str
    name: str
    kind: str
    sql: str
    before: str
    after: str
    after_s: float
    factor: str
    badges: tuple[tuple[str, str], ...]
    """(style, words)."""
    errors: tuple[tuple[str, str], ...]
    """(side, message)."""
    plans: tuple[PlanView, ...]


def query_views(queries: Sequence[QuerySummary]) -> tuple[QueryView, ...]:
    """Broken queries first, then those whose plan changed, then the slowest."""
    order = sorted(
        queries, key=lambda q: (not q.broken, not q.plan_changed, -(_median(q.after_s) or 0), q.name)
    )
    return tuple(_query(f"q{position}", each) for position, each in enumerate(order, start=1))


def _query(anchor: str, query: QuerySummary) -> QueryView:
    sides = (("before", query.before), ("after", query.after))
    return QueryView(
        anchor=anchor,
        name=query.name,
        kind=query.kind,
        sql=query.text.strip("\n"),
        before="new" if query.added else fmt.seconds(_median(query.before_s)),
        after=fmt.seconds(_median(query.after_s)),
        after_s=_median(query.after_s) or 0.0,
        factor=fmt.ratio(query.ratio) if query.ratio is not None else "",
        badges=_badges(query),
        errors=tuple((side, cost.error) for side, cost in sides if cost and cost.error),
        plans=_plans(query),
    )


def _badges(query: QuerySummary) -> tuple[tuple[str, str], ...]:
    if query.broken:
        return (("bad", "broken by the suite"),)
    if query.after is not None and query.after.error is not None:
        return (("bad", "not costed"),)
    if query.plan_changed:
        return (("note", "plan changed"),)
    return ()


def _plans(query: QuerySummary) -> tuple[PlanView, ...]:
    """Both sides, or after alone where the plan kept its shape."""
    before, after = query.before, query.after
    if after is not None and after.plan and query.plan_changed is False:
        return (_plan("Plan after the suite; before it, the same shape", after, query.after_s),)
    sides = (("Before the suite", before, query.before_s), ("After the suite", after, query.after_s))
    return tuple(
        _plan(title, cost, spread) for title, cost, spread in sides if cost is not None and cost.plan
    )


def _plan(title: str, cost: QueryCost, spread: Spread | None) -> PlanView:
    totals = (
        ("execution", fmt.spread_seconds(spread)),
        ("planning", fmt.seconds(cost.planning_s)),
        ("rows", fmt.count(cost.rows)),
        ("blocks", fmt.count(cost.blocks)),
        ("temporary files", fmt.size(cost.temp_bytes)),
        ("estimated cost", fmt.count(cost.total_cost)),
    )
    known = tuple((label, value) for label, value in totals if value != fmt.UNKNOWN)
    return plan_view(title, known, cost.plan or {})


def _median(spread: Spread | None) -> float | None:
    return spread.median if spread else None
