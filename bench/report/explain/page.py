"""A run of ``bench explain`` as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analyse.summary import RunSummary
from bench.model.run import Run
from bench.report import format as fmt
from bench.report.conditionsview import ConditionsView, conditions_view
from bench.report.indexview import IndexesView, indexes_view
from bench.report.queryview import QueryView, query_views
from bench.report.view import moment


@dataclass(frozen=True, slots=True)
class ExplainedView:
    """Everything on the page but the figure and the run file."""

    suite: str
    run_id: str
    started: str
    tool_version: str
    subtitle: str
    finished: bool
    queries: tuple[QueryView, ...]
    indexes: IndexesView | None
    conditions: ConditionsView


def explained_view(run: Run, summary: RunSummary) -> ExplainedView:
    """The page of a run."""
    server = run.environment.server
    parts = [f"PostgreSQL {server.version} ({server.kind})"]
    if run.dataset is not None:
        tables = run.dataset.tables
        parts.append(
            f"{fmt.count(sum(t.rows for t in tables))} rows, {fmt.size(sum(t.bytes for t in tables))}"
        )
    return ExplainedView(
        suite=summary.suite,
        run_id=run.run_id,
        started=moment(run.started_at),
        tool_version=run.tool_version,
        subtitle=" · ".join(parts),
        finished=summary.finished,
        queries=query_views(summary.queries),
        indexes=indexes_view(run.indexes),
        conditions=conditions_view(run),
    )
