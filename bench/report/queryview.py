"""Views, functions and queries as a page shows them, with their plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.analyse.plandiff import DiffNode, describe_diff, diff_plans
from bench.analyse.queries import QuerySummary
from bench.analyse.stats import Spread
from bench.model.plan import NestedPlan, QueryCost
from bench.report import format as fmt
from bench.report.document import Block, Code, Failure, Folded, Html, Section
from bench.report.plandiagram import draw_plan
from bench.report.planview import PlanView, plan_view
from bench.report.sections.queries import advice_list, ways_table


@dataclass(frozen=True, slots=True)
class QueryView:
    """One query before and after the suite."""

    anchor: str
    name: str
    kind: str
    before: str
    after: str
    after_s: float
    factor: str
    badges: tuple[tuple[str, str], ...]
    """(style, words)."""
    told: tuple[Block, ...]
    """Its SQL, errors, hints, ways of execution and both plans as one tree."""
    plans: tuple[PlanView, ...]
    inside: tuple[NestedRow, ...] = ()
    """What its functions ran after the suite."""


@dataclass(frozen=True, slots=True)
class NestedRow:
    """A statement that ran in one of its functions."""

    text: str
    place: str
    calls: str
    duration: str
    plan: PlanView | None


def query_views(queries: Sequence[QuerySummary]) -> tuple[QueryView, ...]:
    """Broken queries first, then those whose plan changed, then the slowest."""
    order = sorted(
        queries, key=lambda q: (not q.broken, not q.plan_changed, -(_median(q.after_s) or 0), q.name)
    )
    return tuple(_query(f"q{position}", query) for position, query in enumerate(order, start=1))


def _query(anchor: str, query: QuerySummary) -> QueryView:
    return QueryView(
        anchor=anchor,
        name=query.name,
        kind=query.kind,
        before="new" if query.added else fmt.seconds(_median(query.before_s)),
        after=fmt.seconds(_median(query.after_s)),
        after_s=_median(query.after_s) or 0.0,
        factor=fmt.ratio(query.ratio) if query.ratio is not None else "",
        badges=_badges(query),
        told=tuple(_told(query)),
        plans=_plans(query),
        inside=tuple(_nested(plan) for plan in query.after.nested) if query.after else (),
    )


def _told(query: QuerySummary) -> Iterator[Block]:
    for side, cost in (("before", query.before), ("after", query.after)):
        if cost and cost.error:
            yield Failure(f"{side} the suite: {cost.error}")
    if query.text.strip():
        yield Code(query.text.strip("\n"))
    yield from advice_list(query)
    if len(query.ways) > 1:
        yield ways_table(query)
    root = _tree(query)
    if root:
        drawn = Markup(
            '<div class="scroll stack tree" tabindex="0" role="group" aria-label="Plan">{}</div>'
        ).format(Markup(draw_plan(root, f"plan of {query.name}")))
        both = "Both plans as one tree: red was done in another way, dashed is on one side alone"
        yield Section(both if query.plan_changed else "Plan as a tree", (Html(drawn),))
        if query.plan_changed:
            yield Folded("The same as text", (Code(describe_diff(root), "diff"),))


def _tree(query: QuerySummary) -> DiffNode | None:
    """Both plans where the shape changed, else the one there is."""
    before, after = (cost.plan if cost else None for cost in (query.before, query.after))
    if before and after and query.plan_changed:
        return diff_plans(before, after)
    plan = after or before
    return diff_plans(plan, plan) if plan else None


def _nested(nested: NestedPlan) -> NestedRow:
    return NestedRow(
        text=fmt.shortened(nested.text, 200),
        place=nested.context or "",
        calls=fmt.count(nested.calls),
        duration=fmt.seconds(nested.duration_s),
        plan=plan_view("", (), nested.plan) if nested.plan else None,
    )


def _badges(query: QuerySummary) -> tuple[tuple[str, str], ...]:
    if query.broken:
        return (("bad", "broken by the suite"),)
    if query.after is not None and query.after.error is not None:
        return (("bad", "not costed"),)
    changed = (("note", "plan changed"),) if query.plan_changed else ()
    hints = (("", f"{len(query.advice)} hint{'s' * (len(query.advice) > 1)}"),) if query.advice else ()
    return (*changed, *hints)


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
