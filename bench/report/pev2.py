"""Plans as files that https://explain.dalibo.com and other viewers of EXPLAIN's JSON read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from bench.analyse.queries import QuerySummary
from bench.model.plan import QueryCost


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
                {"Trigger Name": each.name, "Relation": each.relation, "Calls": each.calls,
                 "Time": (each.duration_s or 0.0) * 1000}
                for each in cost.triggers
            ],
            "Execution Time": (cost.execution_s or 0.0) * 1000,
        }
    ]  # fmt: skip
