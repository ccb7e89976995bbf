"""Views, functions and queries: what they cost before the suite and after it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analyse.queries import QuerySummary
from bench.report import format as fmt
from bench.report.document import Section, Table, Words, code, columns, status

PLANS = {True: "changed", False: "same", None: fmt.UNKNOWN}
"""Whether the plan kept its shape."""


def queries(given: Sequence[QuerySummary]) -> tuple[Section, ...]:
    """A line for each; nothing where none was costed."""
    if not given:
        return ()
    rows = (
        (
            code(query.name),
            query.kind,
            _cost(query, "before"),
            _cost(query, "after"),
            fmt.ratio(query.ratio),
            f"{_blocks(query, 'before')} → {_blocks(query, 'after')}",
            PLANS[query.plan_changed],
        )
        for query in given
    )
    head = columns("Query", "Kind", "Before", "After", ">Ratio", "Blocks", "Plan")
    return (Section("Queries before and after", (Table(head, tuple(rows)),), "queries"),)


def _cost(query: QuerySummary, state: str) -> Words:
    cost, times = (query.before, query.before_s) if state == "before" else (query.after, query.after_s)
    if cost is None:
        return "did not exist" if state == "before" and query.added else fmt.UNKNOWN
    return status(cost.error, "bad") if cost.error else fmt.spread_seconds(times)


def _blocks(query: QuerySummary, state: str) -> str:
    cost = query.before if state == "before" else query.after
    return fmt.count(cost.blocks if cost else None)
