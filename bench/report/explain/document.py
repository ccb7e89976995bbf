"""What ``bench explain --json`` writes: every query with its ways of execution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bench.analyse.plandiff import describe_diff, diff_plans
from bench.analyse.queries import Estimate, QuerySummary, Way, worst_estimate
from bench.analyse.summary import RunSummary
from bench.model.plan import QueryCost
from bench.model.run import Run


def explain_document(run: Run, summary: RunSummary) -> dict[str, Any]:
    """Plain types of JSON; times in seconds, volumes in bytes."""
    return {
        "run_id": run.run_id,
        "suite": summary.suite,
        "server": msgspec.to_builtins(run.environment.server) | {"settings": None},
        "dataset": msgspec.to_builtins(run.dataset),
        "queries": [_query(each) for each in summary.queries],
        "indexes": msgspec.to_builtins(run.indexes),
        "could_go": [each.name for each in run.indexes if each.status == "could-go"],
        "notes": msgspec.to_builtins(run.notes),
    }


def _query(query: QuerySummary) -> dict[str, Any]:
    return {
        "name": query.name,
        "kind": query.kind,
        "text": query.text,
        "role": query.role,
        "plan_changed": query.plan_changed,
        "broken": query.broken,
        "ratio": query.ratio,
        "estimate": _estimate(query.estimate),
        "difference": _difference(query),
        "advice": [
            {
                "rule": each.rule,
                "node": each.node,
                "message": each.message,
                "fix": each.fix,
                "evidence": dict(each.evidence),
                "share": each.share,
            }
            for each in query.advice
        ],
        "ways": [_way(each) for each in query.ways],
    }


def _difference(query: QuerySummary) -> str | None:
    """Both plans as one tree of text, where the shape changed."""
    before, after = (cost.plan if cost else None for cost in (query.before, query.after))
    if not (query.plan_changed and before and after):
        return None
    return describe_diff(diff_plans(before, after))


def _way(way: Way) -> dict[str, Any]:
    return {
        "role": way.role,
        "cache": way.cache,
        "plan_mode": way.plan_mode,
        "traffic_per_s": way.traffic_per_s,
        "before": _cost(way.before),
        "after": _cost(way.after),
    }


def _cost(cost: QueryCost | None) -> Mapping[str, Any] | None:
    if cost is None:
        return None
    found: dict[str, Any] = msgspec.to_builtins(cost)
    return found | {"estimate": _estimate(worst_estimate(cost.plan))}


def _estimate(found: Estimate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "node": found.node,
        "rows_expected": found.expected,
        "rows_found": found.found,
        "factor": found.factor,
    }
