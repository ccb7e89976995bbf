"""A run as the page shows it: every number already text, every order already decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bench.analyse.card import CardLine
from bench.analyse.conclude import Conclusion
from bench.analyse.dangers.danger import Danger
from bench.analyse.locks import without_block
from bench.analyse.waits import describe_wait
from bench.model.finding import Verdict
from bench.model.load import Access
from bench.model.run import Proofs, Run
from bench.report import format as fmt
from bench.report.dangertext import meant_by
from bench.report.document import Section
from bench.report.findingview import FindingView, finding_view
from bench.report.migrationview import MigrationView, TableUnits, migration_views
from bench.report.queryview import QueryView, query_views
from bench.report.sections.answer import blocks
from bench.report.sections.environment import environment, headline, notes
from bench.report.sections.forecast import forecast
from bench.report.sections.traffic import traffic
from bench.report.sections.validation import validation

VERDICTS = {
    "ready": ("✓", "Ready"),
    "conditional": ("!", "Ready on conditions"),
    "incomplete": ("?", "Incomplete"),
    "not_ready": ("✕", "Not ready"),
}


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The banner."""

    status: str
    sign: str
    word: str
    sentence: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the four numbers at the top."""

    label: str
    value: str
    detail: str
    tone: str
    """``reads``, ``writes`` or empty."""
    place: str = ""
    href: str = ""


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
    tiles: tuple[Tile, ...]
    prediction: str
    units: TableUnits
    migrations: tuple[MigrationView, ...]
    traffic: tuple[Section, ...]
    queries: tuple[QueryView, ...]
    forecast: tuple[Section, ...]
    findings: tuple[FindingView, ...]
    accepted: tuple[FindingView, ...]
    """Findings that count for nothing, as the suite's authors accept them."""
    dangers: tuple[Danger, ...]
    """What the codes of these findings mean."""
    validation: tuple[Section, ...]
    """Where something was proved."""
    conditions: tuple[Section, ...]
    """Of the run: its environment, and what to know of it."""


def page_view(conclusion: Conclusion) -> PageView:
    """The page of a run."""
    run, summary, findings = conclusion.run, conclusion.summary, conclusion.findings
    open_ones = [each for each in findings if each.accepted is None]
    units, migrations = migration_views(open_ones, conclusion)
    return PageView(
        suite=summary.suite,
        run_id=run.run_id,
        started=moment(run.started_at),
        tool_version=run.tool_version,
        subtitle=" · ".join(headline(run, summary.n)),
        finished=summary.finished,
        card=conclusion.card.lines,
        verdict=_verdict(conclusion.verdict),
        tiles=_tiles(conclusion),
        prediction=_prediction(run),
        units=units,
        migrations=migrations,
        traffic=traffic(run),
        queries=query_views(summary.queries),
        forecast=forecast(run.forecast),
        findings=tuple(finding_view(each, summary) for each in open_ones),
        accepted=tuple(finding_view(each, summary) for each in findings if each.accepted is not None),
        dangers=tuple(meant_by(findings)),
        validation=() if run.proofs == Proofs() else (validation(conclusion),),
        conditions=(*notes(run), environment(run)),
    )


def _verdict(verdict: Verdict) -> VerdictView:
    sign, word = VERDICTS[verdict.status]
    return VerdictView(verdict.status, sign, word, verdict.sentence, verdict.conditions)


def moment(iso: str) -> str:
    """``3 November 2025, 09:15 +00:00``, as the run wrote it: in its own time zone."""
    moment = datetime.fromisoformat(iso)
    zone = moment.strftime("%Z") or ""
    return f"{moment.day} {moment.strftime('%B %Y, %H:%M')} {zone}".rstrip()


def _tiles(conclusion: Conclusion) -> tuple[Tile, ...]:
    summary = conclusion.summary
    duration, wal, growth = summary.duration_s, summary.wal_bytes, summary.size_delta_bytes
    spread = ""
    if duration is not None:
        between = "" if duration.equal else f", {fmt.seconds(duration.low)} to {fmt.seconds(duration.high)}"
        spread = f"n = {duration.n}{between}"
    return (
        _block_tile("Reads blocked, at most", "read", conclusion),
        _block_tile("Writes blocked, at most", "write", conclusion),
        Tile(
            "Duration of all migrations",
            fmt.seconds(duration.median if duration else None),
            f"median, {spread}" if duration else "no repeat applied them all",
            "",
        ),
        Tile(
            "WAL written",
            fmt.size(wal.median if wal else None),
            f"growth on disk {fmt.size(growth.median)}"
            if growth
            else "not known for every statement"
            if duration
            else "no repeat applied them all",
            "",
        ),
    )


def _block_tile(label: str, access: Access, conclusion: Conclusion) -> Tile:
    """The longest wait, with what it comes from and the place that it links to."""
    summary, wait, what = conclusion.summary, conclusion.longest(access), f"{access}s"
    if wait is not None:
        ids = [migration.id for migration in summary.migrations]
        known = wait.migration in ids and wait.statement is not None
        href = f"#m{ids.index(wait.migration or '') + 1}-s{wait.statement}" if known else ""
        place = wait.place if wait.source in ("table lock", "locked rows") else ""
        return Tile(label, fmt.seconds(wait.seconds), describe_wait(wait), what, place, href)
    if any(blocks(lock, access) for lock in summary.locks):
        return Tile(label, fmt.UNKNOWN, "blocking locks were taken, but their holds are not known", what)
    outcomes = {migration.outcome for migration in summary.migrations}
    if not outcomes & {"applied", "failed"}:
        return Tile(label, fmt.UNKNOWN, "nothing ran", "")
    scope = "" if outcomes == {"applied"} else "in what ran, "
    rows = without_block(summary.locks, reads=access == "read") == "rows only"
    waiting = "; writers of the same rows wait" if rows else ""
    return Tile(label, "not at all", f"{scope}no lock on an existing table blocks {what}{waiting}", "")


def _prediction(run: Run) -> str:
    if run.forecast is not None:
        return ""
    if run.dataset is None:
        size = "This run had no generated data"
    else:
        rows = run.dataset.rows
        size = f"This run measured one size, {fmt.count(rows)} rows"
        sizes = [each.sizes for repeat in run.solo for m in repeat.migrations for each in m.statements]
        if small := next((each[0].data_rows for each in sizes if each), None):
            return (
                f"Duration in production: not predicted. How each statement grows from {fmt.count(small)} to "
                f"{fmt.count(rows)} rows is told with the statement."
            )
    return f"Duration in production: not predicted. {size}; how the time grows with the data is not known."
