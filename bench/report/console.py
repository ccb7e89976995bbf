"""The end of a run on the terminal: what took long, who was blocked, the verdict, and where to go next.

Colours come on a terminal only, and not where NO_COLOR is set: rich sees to both. No line is drawn, so
the same text reads well in a log file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bench.analyse.card import CardLine
from bench.analyse.conclude import Conclusion
from bench.analyse.locks import LockSummary, longest_first, without_block
from bench.analyse.summary import MigrationSummary, RunSummary, StatementSummary
from bench.analyse.waits import describe_wait, is_same
from bench.model.finding import VerdictStatus
from bench.model.run import MIGRATIONS, Run
from bench.report.format import UNKNOWN, count, excerpt, seconds, seconds_column, size, spread_seconds
from bench.report.nestedview import HotLine, hot_lines
from bench.report.sections.answer import migration_text

_STATUS_STYLE: dict[VerdictStatus, str] = {
    "ready": "bold green",
    "conditional": "bold yellow",
    "incomplete": "bold magenta",
    "not_ready": "bold red",
}
_OUTCOME_STYLE = {"applied": "green", "failed": "bold red"}
_TONES: dict[str, tuple[str, str]] = {
    "good": ("·", "green"),
    "warn": ("!", "bold yellow"),
    "bad": ("✕", "bold red"),
    "unknown": ("–", "dim"),
}
_TOP = 5
_MOST_CONDITIONS = 3
_INDENT = 2
_LABEL_WIDTH = 10


def print_summary(conclusion: Conclusion, report: Path | None, console: Console) -> None:
    """Print the summary of a run; ``report`` is the page to name, None where none was written."""
    run, summary = conclusion.run, conclusion.summary
    console.print()
    console.print(Text(_headline(run, summary), style="bold"))
    for note in run.notes:
        if note.subject == MIGRATIONS:
            console.print(Padding(Text(note.text), (0, 0, 0, _INDENT)))
    console.print()
    console.print(_card(conclusion.card.lines))
    for title, part in _parts(conclusion):
        console.print()
        console.print(Text(title, style="bold"))
        console.print(Padding(part, (0, 0, 0, _INDENT), expand=False))
    console.print()
    _print_conclusion(conclusion, report, console)
    _print_line("Next", _next(conclusion), console)


def _headline(run: Run, summary: RunSummary) -> str:
    server, dataset = run.environment.server, run.dataset
    parts = [f"{summary.suite} on PostgreSQL {server.version} ({server.kind})"]
    if dataset is not None:
        parts.append(f"{count(dataset.rows)} rows")
    parts.append("1 repeat" if summary.n == 1 else f"{summary.n} repeats")
    return ", ".join(parts)


def _card(lines: Sequence[CardLine]) -> Table:
    """The sentences of the deploy card, each with a mark."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1, no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        sign, style = _TONES[line.tone]
        grid.add_row(Text(sign, style=style), Text(line.text))
    return grid


def _parts(conclusion: Conclusion) -> Iterator[tuple[str, RenderableType]]:
    summary, findings = conclusion.summary, conclusion.findings
    if summary.migrations:
        yield "Migrations", _migrations(conclusion)
    numbers = {each.id: number for number, each in enumerate(summary.migrations, start=1)}
    blocking = _blocking(summary)
    worst = blocking[:_TOP]
    if worst:
        yield _title("Longest blocking locks", len(worst), len(blocking)), _locks(worst, numbers)
    ran = [each for each in summary.statements if each.duration_s is not None]
    slowest = sorted(ran, key=lambda each: -each.duration_s.median if each.duration_s else 0.0)[:_TOP]
    if slowest:
        yield _title("Slowest statements", len(slowest), len(ran)), _statements(slowest, numbers)
    hot = hot_lines(ran)
    if hot:
        yield _title("Hot SQL inside statements", len(hot[:_TOP]), len(hot)), _hot(hot[:_TOP], numbers)
    for migration in summary.migrations:
        if migration.outcome == "failed" and not migration.interrupted:
            yield "Failure", _failure(migration)
            goes_on = [
                each.sentence
                for each in findings
                if each.migration == migration.id and each.code == "false-success" and each.accepted is None
            ]
            stays = [
                each.sentence
                for each in findings
                if each.migration == migration.id and each.code == "side-effect-on-failure"
            ]
            if stays:
                yield "What is left", Text("\n".join(stays), overflow="fold", style="red")
            if goes_on:
                yield "And without ON_ERROR_STOP", Text("\n".join(goes_on), overflow="fold", style="red")


def _blocking(summary: RunSummary) -> list[LockSummary]:
    """The worst blocking lock of each statement on each table, longest first: indexes go with their table."""
    locks = [lock for lock in summary.locks if lock.blocks]
    worst: dict[tuple[str, int, str], LockSummary] = {}
    for lock in sorted(locks, key=longest_first):
        worst.setdefault((lock.migration, lock.statement, lock.subject), lock)
    return list(worst.values())


def _title(title: str, shown: int, all_of_them: int) -> str:
    return title if shown == all_of_them else f"{title}, {shown} of {all_of_them}"


def _migrations(conclusion: Conclusion) -> Table:
    table = _table(">#", "…Migration", "Outcome", ">Median", ">Reads wait ≤", ">Writes wait ≤", ">WAL")
    for number, each in enumerate(conclusion.summary.migrations, start=1):
        outcome = "interrupted" if each.interrupted else each.outcome or "not run"
        table.add_row(
            str(number),
            _cut(each.id),
            Text(outcome, style=_OUTCOME_STYLE.get(outcome, "dim")),
            seconds(each.duration_s.median if each.duration_s else None),
            migration_text(conclusion, each, "read"),
            migration_text(conclusion, each, "write"),
            size(each.wal_bytes.median if each.wal_bytes else None),
        )
    return table


def _locks(locks: Sequence[LockSummary], numbers: Mapping[str, int]) -> Table:
    unit, times = seconds_column([lock.longest_s for lock in locks])
    table = _table(f">≤ {unit}", "#:line", "Mode", "…Relation", "Waiting")
    for lock, time in zip(locks, times, strict=True):
        mode = Text(lock.mode.sql_name, style="red" if lock.blocks_reads else "yellow")
        waiting = "reads, writes" if lock.blocks_reads else "writes"
        table.add_row(time, f"{numbers[lock.migration]}:{lock.line}", mode, _cut(lock.subject), waiting)
    return table


def _statements(statements: Sequence[StatementSummary], numbers: Mapping[str, int]) -> Table:
    unit, times = seconds_column([each.duration_s.median if each.duration_s else None for each in statements])
    table = _table(f">{unit}", "#:line", "…Statement")
    for each, time in zip(statements, times, strict=True):
        table.add_row(time, f"{numbers[each.migration]}:{each.line}", _cut(excerpt(each.text, 200)))
    return table


def _hot(hot: Sequence[HotLine], numbers: Mapping[str, int]) -> Table:
    unit, times = seconds_column([each.duration_s for each in hot])
    table = _table(f">{unit}", "#:line", ">Share", ">Growth", "…SQL")
    for each, time in zip(hot, times, strict=True):
        table.add_row(
            time,
            f"{numbers[each.statement.migration]}:{each.line}",
            each.view.share or UNKNOWN,
            each.view.growth or UNKNOWN,
            _cut(each.view.text),
        )
    return table


def _failure(migration: MigrationSummary) -> Text:
    error, statement = migration.error, migration.failed_statement
    text = Text(overflow="fold")
    if error is None:
        return text.append(f"{migration.file}: was not applied to its end")
    line = migration.failure_line
    place = [migration.failure_file, *(str(each) for each in (line, error.column if line else None) if each)]
    text.append(":".join(place), style="bold")
    if statement:
        text.append(f"\n{excerpt(statement.text, 200)}", style="dim")
    text.append(f"\n{error.sqlstate or 'error'}: {error.message}", style="red")
    for name, value in (("detail", error.detail), ("hint", error.hint), ("context", error.context)):
        if value:
            text.append(f"\n{name}: {value}")
    return text


def _print_conclusion(conclusion: Conclusion, report: Path | None, console: Console) -> None:
    """Verdict with its conditions, longest wait, duration, report."""
    verdict = conclusion.verdict
    grid = Table.grid(padding=0)
    grid.add_column(width=_LABEL_WIDTH, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("Verdict", Text(verdict.sentence, style=_STATUS_STYLE[verdict.status]))
    conditions = [each for each in verdict.conditions if each not in verdict.sentence]
    for condition in conditions[:_MOST_CONDITIONS]:
        grid.add_row("", Text(f"- {condition}"))
    if len(conditions) > _MOST_CONDITIONS:
        grid.add_row("", Text(f"- and {len(conditions) - _MOST_CONDITIONS} more, all in the report"))
    grid.add_row("Blocked", Text(_worst(conclusion)))
    grid.add_row("Duration", Text(spread_seconds(conclusion.summary.duration_s)))
    console.print(grid)
    if report is not None:
        _print_line("Report", str(report), console)


def _print_line(label: str, value: str, console: Console) -> None:
    """A line that is never broken, so that it can be copied."""
    console.print(Text(f"{label:<{_LABEL_WIDTH}}{value}"), soft_wrap=True)


def _worst(conclusion: Conclusion) -> str:
    """Who waits longest, and for what."""
    summary, read, write = conclusion.summary, conclusion.longest("read"), conclusion.longest("write")
    worst = max((wait for wait in (write, read) if wait), key=lambda wait: wait.seconds, default=None)
    if worst is None:
        rows = without_block(summary.locks, reads=False) == "rows only"
        return ("nobody but writers of the same rows" if rows else "nobody") if summary.n else UNKNOWN
    both = read is not None and write is not None and is_same(read, write)
    at = f", {worst.place}" if worst.source in ("table lock", "locked rows") else ""
    what = worst.mode if worst.source == "table lock" else describe_wait(worst)
    who = "reads and writes" if both else f"{worst.access}s"
    return f"{who} on {worst.relation}, {seconds(worst.seconds)} at most ({what}{at})"


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


def _table(*columns: str) -> Table:
    """A table without lines: ``>`` aligns a column to the right, ``…`` marks the one that gives way."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(
            column.lstrip(">…"),
            justify="right" if column.startswith(">") else "left",
            no_wrap=not column.startswith("…"),
        )
    return table


def _cut(text: str) -> Text:
    """Text for the column that gives way: cut with an ellipsis, never broken over lines."""
    return Text(text, no_wrap=True, overflow="ellipsis")
