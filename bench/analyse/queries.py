"""What a query costs before and after a suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analyse.advice.rule import Advice
from bench.analyse.advice.rules import advise_query
from bench.analyse.stats import Spread
from bench.analyse.ways import Estimate, Way, times, ways, worst_estimate
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
