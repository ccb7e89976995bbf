"""How long each statement took: a bar per statement, grouped by migration, the longest named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analyse.summary import MigrationSummary, RunSummary, StatementSummary
from bench.report import format as fmt
from bench.report.figures.axes import linear_axis, log_time_axis, needs_log, time_unit
from bench.report.figures.sheet import Picture, Sheet, sheet
from bench.report.figures.text import columns, fit, room_for
from bench.report.format import excerpt
from bench.report.palette import LIGHT, reach_token

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 32
"""At most so many statements are named over the whole suite."""
LEAST_SHARE = 1 / 10_000
"""Statements below this share of the suite's duration are never named."""
MOST_GROUPS = 16
LABEL_IN, VALUE_IN = 4.35, 1.75
ROW_IN, AXIS_IN, LEGEND_IN = 0.225, 0.45, 0.3
MONO = 7.6


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the figure; without a bar it is the heading of a group."""

    label: str
    line: str = ""
    low_s: float | None = None
    median_s: float | None = None
    high_s: float | None = None
    token: str = "rest"
    value: str = ""


def draw_durations(summary: RunSummary) -> Picture:
    """One figure of the whole suite."""
    rows = duration_rows(summary)
    bars = [row for row in rows if row.median_s is not None]
    title = f"Duration per statement · {fit(summary.suite, 60, keep='middle')}"
    if not bars:
        return _empty(summary, title)
    values = [v for row in bars for v in (row.low_s, row.median_s, row.high_s) if v is not None]
    body_in = LEGEND_IN + ROW_IN * len(rows) + AXIS_IN
    with sheet("durations", title, _caption(summary), body_in) as page:
        _legend(page, {row.token for row in bars})
        width = page.width_in - LABEL_IN - VALUE_IN
        ax = page.axes(LABEL_IN, LEGEND_IN, width, ROW_IN * len(rows))
        ax.set_ylim(len(rows) - 0.5, -0.5)
        left_s = 0.0
        if needs_log([row.median_s or 0.0 for row in bars]):
            left_s = log_time_axis(ax, values, "duration, median with smallest and largest")
        else:
            largest = max(values) * 1.04 or 1e-6
            linear_axis(ax, time_unit(largest), largest, "duration, median with smallest and largest")
        page.bands(LEGEND_IN, ROW_IN, [row.median_s is None for row in rows])
        for at, row in enumerate(rows):
            _bar(ax, at, row, left_s)
            _texts(page, at, row)
        return page.finish()


def duration_rows(summary: RunSummary) -> tuple[Row, ...]:
    """Headings, the longest statements of the suite, and one row for what each migration has besides."""
    timed = [statement for statement in summary.statements if statement.duration_s is not None]
    least_s = LEAST_SHARE * sum(map(_duration, timed))
    longest = sorted(timed, key=_duration, reverse=True)[:LONGEST]
    named = {id(statement) for statement in longest if _duration(statement) >= least_s}
    groups = sorted((m for m in summary.migrations if m.statements), key=_total, reverse=True)
    kept = {m.id for m in groups[:MOST_GROUPS]}
    rows: list[Row] = []
    for migration in (m for m in summary.migrations if m.id in kept):
        rows += _group(migration, named)
    folded = groups[MOST_GROUPS:]
    if folded:
        total = sum(_total(migration) for migration in folded)
        rows.append(_rest(f"{len(folded)} other migrations together", total))
    return tuple(rows)


def _group(migration: MigrationSummary, named: set[int]) -> list[Row]:
    timed = [statement for statement in migration.statements if statement.duration_s is not None]
    shown = sorted((statement for statement in timed if id(statement) in named), key=_duration, reverse=True)
    rest = [statement for statement in timed if id(statement) not in named]
    failed = "" if migration.outcome == "applied" else f"{migration.outcome}"
    rows = [Row(migration.file, value=failed), *(_statement(statement) for statement in shown)]
    if rest:
        noun = "statement" if len(rest) == 1 else "statements"
        words = f"{len(rest)} other {noun}" + ("" if len(rest) == 1 else " together")
        rows.append(_rest(words, sum(_duration(statement) for statement in rest)))
    return rows


def _statement(statement: StatementSummary) -> Row:
    spread = statement.duration_s
    assert spread is not None  # only timed statements come here
    lock = statement.strongest_lock
    value = fmt.seconds(spread.median)
    if not spread.equal:
        value += f"  [{fmt.seconds(spread.low)}, {fmt.seconds(spread.high)}]"
    return Row(
        label=("✕ " if statement.outcome == "failed" else "") + _terse(statement.text),
        line=f":{statement.line}",
        low_s=spread.low,
        median_s=spread.median,
        high_s=spread.high,
        token=reach_token(lock.mode if lock else None),
        value=value,
    )


def _terse(text: str) -> str:
    """What tells one statement from the next: words that many of them share are left out."""
    return re.sub(r"(?i) (if not exists|if exists|or replace)\b|\bpublic\.", "", excerpt(text, 200))


def _rest(words: str, total_s: float) -> Row:
    return Row(words, median_s=total_s, value=f"{fmt.seconds(total_s)} in all")


def _duration(statement: StatementSummary) -> float:
    return statement.duration_s.median if statement.duration_s else 0.0


def _total(migration: MigrationSummary) -> float:
    return sum(_duration(statement) for statement in migration.statements)


def _bar(ax: Axes, at: int, row: Row, left_s: float) -> None:
    if row.median_s is None:
        return
    ax.barh(at, max(row.median_s - left_s, 0.0), left=left_s, height=0.58, color=LIGHT[row.token], zorder=2)
    if row.low_s is not None and row.high_s is not None and row.high_s > row.low_s:
        ax.plot([row.low_s, row.high_s], [at, at], color=LIGHT["ink"], linewidth=1.1, zorder=3)
        ends = [row.low_s, row.high_s]
        ax.plot(ends, [at, at], "|", color=LIGHT["ink"], markersize=5, markeredgewidth=1.1, zorder=3)


def _texts(page: Sheet, at: int, row: Row) -> None:
    y = LEGEND_IN + ROW_IN * (at + 0.5)
    if row.median_s is None:
        page.text(0.06, y, fit(row.label, 100, keep="middle"), fontsize=8.2, fontweight="bold")
    elif not row.line:
        page.text(0.18, y, row.label, fontsize=8, color=LIGHT["muted"], style="italic")
    else:
        room = room_for(LABEL_IN - 0.36, MONO) - columns(row.line) - 1
        page.text(0.18, y, fit(row.label, room), fontsize=MONO, family="DejaVu Sans Mono")
        page.text(
            LABEL_IN - 0.12,
            y,
            row.line,
            fontsize=MONO,
            family="DejaVu Sans Mono",
            ha="right",
            color=LIGHT["muted"],
        )
    page.text(page.width_in - 0.04, y, row.value, fontsize=7.8, ha="right")


REACHES: Sequence[tuple[str, str]] = (
    ("lock-8", "blocks reads and writes of an existing relation"),
    ("lock-6", "blocks writes"),
    ("calm", "lets reads and writes pass"),
    ("rest", "several together"),
)


def _legend(page: Sheet, tokens: set[str]) -> None:
    from matplotlib.patches import Rectangle

    ax = page.axes(0, 0, page.width_in, LEGEND_IN)
    ax.set(xlim=(0, page.width_in), ylim=(0, 1))
    ax.set_axis_off()
    left = 0.06
    for token, words in REACHES:
        if token in tokens:
            ax.add_patch(Rectangle((left, 0.45), 0.2, 0.36, color=LIGHT[token]))
            ax.text(left + 0.27, 0.63, words, va="center", fontsize=8)
            left += 0.27 + len(words) * 0.072 + 0.25


def _caption(summary: RunSummary) -> str:
    repeats = (
        "one repeat, so no spread is known"
        if summary.n == 1
        else f"whiskers: smallest and largest of n = {summary.n} repeats"
    )
    return (
        f"Bars: median; {repeats}. Solo pass: nothing else ran on the server. "
        f"At most {LONGEST} statements are named, none below a ten-thousandth of the whole; “:n” is the line "
        "in the file. The colour says what waits until the statement's strongest lock on a relation that "
        "existed before is released."
    )


def _empty(summary: RunSummary, title: str) -> Picture:
    with sheet("durations", title, "No duration is known.", 0.7) as page:
        page.text(
            page.width_in / 2, 0.3, "No statement has run.", ha="center", fontsize=9, color=LIGHT["muted"]
        )
        return page.finish()
