"""The report of a run as one document: every section in its order."""

from __future__ import annotations

from bench.analyse.conclude import Conclusion
from bench.report.document import Block, Bullets, Paragraph, Section
from bench.report.render import markdown
from bench.report.sections.answer import VERDICTS, answer
from bench.report.sections.environment import environment, notes
from bench.report.sections.findings import findings
from bench.report.sections.forecast import forecast
from bench.report.sections.migrations import migrations, overview
from bench.report.sections.queries import queries
from bench.report.sections.traffic import traffic


def report(conclusion: Conclusion) -> Section:
    """The whole report."""
    run, summary, verdict = conclusion.run, conclusion.summary, conclusion.verdict
    conditions: tuple[Block, ...] = (Section("Conditions", (Bullets(verdict.conditions),)),)
    return Section(
        f"Rehearsal of {summary.suite}",
        (
            Bullets(tuple(line.text for line in conclusion.card.lines)),
            Paragraph((VERDICTS[verdict.status], f": {verdict.sentence}")),
            Section("Executive summary", (answer(conclusion), *(conditions if verdict.conditions else ()))),
            findings(conclusion.findings, summary),
            Section("Migrations", (overview(conclusion),)),
            *traffic(run),
            migrations(conclusion),
            *queries(summary.queries),
            *forecast(run.forecast),
            environment(run),
            *notes(run),
        ),
    )


def render_markdown(conclusion: Conclusion) -> str:
    """The whole report as Markdown; ends with a newline."""
    return markdown.render((report(conclusion),))
