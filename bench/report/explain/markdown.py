"""``report.md`` of ``bench explain``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analyse.plandiff import describe_diff, diff_plans
from bench.analyse.queries import QuerySummary, Way
from bench.analyse.summary import RunSummary
from bench.model.plan import QueryCost
from bench.model.run import Run
from bench.report.format import UNKNOWN, count, ratio, seconds, spread_seconds
from bench.report.render import markdown as rendered
from bench.report.render.markdown import block, bullets, code, plain, table
from bench.report.sections.environment import environment, notes
from bench.report.sections.indexes import indexes


def render_explained(run: Run, summary: RunSummary) -> str:
    """The whole document; ends with a newline."""
    parts = [
        f"# What the queries of {plain(summary.suite)} cost before and after it",
        "Times are medians with the smallest and the largest of n executions.",
        *_overview(summary.queries),
        *(part for each in summary.queries for part in _query(each)),
        *rendered.parts((*indexes(run), environment(run), *notes(run)), 2),
    ]
    return "\n\n".join(parts) + "\n"


def _overview(queries: Sequence[QuerySummary]) -> Iterator[str]:
    yield "## Overview"
    yield table(
        ("Query", "Kind", ">Before", ">After", ">Factor", ">Estimate off", "Plan"),
        (
            (
                code(each.name),
                each.kind,
                "new" if each.added else _median(each.ways[0].before, each.ways[0]),
                _median(each.after, each.ways[0], after=True),
                ratio(each.ratio),
                f"{count(each.estimate.factor)}×" if each.estimate else UNKNOWN,
                {True: "changed", False: "same", None: UNKNOWN}[each.plan_changed],
            )
            for each in queries
        ),
    )


def _median(cost: QueryCost | None, way: Way, *, after: bool = False) -> str:
    if cost is not None and cost.error is not None:
        return f"🔴 {plain(cost.error)}"
    spread = way.after_s if after else way.before_s
    return seconds(spread.median if spread else None)


def _query(query: QuerySummary) -> Iterator[str]:
    if query.before is None and query.after is None:
        return
    yield f"### {plain(query.name)}"
    before, after = (cost.plan if cost else None for cost in (query.before, query.after))
    if query.plan_changed and before and after:
        yield block(describe_diff(diff_plans(before, after)), "diff")
    if query.advice:
        yield bullets(
            f"{code(each.rule)} {code(each.node)} {plain(each.message)}. {plain(each.fix)}"
            for each in query.advice
        )
    yield table(
        ("Executed", "Before", "After", ">Blocks", "Plan after"),
        (
            (
                way.name,
                spread_seconds(way.before_s),
                spread_seconds(way.after_s),
                f"{count(way.before.blocks if way.before else None)} → "
                f"{count(way.after.blocks if way.after else None)}",
                code(way.after.fingerprint[:8]) if way.after and way.after.fingerprint else UNKNOWN,
            )
            for way in query.ways
        ),
    )
