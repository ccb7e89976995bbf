"""The end of ``bench explain`` on the terminal: what each query costs, and what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analyse.queries import QuerySummary, Way
from bench.analyse.summary import RunSummary
from bench.model.run import Run
from bench.report.format import UNKNOWN, count, ratio, seconds, size
from bench.report.sections.indexes import extra_seconds, extra_wal, sentence

WIDE = 120
"""Columns of a terminal that the whole table needs."""
HINTS, SPARE = 8, 5
MOST = 60
"""Queries in the table, the slowest after the suite; the page has all."""


def print_explained(run: Run, summary: RunSummary, report: Path | None, console: Console) -> None:
    """Print the tables; ``report`` is the page to name, None where none was written."""
    rows = run.dataset.rows if run.dataset else None
    server = run.environment.server
    console.print()
    console.print(
        Text(
            f"{summary.suite} on PostgreSQL {server.version} ({server.kind}), {count(rows)} rows, "
            f"views, functions and queries: {len(summary.queries)}",
            style="bold",
        )
    )
    console.print()
    console.print(_queries(summary.queries, wide=console.width >= WIDE), markup=False)
    for line in _remarks(summary.queries):
        console.print(line, markup=False, highlight=False)
    _print_indexes(run, console)
    hinted = [(each.name, hint) for each in summary.queries for hint in each.advice]
    if hinted:
        console.print(f"\nAdvice ({len(hinted)}; {min(len(hinted), HINTS)} here)", style="bold")
    for name, hint in hinted[:HINTS]:
        console.print(f"  {name}: {hint.rule}: {hint.node} {hint.message}", markup=False, highlight=False)
        console.print(f"    {hint.fix}", markup=False, highlight=False, style="dim")
    if report is not None:
        console.print(f"\nReport    {report}", markup=False, highlight=False, soft_wrap=True)


def _print_indexes(run: Run, console: Console) -> None:
    if not run.indexes:
        return
    console.print("\nIndexes", style="bold")
    console.print(f"  {sentence(run.indexes)}", markup=False, highlight=False)
    spare = [index for index in run.indexes if index.status == "could-go"]
    spare.sort(key=lambda index: (-index.bytes, index.name))
    for index in spare[:SPARE]:
        insert = f"INSERT {extra_seconds(index.insert)} and {extra_wal(index.insert)} WAL a row"
        console.print(
            f"  could go: {index.name}, {size(index.bytes)}, {insert}", markup=False, highlight=False
        )
        console.print(f"    {index.proof}", markup=False, highlight=False, style="dim")
    if len(spare) > SPARE:
        console.print(f"  and {len(spare) - SPARE} more, in the report", markup=False, highlight=False)


def _queries(queries: Sequence[QuerySummary], *, wide: bool) -> Table:
    """Before and after, in a wide terminal with the other ways."""
    table = Table(box=None, pad_edge=False)
    table.add_column("Query", overflow="ellipsis", no_wrap=True, max_width=60 if wide else 28)
    others = ("Cold", "Traffic", "Other role", "Generic", "Estimate off") if wide else ("Cold",)
    for name in ("Before", "After", "Factor", *others):
        table.add_column(name, justify="right", no_wrap=True, min_width=8)
    table.add_column("Plan", no_wrap=True, min_width=7)
    order = sorted(queries, key=lambda each: -(each.after_s.median if each.after_s else 0.0))
    for each in order[:MOST]:
        table.add_row(
            each.name,
            "new" if each.added else _median(each.ways[0], "before"),
            "error" if each.after is not None and each.after.error else _median(each.ways[0], "after"),
            ratio(each.ratio),
            _of(each, lambda way: way.cache == "cold"),
            *(_others(each) if wide else ()),
            {True: "changed", False: "same", None: UNKNOWN}[each.plan_changed],
        )
    return table


def _others(query: QuerySummary) -> tuple[str, str, str, str]:
    return (
        _of(query, lambda way: way.traffic_per_s is not None),
        _of(
            query,
            lambda way: (
                not way.main and (way.cache, way.plan_mode, way.traffic_per_s) == ("warm", "literal", None)
            ),
        ),
        _of(query, lambda way: way.plan_mode == "generic"),
        f"{count(query.estimate.factor)}×" if query.estimate else UNKNOWN,
    )


def _of(query: QuerySummary, fits: Callable[[Way], bool]) -> str:
    return next((_median(way, "after") for way in query.ways if fits(way)), UNKNOWN)


def _median(way: Way, state: str) -> str:
    cost, spread = (way.before, way.before_s) if state == "before" else (way.after, way.after_s)
    if cost is not None and cost.error is not None:
        return "error"
    return seconds(spread.median if spread else None)


def _remarks(queries: Sequence[QuerySummary]) -> Iterator[str]:
    for each in queries:
        if each.after is not None and each.after.error is not None:
            what = "broken by the suite" if each.broken else "not costed"
            yield f"{what}: {each.name}: {each.after.error}"
