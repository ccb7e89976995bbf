"""A comparison for machines and for pages of others: JSON, Markdown, annotations, JUnit, SARIF, GitLab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analyse.compare.result import Comparison, Gate, MigrationDecision, Outcome
from bench.report.comparison.words import BY, LABEL, Row, footer, headline, place, rows, sentence
from bench.report.messages import Case, Message, gitlab, junit, sarif, workflow_commands

LONGEST_COMMENT = 65_536
"""Characters that a comment of GitHub can have."""
MOST_ROWS = 20
SIGN: dict[Outcome, str] = {"fail": "❌", "inconclusive": "❔", "warn": "⚠️", "improved": "✅", "pass": "✅"}


def render(comparison: Comparison, format: str) -> str:
    """The comparison as text in one of the formats of :data:`RENDERERS`."""
    return RENDERERS[format](comparison)


def encode(comparison: Comparison) -> bytes:
    """The comparison as JSON, each outcome said."""
    document = msgspec.to_builtins(comparison)
    document["outcome"] = comparison.outcome
    for migration, verdict in zip(document["migrations"], comparison.migrations, strict=True):
        migration["outcome"] = verdict.outcome
        for statement, each in zip(migration["statements"], verdict.statements, strict=True):
            statement["outcome"] = each.outcome
    document["sentence"] = headline(comparison)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def marker(suite: str) -> str:
    """By which the comment about a suite is found again."""
    return f"<!-- bench:{suite} -->"


def markdown(comparison: Comparison, longest: int = LONGEST_COMMENT) -> str:
    """One comment, found again by its marker; whole sections are left out where it would be too long."""
    head = f"{SIGN[comparison.outcome]} {headline(comparison)}\n\n{marker(comparison.suite)}\n"
    sections = details(comparison)
    tail = "\n<sub>" + "<br>".join(_cell(line) for line in footer(comparison)) + "</sub>\n"
    kept: list[str] = []
    room = longest - len(head) - len(tail) - 80
    for each in sections:
        if len(each) <= room:
            kept.append(each)
            room -= len(each)
    cut = len(sections) - len(kept)
    said = f"\n{cut} sections were left out: a comment holds {longest:,} characters.\n" if cut else ""
    return "".join([head[: longest - 200], *kept, said, tail if len(tail) < longest // 2 else ""])


def details(comparison: Comparison) -> list[str]:
    """What is to be looked at, and the rest for each migration, folded."""
    listed = rows(comparison)
    bad = [row for row in listed if row.gate.outcome in ("fail", "inconclusive", "warn")]
    sections = [_table(bad[:MOST_ROWS], len(bad))] if bad else []
    sections += [_details(migration, listed) for migration in comparison.migrations]
    return [section for section in sections if section]


def _table(bad: Sequence[Row], total: int) -> str:
    lines = ["", "| | by | where | what |", "|---|---|---|---|"]
    lines += [
        f"| {LABEL[row.gate.outcome]} | {BY[row.gate.level]} | {_cell(place(row))}{_cell(row.what)} | "
        f"{_cell(row.sentence)} |"
        for row in bad
    ]
    if total > len(bad):
        lines += ["", f"{total - len(bad)} more are in the full report."]
    return "\n".join(lines) + "\n"


def _details(migration: MigrationDecision, listed: Sequence[Row]) -> str:
    own = [row for row in listed if row.file == migration.file]
    if not own:
        return ""
    title = f"{_cell(migration.file)}: {LABEL[migration.outcome]}"
    body = _table(own, len(own))
    return f"\n<details><summary>{title}</summary>\n{body}\n</details>\n"


def _cell(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("@", "@\u200b")
    return " ".join(escaped.split())


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


def as_junit(comparison: Comparison) -> str:
    """A suite for each migration, a case for each level."""
    return junit(f"bench {comparison.suite}", suites(comparison))


def suites(comparison: Comparison) -> Iterator[tuple[str, list[Case]]]:
    """The suites of a JUnit file, with their cases."""
    for migration in comparison.migrations:
        gates = [*migration.gates, *(gate for each in migration.statements for gate in each.gates)]
        yield migration.file, [_case(level, gates) for level in ("E0", "E1", "W")]
    yield "queries", [_case("E0", [gate for each in comparison.queries for gate in each.gates])]
    yield "suite", [_case(level, comparison.gates) for level in ("E0", "S")]


def _case(level: str, gates: Sequence[Gate]) -> Case:
    own = [gate for gate in gates if gate.level == level]
    return Case(
        level,
        tuple(sentence(gate) for gate in own if gate.outcome == "fail"),
        tuple(sentence(gate) for gate in own if gate.outcome in ("warn", "inconclusive")),
    )


RENDERERS: dict[str, Callable[[Comparison], str]] = {
    "markdown": markdown,
    "annotations": lambda comparison: workflow_commands(messages(comparison)),
    "junit": as_junit,
    "sarif": lambda comparison: sarif(messages(comparison)),
    "gitlab": lambda comparison: gitlab(messages(comparison), comparison.path),
}


_STYLE: dict[Outcome, str] = {
    "fail": "bold red", "inconclusive": "bold yellow", "warn": "yellow", "improved": "cyan", "pass": "dim",
}  # fmt: skip


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Everything that is not a plain pass, worst first, then the verdict."""
    listed = rows(comparison)
    if listed:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("Outcome", no_wrap=True)
        table.add_column("By", no_wrap=True)
        table.add_column("Where", overflow="fold")
        table.add_column("What", overflow="fold")
        for row in listed:
            label = Text(LABEL[row.gate.outcome], style=_STYLE[row.gate.outcome])
            table.add_row(label, BY[row.gate.level], Text(f"{place(row)}{row.what}"), Text(row.sentence))
        console.print(table)
        console.print()
    for line in footer(comparison):
        console.print(line, markup=False, highlight=False)
    console.print()
    verdict = Text("Verdict   ", style="bold")
    verdict.append(headline(comparison), style=_STYLE[comparison.outcome])
    console.print(verdict)
