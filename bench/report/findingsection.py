"""The findings of the Markdown report: what was measured, the statements to run instead, what is accepted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.model.finding import Finding
from bench.model.texts import LONGEST, cut
from bench.report.dangertext import meant_by
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
        yield from _meanings(open_ones)
    accepted = [each for each in findings if each.accepted is not None]
    if accepted:
        yield "### Accepted"
        yield "The suite's authors accept these; they count for no verdict and no condition."
        yield bullets(
            f"{code(each.code)}, {plain(each.sentence)}. **Because** {plain(each.accepted or '')}"
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


def _meanings(findings: Sequence[Finding]) -> Iterator[str]:
    """Folded away: what each code that occurs means, and why it hurts."""
    said = bullets(
        f"{code(danger.code)}: {plain(danger.page.what)} {plain(danger.page.why)}"
        for danger in meant_by(findings)
    )
    if said:
        yield f"<details><summary>What these findings mean</summary>\n\n{said}\n\n</details>"


def _told(together: Sequence[Finding]) -> str:
    """The sentence of a finding, or how many there are and that of the one with the longest hold."""
    if len(together) == 1:
        return together[0].sentence
    worst = max(together, key=lambda finding: float(finding.evidence.get("held_s") or 0.0))
    lines = list(dict.fromkeys(_line(finding) for finding in together))
    if len(lines) == len(together):
        where = f"lines {', '.join(lines)}"
    else:  # several of one statement: the line alone would not tell them apart
        where = ", ".join(dict.fromkeys(_what(finding) for finding in together if finding is not worst))
    return f"{worst.sentence}. So do {len(together) - 1} more, none for longer: {where}"


def _what(finding: Finding) -> str:
    """The object that a finding is about, with its line where there is none."""
    return str(finding.evidence.get("index") or finding.relation or f"line {_line(finding)}")


def _ways_out(findings: Sequence[Finding]) -> Iterator[str]:
    """For each file and way out the sentence, its places and the statements of each place."""
    ordered = sorted(findings, key=lambda finding: (finding.migration or "", finding.statement or 0))
    ways: dict[tuple[str | None, str | None], list[Finding]] = {}
    for finding in ordered:
        ways.setdefault((finding.migration, finding.fix), []).append(finding)
    for (_, fix), together in ways.items():
        codes = ", ".join(code(name) for name in dict.fromkeys(finding.code for finding in together))
        where = _places(together)
        yield f"{f'**{plain(where)}**, ' if where else ''}{codes}: {plain(fix or '')}"
        scripts = dict.fromkeys((_line(finding), finding.sql) for finding in together if finding.sql)
        if scripts:
            many = len(scripts) > 1
            parts = (f"-- instead of line {line}:\n{sql}" if many else str(sql) for line, sql in scripts)
            yield block(cut("\n\n".join(parts), LONGEST))


def _places(together: Sequence[Finding]) -> str:
    """``file:line``, the file with all lines, or the relation where they are about no file."""
    places = list(dict.fromkeys(finding.place for finding in together if finding.place is not None))
    if not places:
        return ", ".join(dict.fromkeys(finding.relation for finding in together if finding.relation))
    lines = [str(place.line) for place in places if place.line is not None]
    return str(places[0]) if len(places) == 1 else f"{places[0].file}: {', '.join(lines)}"


def _line(finding: Finding) -> str:
    return str(finding.place.line or "?") if finding.place else "?"
