"""Plans of queries, and what views, functions and queries cost before and after a suite."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

GrowthOf = Literal["work", "time"]


@dataclass(frozen=True, slots=True)
class AtSize:
    """What a statement took in the pass for hidden statements, at one size of the data."""

    data_rows: int
    """Rows of all tables before the migrations."""
    duration_s: float
    calls: int
    work: float | None
    """Rows that the nodes of its plans returned or threw away, over all loops and calls: free of noise. None
    where not every call left its plan."""
    shape: str | None = None
    """Fingerprint of its plan; None where there is none. Work of plans of two shapes is not compared."""


@dataclass(frozen=True, slots=True)
class NestedPlan:
    """A statement that ran inside another one: in a function, a trigger or a DO block; or that one itself.

    All figures come from a pass of its own, so that no duration elsewhere holds the cost of looking.
    """

    text: str
    """As the server had it; of texts that differ in their constants alone, that of the longest call."""
    duration_s: float
    """What ran inside it again is counted in."""
    rows: int | None
    plan: dict[str, Any] | None
    """The ``Plan`` object, nodes not timed; of a statement that failed, what the planner expected."""
    calls: int = 1
    """How often it ran inside the statement; ``duration_s`` and ``rows`` are their sums, ``plan`` is that of
    the longest one."""
    context: str | None = None
    """The function or trigger that it ran in, as the server names it."""
    growth: float | None = None
    """Exponent against data, measured at two sizes: 1 is linear, 2 quadratic. Of ``work`` where both sizes
    have it, else of the duration where that is above the noise."""
    level: int = 1
    """0: the plan of the statement itself, its ``text`` the same; 1: ran in it; 2: ran in one that did; and
    so on. What left no plan of its own has 1."""
    work: float | None = None
    """As :attr:`AtSize.work`."""
    sizes: tuple[AtSize, ...] = ()
    """The sizes that ``growth`` compares, the smaller one first."""
    growth_of: GrowthOf | None = None
    """What the exponent is of; that of a time is the less certain one."""


@dataclass(frozen=True, slots=True)
class TriggerCost:
    """What one trigger took within one statement."""

    name: str
    """Of the constraint where it checks one, else of the trigger."""
    relation: str
    calls: int
    duration_s: float | None
    constraint: bool


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
    blocks_read: int | None = None
    """Those that were not in shared buffers, of the last execution."""
    jit_s: float | None = None
    """What compiling the plan took in the timed execution; None where nothing was compiled."""
    triggers: tuple[TriggerCost, ...] = ()
    """Of the timed execution: those that the statement fired, foreign-key checks among them."""


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A function that belongs to no extension."""

    schema: str
    name: str
    language: str
    volatility: Literal["i", "s", "v"]
    """Immutable, stable or volatile."""


@dataclass(frozen=True, slots=True)
class TableIndex:
    """A valid index, by what its entries begin with."""

    table: str
    """With its schema."""
    name: str
    method: str
    keys: tuple[str, ...]
    """Columns, or expressions as the server writes them."""
    classes: tuple[str, ...]
    """Operator class of each key."""
    partial: bool


State = Literal["before", "after"]
PlanMode = Literal["literal", "custom", "generic"]
"""``literal``: the values stand in the text; the others are prepared, and planned for the values of each
execution or once for all values: https://www.postgresql.org/docs/current/sql-prepare.html"""


@dataclass(frozen=True, slots=True)
class QueryCase:
    """A query executed in one more way than that of :attr:`Query.before` and :attr:`Query.after`."""

    state: State
    role: str | None
    """None: the role that owns what the migrations made."""
    cache: Literal["warm", "cold"]
    """cold: none of the database's pages were in shared buffers; the operating system may have them."""
    plan_mode: PlanMode
    cost: QueryCost
    """Its plan is left out where it has the fingerprint of the query's main figures."""
    traffic_per_s: float | None = None
    """Requests per second of the application that went on beside it; None: nothing did."""


@dataclass(frozen=True, slots=True)
class Query:
    """A view, function or workload query, costed before the suite (where it existed) and after it."""

    name: str
    kind: Literal["view", "function", "workload"]
    before: QueryCost | None
    after: QueryCost | None
    text: str = field(default="")
    role: str | None = None
    """Which role the figures before and after are of; None: the one that owns what the migrations made."""
    cases: tuple[QueryCase, ...] = ()
