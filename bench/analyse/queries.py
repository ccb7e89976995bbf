"""What a query costs before and after a suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.analyse.advice.nodes import Advice
from bench.analyse.advice.rules import advise_query
from bench.analyse.plans import plan_rows
from bench.analyse.stats import Spread
from bench.model.plan import Query, QueryCost, TableIndex, UserFunction


@dataclass(frozen=True, slots=True)
class QuerySummary:
    """A view, function or workload query on the schema before the suite and after it."""

    name: str
    kind: Literal["view", "function", "workload"]
    text: str
    before: QueryCost | None
    """None where it could not exist before, or was not costed."""
    after: QueryCost | None
    before_s: Spread | None
    """Execution time of every execution; None where there is no figure."""
    after_s: Spread | None
    plan_changed: bool | None
    """Whether the plan has another shape; None where one side has no plan."""
    role: str | None = None
    """Whose these figures are; None: the owner's."""
    ways: tuple[Way, ...] = ()
    """These figures' way of execution, and all others."""
    estimate: Estimate | None = None
    """The worst estimate of the plan after the suite, or before it where there is none after."""
    advice: tuple[Advice, ...] = ()
    """On the same plan."""

    @property
    def added(self) -> bool:
        """Whether it exists only after the suite."""
        return self.before is None and self.after is not None

    @property
    def broken(self) -> bool:
        """Whether it ran before the suite and fails after it."""
        worked = self.before is not None and self.before.error is None
        return worked and self.after is not None and self.after.error is not None

    @property
    def ratio(self) -> float | None:
        """Median execution time after, divided by before; None where a side is missing or took no time."""
        if self.before_s is None or self.after_s is None or self.before_s.median <= 0:
            return None
        return self.after_s.median / self.before_s.median


def summarise_query(
    query: Query, functions: Sequence[UserFunction] = (), indexes: Sequence[TableIndex] = ()
) -> QuerySummary:
    """Sum one query up; ``functions`` are those that its conditions may call, ``indexes`` those there are."""
    before, after = query.before, query.after
    judged = after if after is not None and after.plan else before
    return QuerySummary(
        name=query.name,
        kind=query.kind,
        text=query.text,
        before=before,
        after=after,
        before_s=times(before),
        after_s=times(after),
        plan_changed=_plan_changed(before, after),
        role=query.role,
        ways=ways(query),
        estimate=worst_estimate(judged.plan if judged else None),
        advice=advise_query(judged, functions, indexes),
    )


def _plan_changed(before: QueryCost | None, after: QueryCost | None) -> bool | None:
    if before is None or after is None or before.fingerprint is None or after.fingerprint is None:
        return None
    return before.fingerprint != after.fingerprint


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
    return max(known, key=lambda estimate: estimate.factor, default=None)
