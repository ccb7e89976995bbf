"""What a query costs before and after a suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.analyse.stats import Spread
from bench.model.plan import Query, QueryCost


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


def summarise_query(query: Query) -> QuerySummary:
    """Sum one query up."""
    before, after = query.before, query.after
    return QuerySummary(
        name=query.name,
        kind=query.kind,
        text=query.text,
        before=before,
        after=after,
        before_s=_times(before),
        after_s=_times(after),
        plan_changed=_plan_changed(before, after),
    )


def _times(cost: QueryCost | None) -> Spread | None:
    if cost is None:
        return None
    return Spread.of(cost.execution_s_all or (cost.execution_s,))


def _plan_changed(before: QueryCost | None, after: QueryCost | None) -> bool | None:
    if before is None or after is None or before.fingerprint is None or after.fingerprint is None:
        return None
    return before.fingerprint != after.fingerprint
