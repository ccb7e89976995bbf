"""Plans as a page shows them, and as files for other viewers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.analyse.plans import PlanRow, plan_rows
from bench.analyse.queries import QuerySummary
from bench.model.plan import QueryCost
from bench.report import format as fmt

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
    own: str
    """Time of its own; where nodes were not timed, the rows that it handled."""
    share: float
    """Of all nodes, 0 to 1."""
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
    measure: str = "Time of its own"
    """What a node's own share is a share of."""


def plan_view(title: str, totals: Sequence[tuple[str, str]], plan: dict[str, Any]) -> PlanView:
    """A plan with its totals; one whose nodes were not timed has the rows that they handled instead."""
    rows = plan_rows(plan)
    handled = sum(row.handled for row in rows)
    if not handled or any(row.exclusive_s is not None for row in rows):
        return PlanView(title, tuple(totals), tuple(_node(row, None) for row in rows))
    return PlanView(title, tuple(totals), tuple(_node(row, handled) for row in rows), "Rows handled")


def _node(row: PlanRow, handled: float | None) -> NodeView:
    """``handled``: rows that all nodes handled, where they were not timed."""
    factor = row.estimate_factor
    off = factor is not None and not 1 / OFF < factor < OFF
    many = row.loops is not None and row.loops > 1
    return NodeView(
        depth=row.depth,
        node=row.node,
        role=row.role or "",
        details=tuple((key, fmt.shortened(value, LONGEST_DETAIL)) for key, value in row.details),
        own=fmt.seconds(row.exclusive_s) if handled is None else fmt.count(row.handled),
        share=min((row.share or 0.0) if handled is None else row.handled / max(handled, 1.0), 1.0),
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


def plan_files(queries: Sequence[QuerySummary]) -> Iterator[tuple[str, bytes]]:
    """File name and content, two for each query where both sides have a plan."""
    for position, query in enumerate(queries, start=1):
        slug = re.sub(r"[^a-z0-9]+", "-", query.name.lower()).strip("-")[:60]
        for side, cost in (("before", query.before), ("after", query.after)):
            if cost is not None and cost.plan:
                document = msgspec.json.encode(_document(query.text, cost))
                yield f"{position:03d}-{slug}-{side}.json", msgspec.json.format(document) + b"\n"


def _document(text: str, cost: QueryCost) -> list[dict[str, Any]]:
    """As EXPLAIN (FORMAT JSON) writes it, times in milliseconds."""
    return [
        {
            "Query Text": text,
            "Plan": cost.plan,
            "Planning Time": (cost.planning_s or 0.0) * 1000,
            "Triggers": [
                {"Trigger Name": trigger.name, "Relation": trigger.relation, "Calls": trigger.calls,
                 "Time": (trigger.duration_s or 0.0) * 1000}
                for trigger in cost.triggers
            ],
            "Execution Time": (cost.execution_s or 0.0) * 1000,
        }
    ]  # fmt: skip
