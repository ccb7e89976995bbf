"""The findings of the Markdown report: what was measured, the statements to run instead, what is accepted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.model.finding import Finding
from bench.model.texts import LONGEST, cut
from bench.report.markup import block, bullets, code, plain, table

_SEVERITY = {"error": "🔴 error", "warning": "🟡 warning", "info": "note"}


def findings_section(findings: Sequence[Finding]) -> Iterator[str]:
    """A table of the findings, their ways out, and those that the authors accept with their reasons."""
    open_ones = [each for each in findings if each.accepted is None]
    if open_ones:
        yield "### Findings"
        yield table(
            ("Severity", "Code", "What was measured"),
            (
                (_SEVERITY[together[0].severity], code(together[0].code), plain(_told(together)))
                for together in alike(open_ones)
            ),
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


_MANY = 3
"""So many notes of one kind in one file are told each by itself, more of them together."""


def alike(findings: Sequence[Finding]) -> Iterator[Sequence[Finding]]:
    """The findings in their order, each by itself; but notes of one kind in a file together, where many."""
    kinds: dict[tuple[str | None, str], list[Finding]] = {}
    for each in findings:
        if each.severity == "info":
            kinds.setdefault((each.migration, each.code), []).append(each)
    for each in findings:
        together = kinds.get((each.migration, each.code), []) if each.severity == "info" else []
        if len(together) <= _MANY:
            yield [each]
        elif each is together[0]:
            yield together


def _told(together: Sequence[Finding]) -> str:
    """The message of a finding, or how many there are and the message of the one with the longest hold."""
    if len(together) == 1:
        return together[0].message
    worst = max(together, key=lambda each: float(each.evidence.get("held_s") or 0.0))
    lines = list(dict.fromkeys(_place(each).rpartition(":")[2] for each in together))
    if len(lines) == len(together):
        where = f"lines {', '.join(lines)}"
    else:  # several of one statement: the line alone would not tell them apart
        where = ", ".join(dict.fromkeys(_what(each) for each in together if each is not worst))
    return f"{worst.message}. So do {len(together) - 1} more, none for longer: {where}"


def _what(finding: Finding) -> str:
    """The object that a finding is about, with its line where there is none."""
    return str(
        finding.evidence.get("index") or finding.relation or f"line {_place(finding).rpartition(':')[2]}"
    )


def _ways_out(findings: Sequence[Finding]) -> Iterator[str]:
    """For each file and way out the sentence, its places and the statements of each place."""
    ordered = sorted(findings, key=lambda each: (each.migration or "", each.statement or 0))
    ways: dict[tuple[str | None, str | None], list[Finding]] = {}
    for each in ordered:
        ways.setdefault((each.migration, each.fix), []).append(each)
    for (_, fix), together in ways.items():
        codes = ", ".join(code(name) for name in dict.fromkeys(each.code for each in together))
        yield f"**{plain(_places(together))}**, {codes}: {plain(fix or '')}"
        scripts = dict.fromkeys((_place(each).rpartition(":")[2], each.sql) for each in together if each.sql)
        if scripts:
            many = len(scripts) > 1
            parts = (f"-- instead of line {line}:\n{sql}" if many else str(sql) for line, sql in scripts)
            yield block(cut("\n\n".join(parts), LONGEST))


def _places(together: Sequence[Finding]) -> str:
    """``file:line``, or the file and all lines."""
    places = list(dict.fromkeys(map(_place, together)))
    file = places[0].rpartition(":")[0]
    return places[0] if len(places) == 1 else f"{file}: {', '.join(p.rpartition(':')[2] for p in places)}"


def _place(finding: Finding) -> str:
    """``file:line`` as the message begins."""
    return finding.message.split(": ", 1)[0]
