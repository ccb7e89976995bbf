"""The ways in which a query was executed, each before and after a suite; how far its estimates are off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.analyse.plantree import plan_rows
from bench.analyse.stats import Spread
from bench.model.plan import Query, QueryCost


@dataclass(frozen=True, slots=True)
class Estimate:
    """The node whose rows the planner expected worst."""

    node: str
    expected: float
    """Rows per loop."""
    found: float

    @property
    def factor(self) -> float:
        """How many times too many or too few, from 1 on; both sides count as one row at least."""
        more, less = max(self.expected, self.found, 1.0), max(min(self.expected, self.found), 1.0)
        return more / less


@dataclass(frozen=True, slots=True)
class Way:
    """One role, cache, kind of plan and traffic."""

    role: str | None
    cache: str
    plan_mode: str
    traffic_per_s: float | None
    before: QueryCost | None
    after: QueryCost | None
    main: bool = False

    @property
    def before_s(self) -> Spread | None:
        return times(self.before)

    @property
    def after_s(self) -> Spread | None:
        return times(self.after)

    @property
    def name(self) -> str:
        """``as authenticated, cold, generic plan``."""
        parts = [f"as {self.role or 'owner'}", self.cache]
        if self.plan_mode != "literal":
            parts.append(f"{self.plan_mode} plan")
        if self.traffic_per_s is not None:
            parts.append(f"beside {self.traffic_per_s:,.0f} requests/s")
        return ", ".join(parts)


def ways(query: Query) -> tuple[Way, ...]:
    """The main figures' way first, then the others in the run file's order."""
    main = Way(query.role, "warm", "literal", None, query.before, query.after, main=True)
    found: dict[tuple[str | None, str, str, bool], Way] = {}
    for case in query.cases:
        key = (case.role, case.cache, case.plan_mode, case.traffic_per_s is not None)
        known = found.get(key)
        before = case.cost if case.state == "before" else known.before if known else None
        after = case.cost if case.state == "after" else known.after if known else None
        found[key] = Way(*key[:3], case.traffic_per_s, before, after)
    return (main, *found.values())


def times(cost: QueryCost | None) -> Spread | None:
    """Execution time of every execution; None where there is no figure."""
    if cost is None:
        return None
    return Spread.of(cost.execution_s_all or (cost.execution_s,))


def worst_estimate(plan: Mapping[str, Any] | None) -> Estimate | None:
    """The node that is furthest off; nodes that never ran or that a Limit may have stopped do not count."""
    if not plan:
        return None
    known = [
        Estimate(row.node, row.rows_estimated, row.rows)
        for row in plan_rows(dict(plan))
        if row.estimate_factor is not None and row.rows_estimated is not None and row.rows is not None
    ]
    return max(known, key=lambda each: each.factor, default=None)
