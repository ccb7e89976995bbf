"""The end of a run on the terminal: what took long, who was blocked, the verdict, and where to go next.

Colours come on a terminal only, and not where NO_COLOR is set: rich sees to both. No line is drawn, so
the same text reads well in a log file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich import table as rich_table
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from bench.analyse.card import CardLine
from bench.analyse.conclude import Conclusion
from bench.analyse.locks import LockSummary, longest_first
from bench.analyse.summary import MigrationSummary, RunSummary, StatementSummary
from bench.model.run import MIGRATIONS, Run
from bench.report.document import Failure, Section, Table, Tone, columns, status
from bench.report.format import UNKNOWN, excerpt, seconds_column, spread_seconds
from bench.report.nestedview import HotLine, hot_lines
from bench.report.render import terminal
from bench.report.render.terminal import LABEL_WIDTH, print_blocks, print_copyable
from bench.report.sections.answer import VERDICTS, worst_block
from bench.report.sections.environment import headline
from bench.report.sections.migrations import failure, overview

_SIGNS: dict[Tone, str] = {"good": "·", "warn": "!", "bad": "✕", "unknown": "–"}
_TOP = 5
_MOST_CONDITIONS = 3
_INDENT = 2


def print_summary(conclusion: Conclusion, report: Path | None, console: Console) -> None:
    """Print the summary of a run; ``report`` is the page to name, None where none was written."""
    run, summary = conclusion.run, conclusion.summary
    console.print()
    console.print(Text(f"{summary.suite} on {', '.join(headline(run, summary.n))}", style="bold"))
    for note in run.notes:
        if note.subject == MIGRATIONS:
            console.print(Padding(Text(note.text), (0, 0, 0, _INDENT)))
    console.print()
    console.print(_card(conclusion.card.lines))
    print_blocks(_parts(conclusion), console)
    console.print()
    _print_conclusion(conclusion, report, console)
    print_copyable("Next", _next(conclusion), console)


def _card(lines: Sequence[CardLine]) -> rich_table.Table:
    """The sentences of the deploy card, each with a mark."""
    grid = rich_table.Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1, no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(Text(_SIGNS[line.tone], style=terminal.STYLES[line.tone]), terminal.words(line.text))
    return grid


def _parts(conclusion: Conclusion) -> Iterator[Section]:
    summary = conclusion.summary
    if summary.migrations:
        yield Section("Migrations", (overview(conclusion),))
    numbers = {migration.id: number for number, migration in enumerate(summary.migrations, start=1)}
    blocking = _blocking(summary)
    worst = blocking[:_TOP]
    if worst:
        yield Section(_title("Longest blocking locks", len(worst), len(blocking)), (_locks(worst, numbers),))
    ran = [statement for statement in summary.statements if statement.duration_s is not None]
    slowest = sorted(ran, key=lambda ran: -ran.duration_s.median if ran.duration_s else 0.0)[:_TOP]
    if slowest:
        yield Section(_title("Slowest statements", len(slowest), len(ran)), (_statements(slowest, numbers),))
    hot = hot_lines(ran)
    if hot:
        title = _title("Hot SQL inside statements", len(hot[:_TOP]), len(hot))
        yield Section(title, (_hot(hot[:_TOP], numbers),))
    for migration in summary.migrations:
        if (failed := failure(migration)) is not None:
            yield failed
            yield from _after_failure(conclusion, migration)


def _after_failure(conclusion: Conclusion, migration: MigrationSummary) -> Iterator[Section]:
    """What the failure leaves behind, and what would have run after it."""
    for title, code_of in (
        ("What is left", "side-effect-on-failure"),
        ("And without ON_ERROR_STOP", "false-success"),
    ):
        told = tuple(
            Failure(finding.sentence)
            for finding in conclusion.findings
            if (finding.migration, finding.code) == (migration.id, code_of)
            and (finding.accepted is None or code_of != "false-success")
        )
        if told:
            yield Section(title, told)


def _blocking(summary: RunSummary) -> list[LockSummary]:
    """The worst blocking lock of each statement on each table, longest first: indexes go with their table."""
    locks = [lock for lock in summary.locks if lock.blocks]
    worst: dict[tuple[str, int, str], LockSummary] = {}
    for lock in sorted(locks, key=longest_first):
        worst.setdefault((lock.migration, lock.statement, lock.subject), lock)
    return list(worst.values())


def _title(title: str, shown: int, all_of_them: int) -> str:
    return title if shown == all_of_them else f"{title}, {shown} of {all_of_them}"


def _locks(locks: Sequence[LockSummary], numbers: Mapping[str, int]) -> Table:
    unit, times = seconds_column([lock.longest_s for lock in locks])
    rows = (
        (
            time,
            f"{numbers[lock.migration]}:{lock.line}",
            status(lock.mode.sql_name, "bad" if lock.blocks_reads else "warn"),
            lock.subject,
            "reads, writes" if lock.blocks_reads else "writes",
        )
        for lock, time in zip(locks, times, strict=True)
    )
    return Table(columns(f">≤ {unit}", "#:line", "Mode", "…Relation", "Waiting"), tuple(rows))


def _statements(statements: Sequence[StatementSummary], numbers: Mapping[str, int]) -> Table:
    medians = [statement.duration_s.median if statement.duration_s else None for statement in statements]
    unit, times = seconds_column(medians)
    rows = (
        (time, f"{numbers[statement.migration]}:{statement.line}", excerpt(statement.text, 200))
        for statement, time in zip(statements, times, strict=True)
    )
    return Table(columns(f">{unit}", "#:line", "…Statement"), tuple(rows))


def _hot(hot: Sequence[HotLine], numbers: Mapping[str, int]) -> Table:
    unit, times = seconds_column([line.duration_s for line in hot])
    rows = (
        (
            time,
            f"{numbers[line.statement.migration]}:{line.line}",
            line.view.share or UNKNOWN,
            line.view.growth or UNKNOWN,
            line.view.text,
        )
        for line, time in zip(hot, times, strict=True)
    )
    return Table(columns(f">{unit}", "#:line", ">Share", ">Growth", "…SQL"), tuple(rows))


def _print_conclusion(conclusion: Conclusion, report: Path | None, console: Console) -> None:
    """Verdict with its conditions, longest wait, duration, report."""
    verdict = conclusion.verdict
    grid = rich_table.Table.grid(padding=0)
    grid.add_column(width=LABEL_WIDTH, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("Verdict", Text(verdict.sentence, style=terminal.style_of(VERDICTS[verdict.status])))
    conditions = [name for name in verdict.conditions if name not in verdict.sentence]
    for condition in conditions[:_MOST_CONDITIONS]:
        grid.add_row("", Text(f"- {condition}"))
    if len(conditions) > _MOST_CONDITIONS:
        grid.add_row("", Text(f"- and {len(conditions) - _MOST_CONDITIONS} more, all in the report"))
    grid.add_row("Blocked", Text(worst_block(conclusion)))
    grid.add_row("Duration", Text(spread_seconds(conclusion.summary.duration_s)))
    console.print(grid)
    if report is not None:
        print_copyable("Report", str(report), console)


_NOT_THERE = {"42P01", "42703", "42704", "42883", "3F000"}
"""An undefined table, column, object, function or schema: PostgreSQL manual, appendix A."""


def _next(conclusion: Conclusion) -> str:
    """What to do next: the same command again, after what it asks for."""
    run, summary = conclusion.run, conclusion.summary
    again = run.command or f"bench run {shlex.quote(_suite_name(run))}"
    if summary.failed is not None:
        failed = summary.failed.failed_statement
        missing = failed is not None and failed.error is not None and failed.error.sqlstate in _NOT_THERE
        what = "the file, or the state before it (--base)" if missing else "the file"
        return f"correct {what}, then: {again}"
    if not summary.finished:
        return f"run it again: {again}"
    if conclusion.verdict.status in ("not_ready", "conditional"):
        ways = [finding for finding in conclusion.findings if finding.accepted is None and finding.fix]
        if ways:
            return f"see the report's way out of {ways[0].code}, then: {again}"
        return again
    scale = run.dataset.scale if run.dataset is not None else None
    if scale is not None and summary.n and again.startswith("bench run"):
        return f"see how it grows: {_with_scale(again, scale * 4)}"
    return again


def _suite_name(run: Run) -> str:
    path = Path(run.suite.path)
    return run.suite.name if path.parent.name == "migrations" else str(path)


def _with_scale(command: str, scale: float) -> str:
    without = re.sub(r" --scale[= ]\S+", "", command)
    return f"{without} --scale {scale:g}"
