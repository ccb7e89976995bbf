"""The findings: what was measured, the way out, what each code means, and those that the authors accept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bench.analyse.dangers.danger import Danger
from bench.analyse.findings import BY_CODE
from bench.analyse.summary import RunSummary
from bench.model.finding import Finding
from bench.model.texts import LONGEST, cut
from bench.report import format as fmt
from bench.report.document import Block, Card, Code, Facts, Folded, Paragraph, Section, Words, code, strong
from bench.report.sections.answer import SEVERITIES, anchor

MANY = 3
"""So many notes of one kind in one file are told each by itself, more of them together."""
NOTES_OPEN = 3
"""More notes than that are folded together."""


def findings(given: Sequence[Finding], summary: RunSummary) -> Section:
    """All findings of a run, in their order."""
    return Section("Findings", tuple(_blocks(given, summary)), "findings")


def _blocks(given: Sequence[Finding], summary: RunSummary) -> Iterator[Block]:
    open_ones = [finding for finding in given if finding.accepted is None]
    accepted = [finding for finding in given if finding.accepted is not None]
    groups = list(alike(open_ones))
    told = _told_apart(finding_card(together, summary) for together in groups)
    cards = list(zip(groups, told, strict=True))
    yield from (card for together, card in cards if together[0].severity != "info")
    notes = tuple(card for together, card in cards if together[0].severity == "info")
    if len(notes) > NOTES_OPEN:
        said = f"{len(notes)} notes: measured, and too short or too small to matter on this data"
        yield Folded(said, notes)
    else:
        yield from notes
    if not cards:
        but = " but those that its authors accept" if accepted else ""
        yield Paragraph(f"No danger was found in what this run measured{but}.", "lead")
    if accepted:
        said = "The suite's authors accept these; they count for no verdict and no condition."
        cards_of = (replace(finding_card([finding], summary), anchor="") for finding in accepted)
        yield Section("Accepted", (Paragraph(said, "lead"), *cards_of))
    if dangers := meant_by(given):
        pages = (
            Folded((code(danger.code), " ", danger.title), tuple(danger_page(danger))) for danger in dangers
        )
        yield Folded("What these findings mean, why they hurt, and the way out", tuple(pages))


def alike(given: Sequence[Finding]) -> Iterator[Sequence[Finding]]:
    """The findings in their order, each by itself; but notes of one kind in a file together, where many."""
    kinds: dict[tuple[str | None, str], list[Finding]] = {}
    for finding in given:
        if finding.severity == "info":
            kinds.setdefault((finding.migration, finding.code), []).append(finding)
    for finding in given:
        together = kinds.get((finding.migration, finding.code), []) if finding.severity == "info" else []
        if len(together) <= MANY:
            yield [finding]
        elif finding is together[0]:
            yield together


def finding_card(together: Sequence[Finding], summary: RunSummary, *, fold: bool = False) -> Card:
    """Findings of one kind: what was measured, its evidence, and what to write instead.

    ``fold``: the way out is there for who opens it.
    """
    first = together[0]
    href = anchor(summary, first.migration, first.statement)
    where = places(together) if len(together) == 1 else ""
    place: Words = (code(where, href), ": ") if where else ""
    head = (SEVERITIES[first.severity], " ", code(first.code), " ", place, _told(together))
    blocks: list[Block] = [Paragraph(head)]
    if first.accepted:
        blocks.append(Paragraph((strong("Because"), " ", first.accepted)))
    way_out = tuple(_way_out(together))
    blocks += [Folded("Way out", way_out)] if fold and way_out else way_out
    if first.evidence and not fold:
        rows = tuple(
            (fmt.evidence_label(name), fmt.evidence(name, value)) for name, value in first.evidence.items()
        )
        blocks.append(Folded("Evidence", (Facts(rows),)))
    tone = SEVERITIES[first.severity].tone
    return Card(tone, tuple(blocks), _permalink(first))


def _told_apart(cards: Iterable[Card]) -> Iterator[Card]:
    """The same cards, each with an anchor of its own."""
    times: dict[str, int] = {}
    for card in cards:
        times[card.anchor] = times.get(card.anchor, 0) + 1
        again = "" if times[card.anchor] == 1 else f"-{times[card.anchor]}"
        yield replace(card, anchor=f"{card.anchor}{again}")


def _permalink(finding: Finding) -> str:
    """The same on every page that has the finding, whatever was measured of it."""
    about = (finding.migration, finding.statement, finding.relation)
    digest = hashlib.sha256(repr(about).encode()).hexdigest()
    return f"finding-{finding.code}-{digest[:8]}"


def _way_out(together: Sequence[Finding]) -> Iterator[Block]:
    for fix in dict.fromkeys(finding.fix for finding in together if finding.fix):
        yield Paragraph(fix)
    scripts = dict.fromkeys((_line(finding), finding.sql) for finding in together if finding.sql)
    if scripts:
        many = len(scripts) > 1
        parts = (f"-- instead of line {line}:\n{sql}" if many else str(sql) for line, sql in scripts)
        yield Code(cut("\n\n".join(parts), LONGEST))


def _told(together: Sequence[Finding]) -> str:
    """What was measured, or how many there are and that of the one with the longest hold."""
    if len(together) == 1:
        return together[0].message
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


def places(together: Sequence[Finding]) -> str:
    """``file:line``, the file with all lines, or the relation where they are about no file."""
    known = list(dict.fromkeys(finding.place for finding in together if finding.place is not None))
    if not known:
        return ", ".join(dict.fromkeys(finding.relation for finding in together if finding.relation))
    lines = [str(place.line) for place in known if place.line is not None]
    return str(known[0]) if len(known) == 1 else f"{known[0].file}: {', '.join(lines)}"


def _line(finding: Finding) -> str:
    return str(finding.place.line or "?") if finding.place else "?"


def meant_by(given: Sequence[Finding]) -> list[Danger]:
    """The dangers that the codes of findings mean, each once, in the order of the findings."""
    codes = dict.fromkeys(finding.code for finding in given)
    return [BY_CODE[name] for name in codes if name in BY_CODE]


def danger_page(danger: Danger) -> Iterator[Block]:
    """What a code means, why it hurts, the way out, with an example, below its title."""
    page = danger.page
    yield Paragraph(page.what)
    yield Paragraph((strong("Why it hurts."), " ", page.why))
    yield Paragraph((strong("The way out."), " ", page.way_out))
    yield Paragraph(strong("Example"))
    yield Code(page.example)
    if page.instead:
        yield Paragraph(strong("Instead"))
        yield Code(page.instead)
