"""What a pull request changes: the migrations that it adds, as measured, and what became of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.analyse.compare.result import Comparison
from bench.analyse.conclude import Conclusion
from bench.analyse.summary import RunSummary
from bench.model.finding import Finding
from bench.report import compared, runformats
from bench.report.markdown import render_markdown
from bench.report.messages import FORMATS, Message, Told
from bench.report.render.markdown import bullets, parts, plain, words
from bench.report.sections.answer import VERDICTS
from bench.report.sections.findings import finding_card
from bench.report.sections.migrations import overview

LONGEST_COMMENT = 20_000
"""Characters: a comment is read on a telephone, too; GitHub refuses those above 65,536."""
_ORDER = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Change:
    """The runs of one ``bench run --against``, or a single run alone."""

    head: Conclusion
    """Of the whole suite as it is now."""
    added: Conclusion | None = None
    """Of the migrations that the base does not have, on top of those that it has; None where there are
    none, or the head's run failed before."""
    comparison: Comparison | None = None
    """Of head with base."""

    @property
    def pending(self) -> Conclusion | None:
        """The run that speaks for what will be deployed; None where no migration is another than before."""
        if self.added is not None:
            return self.added
        if self.comparison is None or self.head.summary.failed:
            return self.head
        changed = {other.id for other in self.comparison.migrations if other.presence != "both"}
        findings = tuple(finding for finding in self.head.findings if finding.migration in changed)
        return replace(self.head, findings=findings) if changed else None


def comment(change: Change, longest: int = LONGEST_COMMENT) -> str:
    """One comment of at most ``longest`` characters, found again by its marker.

    Sections that have no room are left out whole, the last ones first, and that is said.
    """
    marker = compared.marker(change.head.summary.suite)
    first, *sections = _sections(change)
    kept, left = compared.fitting(sections, longest - len(first) - len(marker) - 200)
    said = [f"<sub>{left} more sections are in the report: a comment is kept short.</sub>"] if left else []
    return "\n\n".join([first, marker, *kept, *said]) + "\n"


def _sections(change: Change) -> Iterator[str]:
    pending, comparison = change.pending, change.comparison
    beside = ""
    if comparison is not None and not change.head.summary.failed:
        beside = compared.said(comparison)
    worse = comparison is not None and comparison.outcome == "fail"
    if beside and (worse or pending is None):
        yield beside
    if pending is not None:
        verdict = pending.verdict
        yield words((VERDICTS[verdict.status], f": {verdict.sentence}"))
        yield bullets(plain(line.text) for line in pending.card.lines)
        yield from parts((overview(pending),))
        open_ones = [finding for finding in pending.findings if finding.accepted is None]
        yield from (_finding(finding, pending.summary) for finding in open_ones if finding.severity != "info")
    if beside and comparison is not None:
        if pending is not None and not worse:
            yield beside
        yield from compared.details(comparison)
    if pending is not None:
        notes = [finding for finding in pending.findings if finding.severity == "info"]
        yield from (_finding(finding, pending.summary) for finding in notes if finding.accepted is None)


def _finding(finding: Finding, summary: RunSummary) -> str:
    """The finding, and folded below it what to write instead."""
    return "\n".join(parts((finding_card([finding], summary, fold=True),)))


def messages(change: Change) -> list[Message]:
    """Findings of what will be deployed, and what got worse; worst first."""
    own = [] if change.pending is None else runformats.messages(change.pending)
    beside = [] if change.comparison is None else compared.messages(change.comparison)
    return sorted([*own, *beside], key=lambda message: _ORDER.index(message.level))


def _told(change: Change) -> Told:
    suites = [] if change.pending is None else [*runformats.suites(change.pending)]
    if change.comparison is not None:
        suites += [(f"{name}, beside the base", cases) for name, cases in compared.suites(change.comparison)]
    return Told(f"bench {change.head.summary.suite}", messages(change), suites, change.head.run.suite.path)


def render(change: Change, format: str) -> str:
    """The change as a comment, in Markdown, or in one of :data:`bench.report.messages.FORMATS`."""
    if format == "comment":
        return comment(change)
    if format == "markdown":
        return render_markdown(change.pending or change.head)
    return FORMATS[format](_told(change))
