"""Runs as their pages show them: every number already text, every order already decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bench.analyse.card import CardLine
from bench.analyse.conclude import Conclusion
from bench.analyse.summary import RunSummary
from bench.model.finding import Verdict
from bench.model.run import Proofs, Run
from bench.report import format as fmt
from bench.report.document import Facts, Section, Table
from bench.report.migrationview import MigrationView, migration_views
from bench.report.queryview import QueryView, query_views
from bench.report.render.html import SIGNS
from bench.report.sections.answer import VERDICTS, answer
from bench.report.sections.environment import environment, headline, notes
from bench.report.sections.findings import findings
from bench.report.sections.forecast import forecast
from bench.report.sections.indexes import indexes
from bench.report.sections.migrations import overview
from bench.report.sections.traffic import traffic
from bench.report.sections.validation import validation


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The banner."""

    status: str
    sign: str
    word: str
    sentence: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything on the page but the figures and the run file."""

    suite: str
    run_id: str
    started: str
    tool_version: str
    subtitle: str
    finished: bool
    card: tuple[CardLine, ...]
    """The sentences on top."""
    verdict: VerdictView
    answer: Facts
    prediction: str
    overview: Table
    migrations: tuple[MigrationView, ...]
    traffic: tuple[Section, ...]
    queries: tuple[QueryView, ...]
    forecast: tuple[Section, ...]
    findings: Section
    validation: tuple[Section, ...]
    """Where something was proved."""
    conditions: tuple[Section, ...]
    """Of the run: its environment, and what to know of it."""


def page_view(conclusion: Conclusion) -> PageView:
    """The page of a run."""
    run, summary = conclusion.run, conclusion.summary
    return PageView(
        suite=summary.suite,
        run_id=run.run_id,
        started=moment(run.started_at),
        tool_version=run.tool_version,
        subtitle=" · ".join(headline(run, summary.n)),
        finished=summary.finished,
        card=conclusion.card.lines,
        verdict=_verdict(conclusion.verdict),
        answer=answer(conclusion),
        prediction=_prediction(run),
        overview=overview(conclusion),
        migrations=migration_views(summary.migrations),
        traffic=traffic(run),
        queries=query_views(summary.queries),
        forecast=forecast(run.forecast),
        findings=findings(conclusion.findings, summary),
        validation=() if run.proofs == Proofs() else (validation(conclusion),),
        conditions=(*notes(run), environment(run)),
    )


def _verdict(verdict: Verdict) -> VerdictView:
    word = VERDICTS[verdict.status]
    return VerdictView(verdict.status, SIGNS[word.tone], word.text, verdict.sentence, verdict.conditions)


def moment(iso: str) -> str:
    """``3 November 2025, 09:15 +00:00``, as the run wrote it: in its own time zone."""
    moment = datetime.fromisoformat(iso)
    zone = moment.strftime("%Z") or ""
    return f"{moment.day} {moment.strftime('%B %Y, %H:%M')} {zone}".rstrip()


def _prediction(run: Run) -> str:
    if run.forecast is not None:
        return ""
    if run.dataset is None:
        size = "This run had no generated data"
    else:
        rows = run.dataset.rows
        size = f"This run measured one size, {fmt.count(rows)} rows"
        sizes = [
            statement.sizes for repeat in run.solo for m in repeat.migrations for statement in m.statements
        ]
        if small := next((pair[0].data_rows for pair in sizes if pair), None):
            return (
                f"Duration in production: not predicted. How each statement grows from {fmt.count(small)} to "
                f"{fmt.count(rows)} rows is told with the statement."
            )
    return f"Duration in production: not predicted. {size}; how the time grows with the data is not known."


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
