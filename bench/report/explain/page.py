"""A run of ``bench explain`` as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analyse.summary import RunSummary
from bench.model.run import Run
from bench.report.document import Section
from bench.report.queryview import QueryView, query_views
from bench.report.sections.environment import environment, headline, notes
from bench.report.sections.indexes import indexes
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
    indexes: tuple[Section, ...]
    conditions: tuple[Section, ...]


def explained_view(run: Run, summary: RunSummary) -> ExplainedView:
    """The page of a run."""
    return ExplainedView(
        suite=summary.suite,
        run_id=run.run_id,
        started=moment(run.started_at),
        tool_version=run.tool_version,
        subtitle=" · ".join(headline(run)),
        finished=summary.finished,
        queries=query_views(summary.queries),
        indexes=indexes(run),
        conditions=(*notes(run), environment(run)),
    )
