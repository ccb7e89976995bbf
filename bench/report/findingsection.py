"""The findings of the Markdown report: what was measured, the statements to run instead, what is accepted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from bench.model.finding import Finding
from bench.report.markup import block, bullets, code, plain, table

_SEVERITY = {"error": "🔴 error", "warning": "🟡 warning", "info": "note"}


def findings_section(findings: Sequence[Finding]) -> Iterator[str]:
    """A table of the findings, their ways out, and those that the authors accept with their reasons."""
    open_ones = [each for each in findings if each.accepted is None]
    if open_ones:
        yield "### Findings"
        yield table(
            ("Severity", "Code", "What was measured"),
            ((_SEVERITY[each.severity], code(each.code), plain(each.message)) for each in open_ones),
        )
        yield "### Ways out"
        yield from _ways_out(open_ones)
    accepted = [each for each in findings if each.accepted is not None]
    if accepted:
        yield "### Accepted"
        yield "The suite's authors accept these; they count for no verdict and no condition."
        yield bullets(
            f"{code(each.code)}, {plain(each.message)}. **Because** {plain(each.accepted or '')}"
            for each in accepted
        )


def _ways_out(findings: Sequence[Finding]) -> Iterator[str]:
    """For each place the sentence and the statements, once where several findings have the same."""
    ordered = sorted(findings, key=lambda each: (each.migration or "", each.statement or 0))
    for _, of_place in groupby(
        ordered, key=lambda each: (each.migration, each.statement, each.fix, each.sql)
    ):
        together = list(of_place)
        first = together[0]
        if first.fix is None and first.sql is None:
            continue
        codes = ", ".join(code(name) for name in dict.fromkeys(each.code for each in together))
        yield f"**{plain(_place(first))}**, {codes}: {plain(first.fix or '')}"
        if first.sql is not None:
            yield block(first.sql)


def _place(finding: Finding) -> str:
    """``file:line`` as the message begins."""
    return finding.message.split(": ", 1)[0]
