"""Views, functions and queries as a page shows them, with their plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.queries import QuerySummary
from bench.analyse.stats import Spread
from bench.model.plan import QueryCost
from bench.report import format as fmt
from bench.report.plantree import PlanRow, plan_rows

LONGEST_DETAIL = 240
OFF = 10.0
"""An estimate that is wrong by this factor or more is marked."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One row of a plan."""

    depth: int
    node: str
    role: str
    details: tuple[tuple[str, str], ...]
    time: str
    share: float
    """0 to 1; 0 where not timed."""
    estimated: str
    rows: str
    factor: str
    """Filled where the estimate is wrong by a factor of ten or more."""
    loops: str
    blocks: str
    temp: str
    ran: bool


@dataclass(frozen=True, slots=True)
class PlanView:
    """One side's plan with its totals."""

    title: str
    totals: tuple[tuple[str, str], ...]
    nodes: tuple[NodeView, ...]


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
    return PlanView(title, known, tuple(_node(row) for row in plan_rows(cost.plan or {})))


def _node(row: PlanRow) -> NodeView:
    factor = row.estimate_factor
    off = factor is not None and not 1 / OFF < factor < OFF
    many = row.loops is not None and row.loops > 1
    return NodeView(
        depth=row.depth,
        node=row.node,
        role=row.role or "",
        details=tuple((key, fmt.shortened(value, LONGEST_DETAIL)) for key, value in row.details),
        time=fmt.seconds(row.exclusive_s),
        share=min(row.share or 0.0, 1.0),
        estimated=fmt.count(row.rows_estimated),
        rows="never ran" if row.never_ran else fmt.count(row.rows),
        factor=_factor(factor) if off and factor is not None else "",
        loops=fmt.count(row.loops) if many else "",
        blocks=_blocks(row),
        temp=fmt.count(row.temp_blocks) if row.temp_blocks else "",
        ran=not row.never_ran,
    )


def _factor(factor: float) -> str:
    """``26.0× more`` or ``26.0× fewer`` rows than expected."""
    return f"{fmt.ratio(factor)} more" if factor > 1 else f"{fmt.ratio(1 / factor)} fewer"


def _blocks(row: PlanRow) -> str:
    if row.blocks_hit is None and row.blocks_read is None:
        return fmt.UNKNOWN
    read = f" + {fmt.count(row.blocks_read)} read" if row.blocks_read else ""
    return f"{fmt.count(row.blocks_hit)}{read}"


def _median(spread: Spread | None) -> float | None:
    return spread.median if spread else None
