"""Views, functions and queries: what they cost before the suite and after it, however executed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.analyse.plandiff import describe_diff, diff_plans
from bench.analyse.queries import QuerySummary, Way
from bench.analyse.stats import Spread
from bench.model.plan import QueryCost
from bench.report import format as fmt
from bench.report.document import (
    Block,
    Bullets,
    Code,
    Column,
    Paragraph,
    Section,
    Table,
    Words,
    code,
    columns,
    status,
    strong,
)

PLANS = {True: "changed", False: "same", None: fmt.UNKNOWN}
"""Whether the plan kept its shape."""
_HEAD = columns("Query", "Kind", "Before", "After", ">Ratio", "Blocks", "Plan")


def queries(given: Sequence[QuerySummary]) -> tuple[Section, ...]:
    """A line for each; nothing where none was costed."""
    rows = (
        (
            code(query.name),
            query.kind,
            "did not exist" if query.added else _spread(query.before, query.before_s),
            _spread(query.after, query.after_s),
            fmt.ratio(query.ratio),
            f"{fmt.count(query.before.blocks if query.before else None)} → "
            f"{fmt.count(query.after.blocks if query.after else None)}",
            PLANS[query.plan_changed],
        )
        for query in given
    )
    table = Table(_HEAD, tuple(rows))
    return (Section("Queries before and after", (table,), "queries"),) if given else ()


def _spread(cost: QueryCost | None, times: Spread | None) -> Words:
    if cost is None:
        return fmt.UNKNOWN
    return status(cost.error, "bad") if cost.error else fmt.spread_seconds(times)


_OTHER_WAYS: dict[str, Callable[[Way], bool]] = {
    "Cold": lambda way: way.cache == "cold",
    "Traffic": lambda way: way.traffic_per_s is not None,
    "Other role": lambda way: (
        not way.main and (way.cache, way.plan_mode, way.traffic_per_s) == ("warm", "literal", None)
    ),
    "Generic": lambda way: way.plan_mode == "generic",
}
_SIDES = columns(">Before", ">After", ">Factor", ">Cold")
_ROOMY = columns(">~Traffic", ">~Other role", ">~Generic", ">~Estimate off")


def in_all_ways(given: Sequence[QuerySummary]) -> Table:
    """A line for each, with its medians in every way of executing it."""
    head = (Column("Query", gives_way=True), Column("Kind", roomy=True), *_SIDES, *_ROOMY, Column("Plan"))
    return Table(head, tuple(map(_medians, given)))


def _medians(query: QuerySummary) -> tuple[Words, ...]:
    main = query.ways[0]
    others = (next((way for way in query.ways if fits(way)), None) for fits in _OTHER_WAYS.values())
    return (
        code(query.name),
        query.kind,
        "new" if query.added else _median(main, "before"),
        _median(main, "after"),
        fmt.ratio(query.ratio),
        *(_median(way, "after") for way in others),
        f"{fmt.count(query.estimate.factor)}×" if query.estimate else fmt.UNKNOWN,
        PLANS[query.plan_changed],
    )


def _median(way: Way | None, state: str) -> Words:
    if way is None:
        return fmt.UNKNOWN
    cost, spread = (way.before, way.before_s) if state == "before" else (way.after, way.after_s)
    if cost is not None and cost.error is not None:
        return status("error", "bad")
    return fmt.seconds(spread.median if spread else None)


def broken(given: Sequence[QuerySummary]) -> tuple[Words, ...]:
    """Those that no longer run, or could not be costed, with what the server said."""
    return tuple(
        ("broken by the suite" if query.broken else "not costed", ": ", code(query.name), f": {error}")
        for query in given
        if query.after is not None and (error := query.after.error) is not None
    )


def query_section(query: QuerySummary) -> Section:
    """What became of its plan, what could be better, and its times in each way of executing it."""
    difference = plan_difference(query)
    changed = (Code(difference, "diff"),) if difference else ()
    return Section(code(query.name), (*changed, *advice_list(query), ways_table(query)))


_WAYS = columns("Executed", ">Before", ">After", ">Factor", ">Blocks", "Plan after")


def ways_table(query: QuerySummary) -> Table:
    """Its times in each way of executing it."""
    title = f"Executed in {len(query.ways)} ways" if len(query.ways) > 1 else ""
    return Table(_WAYS, tuple(_way(way, query) for way in query.ways), title)


def _way(way: Way, query: QuerySummary) -> tuple[Words, ...]:
    before, after = way.before_s, way.after_s
    known = before is not None and after is not None and before.median > 0
    error = next((cost.error for cost in (way.before, way.after) if cost and cost.error), "")
    blocks = (fmt.count(cost.blocks if cost else None) for cost in (way.before, way.after))
    return (
        (way.name, f": {error}" if error else ""),
        fmt.spread_seconds(before),
        fmt.spread_seconds(after),
        fmt.ratio(after.median / before.median) if known and before and after else "",
        " → ".join(blocks),
        _plan_after(way, query),
    )


def _plan_after(way: Way, query: QuerySummary) -> Words:
    """The plan's name where it is the main one, else whether it is the same."""
    name = way.after.fingerprint if way.after else None
    if name is None:
        return fmt.UNKNOWN
    if way.main or query.after is None:
        return code(name[:8])
    return "same" if name == query.after.fingerprint else "another"


def advice_list(query: QuerySummary) -> tuple[Block, ...]:
    """The hints that its plan gives; nothing where it gives none."""
    hints = advice(query)
    return (Section("Advice from the plan", (Bullets(hints),)),) if hints else ()


def advice(query: QuerySummary) -> tuple[Words, ...]:
    """The hints that its plan gives, in a line each."""
    return tuple(
        (code(hint.rule), " ", strong(hint.node), f" {hint.message}. {hint.fix}") for hint in query.advice
    )


def plan_difference(query: QuerySummary) -> str | None:
    """Both plans as one tree of text, where the shape changed."""
    before, after = (cost.plan if cost else None for cost in (query.before, query.after))
    return describe_diff(diff_plans(before, after)) if query.plan_changed and before and after else None


def explained(given: Sequence[QuerySummary]) -> tuple[Section, ...]:
    """All queries in one table, and each with its plans."""
    lead = Paragraph("Times are medians with the smallest and the largest of n executions.", "lead")
    errors = broken(given)
    table = (in_all_ways(given), *((Bullets(errors),) if errors else ()))
    ran = tuple(query_section(query) for query in given if query.before or query.after)
    return Section("Overview", (lead, *table), "overview"), Section("Query by query", ran)
