"""A comparison for machines and for pages of others: JSON, Markdown, annotations, JUnit, SARIF, GitLab."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import msgspec
from rich.console import Console
from rich.text import Text

from bench.analyse.compare.result import Comparison, Gate, Outcome
from bench.model.printable import visible
from bench.report.document import Block, Folded, Paragraph
from bench.report.messages import FORMATS, Case, Message, Told
from bench.report.render import terminal
from bench.report.render.markdown import parts as parts_of
from bench.report.render.markdown import words
from bench.report.render.terminal import print_blocks
from bench.report.sections.comparison import OUTCOMES, footer, headline, rows, sentence, table

LONGEST_COMMENT = 65_536
"""Characters that a comment of GitHub can have."""
MOST_ROWS = 20
SIGN: dict[Outcome, str] = {"fail": "❌", "inconclusive": "❔", "warn": "⚠️", "improved": "✅", "pass": "✅"}


def encode(comparison: Comparison) -> bytes:
    """The comparison as JSON, each outcome said."""
    document = msgspec.to_builtins(comparison)
    document["outcome"] = comparison.outcome
    for migration, verdict in zip(document["migrations"], comparison.migrations, strict=True):
        migration["outcome"] = verdict.outcome
        for statement, decision in zip(migration["statements"], verdict.statements, strict=True):
            statement["outcome"] = decision.outcome
    document["sentence"] = headline(comparison)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def marker(suite: str) -> str:
    """By which the comment about a suite is found again."""
    return f"<!-- bench:{suite} -->"


def markdown(comparison: Comparison, longest: int = LONGEST_COMMENT) -> str:
    """One comment, found again by its marker; whole sections are left out where it would be too long."""
    head = f"{said(comparison)}\n\n{marker(comparison.suite)}"
    tail = "<sub>" + "<br>".join(words(line) for line in footer(comparison)) + "</sub>"
    kept, left = fitting(details(comparison), longest - len(head) - len(tail) - 80)
    cut = [f"{left} sections were left out: a comment holds {longest:,} characters."] if left else []
    parts = [head[: longest - 200], *kept, *cut, *([tail] if len(tail) < longest // 2 else [])]
    return "\n\n".join(parts) + "\n"


def said(comparison: Comparison) -> str:
    """The verdict in one sentence, with its sign."""
    return f"{SIGN[comparison.outcome]} {words(headline(comparison))}"


def fitting(sections: Sequence[str], room: int) -> tuple[list[str], int]:
    """The sections for which there is room, in their order, and how many there is none for."""
    kept: list[str] = []
    for section in sections:
        if len(section) + 2 <= room:
            kept.append(section)
            room -= len(section) + 2
    return kept, len(sections) - len(kept)


def details(comparison: Comparison) -> list[str]:
    """What is to be looked at, and the rest for each migration, folded."""
    listed = rows(comparison)
    bad = [row for row in listed if row.gate.outcome in ("fail", "inconclusive", "warn")]
    blocks: list[Block] = [table(bad[:MOST_ROWS], len(bad))] if bad else []
    for migration in comparison.migrations:
        own = [row for row in listed if row.file == migration.file]
        if own:
            title = (f"{migration.file}: ", OUTCOMES[migration.outcome])
            blocks.append(Folded(title, (table(own, len(own)),)))
    return ["\n\n".join(parts_of([block])) for block in blocks]


def messages(comparison: Comparison) -> list[Message]:
    """Everything to look at, worst first."""
    return [
        Message(
            level="error" if row.gate.outcome == "fail" else "warning",
            rule=f"BENCH-{row.gate.level}-{row.gate.code.upper()}",
            file=str(PurePosixPath(comparison.path) / row.file) if row.file else "",
            line=row.line,
            text=f"{row.what}: {row.sentence}",
            identity=(
                row.file, str(row.line), row.what, row.gate.level, row.gate.code, row.gate.subject,
            ),
        )
        for row in rows(comparison)
        if row.gate.outcome in ("fail", "inconclusive", "warn")
    ]  # fmt: skip


def suites(comparison: Comparison) -> Iterator[tuple[str, list[Case]]]:
    """The suites of a JUnit file, with their cases."""
    for migration in comparison.migrations:
        gates = [*migration.gates, *(gate for decision in migration.statements for gate in decision.gates)]
        yield migration.file, [_case(level, gates) for level in ("E0", "E1", "W")]
    yield "queries", [_case("E0", [gate for decision in comparison.queries for gate in decision.gates])]
    yield "suite", [_case(level, comparison.gates) for level in ("E0", "S")]


def _case(level: str, gates: Sequence[Gate]) -> Case:
    own = [gate for gate in gates if gate.level == level]
    return Case(
        level,
        tuple(sentence(gate) for gate in own if gate.outcome == "fail"),
        tuple(sentence(gate) for gate in own if gate.outcome in ("warn", "inconclusive")),
    )


def told(comparison: Comparison) -> Told:
    """The comparison for other programs."""
    return Told(f"bench {comparison.suite}", messages(comparison), tuple(suites(comparison)), comparison.path)


def render(comparison: Comparison, format: str) -> str:
    """The comparison in Markdown, or in one of :data:`bench.report.messages.FORMATS`."""
    return markdown(comparison) if format == "markdown" else FORMATS[format](told(comparison))


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Everything that is not a plain pass, worst first, then the verdict."""
    listed = rows(comparison)
    if listed:
        print_blocks((table(listed, len(listed)),), console)
        console.print()
    print_blocks((Paragraph(line) for line in footer(comparison)), console)
    console.print()
    verdict = Text("Verdict   ", style="bold")
    verdict.append(visible(headline(comparison)), style=terminal.style_of(OUTCOMES[comparison.outcome]))
    console.print(verdict)
