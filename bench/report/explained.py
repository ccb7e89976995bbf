"""A run of ``bench explain``: as a document, on the terminal, and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bench.analyse.queries import Estimate, QuerySummary, Way, worst_estimate
from bench.analyse.summary import RunSummary
from bench.model.plan import QueryCost
from bench.model.run import Run
from bench.report.document import Block, Bullets, Paragraph, Section, Words, code, strong
from bench.report.format import count, size
from bench.report.render.terminal import print_blocks, print_copyable
from bench.report.sections.environment import environment, headline, notes
from bench.report.sections.indexes import extra_seconds, extra_wal, indexes, sentence
from bench.report.sections.queries import advice, broken, explained, in_all_ways, plan_difference

HINTS, SPARE = 8, 5
MOST = 60
"""Queries in the table, the slowest after the suite; the page has all."""


def explained_report(run: Run, summary: RunSummary) -> Section:
    """The whole report."""
    title = f"What the queries of {summary.suite} cost before and after it"
    blocks = (*explained(summary.queries), *indexes(run), environment(run), *notes(run))
    return Section(title, blocks)


def print_explained(run: Run, summary: RunSummary, report: Path | None, console: Console) -> None:
    """Print the tables; ``report`` is the page to name, None where none was written."""
    console.print()
    print_blocks(_short(run, summary), console)
    if report is not None:
        console.print()
        print_copyable("Report", str(report), console)


def _short(run: Run, summary: RunSummary) -> Iterator[Block]:
    queries = summary.queries
    about = f"{summary.suite} on {', '.join(headline(run))}, views, functions and queries: {len(queries)}"
    yield Paragraph(strong(about))
    slowest = sorted(queries, key=lambda query: -(query.after_s.median if query.after_s else 0.0))
    table: tuple[Block, ...] = (in_all_ways(slowest[:MOST]),)
    if errors := broken(queries):
        table += (Bullets(errors),)
    yield Section("Queries", table)
    if run.indexes:
        yield Section("Indexes", (Paragraph(sentence(run.indexes)), Bullets(tuple(_spare(run)))))
    told = [(code(query.name), ": ", hint) for query in queries for hint in advice(query)]
    if told:
        title = f"Advice ({len(told)}; {min(len(told), HINTS)} here)"
        yield Section(title, (Bullets(tuple(told[:HINTS])),))


def _spare(run: Run) -> Iterator[Words]:
    """The largest indexes that could go, with what each costs writers and why it could."""
    spare = [index for index in run.indexes if index.status == "could-go"]
    spare.sort(key=lambda index: (-index.bytes, index.name))
    for index in spare[:SPARE]:
        insert = f"INSERT {extra_seconds(index.insert)} and {extra_wal(index.insert)} WAL a row"
        yield "could go: ", code(index.name), f", {size(index.bytes)}, {insert}: {index.proof}"
    if len(spare) > SPARE:
        yield f"and {count(len(spare) - SPARE)} more, in the report"


def explain_document(run: Run, summary: RunSummary) -> dict[str, Any]:
    """Plain types of JSON; times in seconds, volumes in bytes."""
    return {
        "run_id": run.run_id,
        "suite": summary.suite,
        "server": msgspec.to_builtins(run.environment.server) | {"settings": None},
        "dataset": msgspec.to_builtins(run.dataset),
        "queries": [_query(query) for query in summary.queries],
        "indexes": msgspec.to_builtins(run.indexes),
        "could_go": [index.name for index in run.indexes if index.status == "could-go"],
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
        "difference": plan_difference(query),
        "advice": [
            {
                "rule": advised.rule,
                "node": advised.node,
                "message": advised.message,
                "fix": advised.fix,
                "evidence": dict(advised.evidence),
                "share": advised.share,
            }
            for advised in query.advice
        ],
        "ways": [_way(way) for way in query.ways],
    }


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
    cost_of: dict[str, Any] = msgspec.to_builtins(cost)
    return cost_of | {"estimate": _estimate(worst_estimate(cost.plan))}


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        "node": estimate.node,
        "rows_expected": estimate.expected,
        "rows_found": estimate.found,
        "factor": estimate.factor,
    }
