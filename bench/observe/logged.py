"""One text that ran inside a statement, over all its calls: what was logged and what was counted of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.model.plan import NestedPlan
from bench.observe.counted import Counted
from bench.observe.explained import Explained, read_plan

LONGEST_TEXT = 20_000
LEAST_SHARE = 0.1
LONGEST_PLAN = 300_000
"""Characters of a plan's JSON; of a longer one nothing but its figures is kept."""


@dataclass(slots=True)
class Logged:
    """One text as auto_explain has it, over all calls that were logged."""

    text: str
    level: int
    place: str | None
    calls: int = 0
    duration_s: float = 0.0
    rows: int = 0
    work: float = 0.0
    characters_inside: int = 0
    """Of the notices that came while it ran."""
    longest_s: float = -1.0
    longest: str = ""
    """The plan of the longest call, as JSON."""

    def add(self, seen: Explained, text: str, characters_inside: int) -> None:
        """Add one call; ``text`` stands for all of them."""
        self.calls += 1
        self.duration_s += seen.duration_s
        self.rows += seen.rows
        self.work += seen.work
        self.characters_inside += characters_inside
        if seen.duration_s > self.longest_s:
            self.text, self.longest_s = text, seen.duration_s
            self.longest = seen.plan_json if len(seen.plan_json) <= LONGEST_PLAN else ""

    def nested(self, counted: list[Counted] | None, price_s: float, all_logged: bool) -> NestedPlan:
        """Where everything was logged the counts add nothing but the rows."""
        calls, duration_s, rows = self.calls, self.duration_s, self.rows
        if counted is not None and not all_logged:
            calls = max(calls, sum(each.calls for each in counted))
            duration_s = max(duration_s, sum(each.duration_s for each in counted))
        if counted is not None and sum(each.calls for each in counted) == calls:
            rows = sum(each.rows for each in counted)
        return NestedPlan(
            text=self.text,
            duration_s=without_looking(duration_s, price_s, self.characters_inside),
            rows=rows,
            plan=None,
            calls=calls,
            context=self.place,
            level=self.level,
            work=self.work if all_logged or calls == self.calls else None,
        )

    @property
    def in_sql_function(self) -> bool:
        return self.place is not None and self.place.startswith("SQL function")


def without_looking(duration_s: float, price_s: float, characters: int) -> float:
    """A duration less the cost of the notices that came meanwhile: an estimate, so a tenth is left."""
    return max(duration_s - price_s * characters, LEAST_SHARE * duration_s)


def without_plan(counted: list[Counted], text: str) -> NestedPlan:
    """A command without a plan, or one whose every call was too short to be logged."""
    return NestedPlan(
        text=text,
        duration_s=sum(each.duration_s for each in counted),
        rows=sum(each.rows for each in counted) or None,
        plan=None,
        calls=sum(each.calls for each in counted),
    )


def with_plan(nested: NestedPlan, longest: str) -> NestedPlan:
    """The statement with the plan of its longest call, and a text that is not too long."""
    plan = read_plan(longest) if longest else nested.plan
    text = nested.text if nested.level == 0 else nested.text.strip()[:LONGEST_TEXT]
    return replace(nested, text=text, plan=plan)
