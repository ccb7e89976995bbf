"""Plans of queries, and what views, functions and queries cost before and after a suite."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class NestedPlan:
    """A statement that ran inside another one: in a function, a trigger or a DO block."""

    text: str
    duration_s: float
    rows: int | None
    plan: dict[str, Any] | None
    calls: int = 1
    """How often it ran inside the statement; ``duration_s`` and ``rows`` are their sums, ``plan`` is that of
    the longest one."""
    context: str | None = None
    """The function or trigger that it ran in, as the server names it."""
    growth: float | None = None
    """Exponent of duration against data, measured at two sizes: 1 is linear, 2 quadratic."""


@dataclass(frozen=True, slots=True)
class QueryCost:
    """One query on one state of the schema; times are medians over ``n`` executions."""

    planning_s: float | None
    execution_s: float | None
    rows: int | None
    blocks: int | None
    """Shared blocks hit and read."""
    fingerprint: str | None
    """Hash of the plan's shape: node types, relations, indexes, join types, strategies."""
    plan: dict[str, Any] | None
    """The ``Plan`` object of EXPLAIN (ANALYZE, FORMAT JSON)."""
    nested: tuple[NestedPlan, ...] = ()
    total_cost: float | None = None
    """The planner's estimate of the whole plan, in its own units."""
    temp_bytes: int | None = None
    n: int = 0
    execution_s_all: tuple[float, ...] = ()
    error: str | None = None
    """Why there are no figures, for example ``57014: canceling statement due to statement timeout``."""


@dataclass(frozen=True, slots=True)
class Query:
    """A view, function or workload query, costed before the suite (where it existed) and after it."""

    name: str
    kind: Literal["view", "function", "workload"]
    before: QueryCost | None
    after: QueryCost | None
    text: str = field(default="")
