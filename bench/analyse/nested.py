"""What ran inside a statement: which of it is hot, where it stands in the file, and how it grows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.plans import heaviest_node, nodes
from bench.analyse.quantity import count
from bench.analyse.summary import StatementSummary, solo_repeats
from bench.model.finding import Finding, Severity
from bench.model.plan import AtSize, GrowthOf, NestedPlan

HALF = 0.5
"""The deeper of two statements is hot where it has this share of the other one's time."""
SUPERLINEAR: dict[GrowthOf | None, float] = {"work": 1.3, "time": 1.5, None: math.inf}
"""Exponents from which on growth is worth a finding: n·log n stays below 1.2, and a linear time that is off
by two thirds, between sizes of 1 to 4, below 1.4."""
QUADRATIC = 1.7
"""The exponent from which on it is a warning."""
NOTICEABLE_S = 0.05
"""What takes less at the full size is no danger yet that a figure could show."""
TEXT_WIDTH = 120

_LINE = re.compile(r" line (\d+) at ")
_BEFORE = re.compile(r"(?:\s+|--[^\n]*|/\*.*?\*/)*", re.DOTALL)
_BODY = re.compile(r"\$\w*\$")


@dataclass(frozen=True, slots=True)
class Hot:
    """The statement inside another one to which that one's time goes."""

    nested: NestedPlan
    share: float | None
    """Of the whole statement's time in the same pass, 0 to 1."""
    where: str
    """``file:line`` of the SQL itself where the server's line leads there, else of the whole statement."""


def hottest(nested: Sequence[NestedPlan]) -> NestedPlan | None:
    """The innermost statement to which most of the time goes; None where nothing ran inside.

    Times hold what ran inside again: from the longest on, a deeper one that has half of its time takes its
    place.
    """
    hot: NestedPlan | None = None
    for each in sorted((each for each in nested if each.level > 0), key=lambda each: -each.duration_s):
        if hot is None or (each.level > hot.level and each.duration_s >= HALF * hot.duration_s):
            hot = each
    own = next((each for each in nested if each.level == 0), None)
    if own is not None and (hot is None or hot.duration_s < HALF * own.duration_s):
        return own
    return hot


def hot_statement(statement: StatementSummary) -> Hot | None:
    """What is hot inside a statement; None where nothing was seen in it."""
    nested = hottest(statement.nested)
    return None if nested is None else _hot(nested, statement)


def dominant_node(nested: NestedPlan) -> str:
    """The node of its plan with most work, in words; empty without a plan that was executed to its end."""
    executed = nested.plan is not None and "Actual Loops" in nested.plan
    return heaviest_node(nested.plan or {}).sentence if executed else ""


def file_line(statement: StatementSummary, nested: NestedPlan) -> int | None:
    """The line of the file on which SQL of a DO block stands; None for other functions' SQL.

    The server counts from the line on which the body's quote opens.
    """
    found = _LINE.search(nested.context or "")
    if found is None or "inline_code_block" not in (nested.context or ""):
        return None
    begin = _BEFORE.match(statement.text)
    at = begin.end() if begin else 0
    body = _BODY.search(statement.text, at)
    if body is None:
        return None
    return statement.line + statement.text.count("\n", at, body.start()) + int(found[1]) - 1


def growth_findings(rehearsed: Rehearsed) -> tuple[Finding, ...]:
    """One finding for each statement that grows faster than the data, the hot SQL inside it named.

    Nothing is said of what takes less than 50 ms, nor where one size alone was measured.
    """
    sizes = {
        (migration.id, statement.index): statement.sizes
        for repeat in solo_repeats(rehearsed.run)
        for migration in repeat.migrations
        for statement in migration.statements
        if statement.sizes
    }
    return tuple(
        finding
        for migration in rehearsed.summary.migrations
        for statement in migration.statements
        for finding in _growth(statement, sizes.get((migration.id, statement.index), ()))
    )


def _growth(statement: StatementSummary, sizes: Sequence[AtSize]) -> Iterator[Finding]:
    steep = [each for each in statement.nested if _is_steep(each.growth, each.growth_of, each.sizes)]
    hot = hottest(steep)
    if hot is not None and hot.growth is not None:
        yield _finding(statement, _hot(hot, statement), hot.growth, hot.sizes, len(steep) - 1)
    elif statement.growth and _is_steep(statement.growth, statement.growth_of, sizes):
        yield _finding(statement, None, statement.growth, sizes, 0)


def _is_steep(growth: float | None, growth_of: GrowthOf | None, sizes: Sequence[AtSize]) -> bool:
    """Whether it grows faster than the data and is noticeable; a time that grows slower contradicts."""
    if growth is None or growth < SUPERLINEAR[growth_of] or len(sizes) < 2:
        return False
    small, full = sizes[0], sizes[-1]
    slower = full.duration_s * small.data_rows < small.duration_s * full.data_rows
    return full.duration_s >= NOTICEABLE_S and not slower


def _hot(nested: NestedPlan, statement: StatementSummary) -> Hot:
    whole_s = statement.explained_s
    line = file_line(statement, nested)
    return Hot(
        nested=nested,
        share=min(nested.duration_s / whole_s, 1.0) if whole_s else None,
        where=statement.where if line is None else f"{statement.file}:{line}",
    )


def _finding(
    statement: StatementSummary, hot: Hot | None, growth: float, sizes: Sequence[AtSize], others: int
) -> Finding:
    small, full = sizes[0], sizes[-1]
    growth_of = hot.nested.growth_of if hot is not None else statement.growth_of
    severity: Severity = "warning" if growth >= QUADRATIC else "info"
    message = (
        f"{statement.where}: {_subject(statement, hot)} grows with the power {growth:.1f} of the data: "
        f"{_times(full.data_rows / small.data_rows)} the data"
    )
    if small.duration_s:
        message += f", {_times(full.duration_s / small.duration_s)} the time"
    node = dominant_node(hot.nested) if hot is not None else ""
    if node:
        message += f"; most work: {node}"
    if others:
        message += f"; {others} more inside {'does' if others == 1 else 'do'} likewise"
    return Finding(
        code="growth",
        severity=severity,
        migration=statement.migration,
        statement=statement.index,
        relation=None,
        message=message,
        evidence=_evidence(hot, growth, growth_of, small, full),
        fix=_fix(hot),
    )


def _subject(statement: StatementSummary, hot: Hot | None) -> str:
    """``in DO, UPDATE deals … (002_fill.sql:34, 97 % of the time, 1 call, 2,000 rows)``."""
    if hot is None or hot.nested.level == 0:
        return statement.kind
    calls, rows = hot.nested.calls, hot.nested.rows
    parts = (
        hot.where if hot.where != statement.where else hot.nested.context,
        f"{100 * hot.share:.0f} % of the time" if hot.share is not None else None,
        "1 call" if calls == 1 else f"{count(calls)} calls",
        f"{count(rows)} rows" if rows is not None else None,
    )
    return f"in {statement.kind}, {_short(hot.nested.text)} ({', '.join(part for part in parts if part)})"


def _evidence(
    hot: Hot | None, growth: float, growth_of: GrowthOf | None, small: AtSize, full: AtSize
) -> dict[str, object]:
    evidence: dict[str, object] = {
        "exponent": round(growth, 2),
        "exponent_of": "rows handled" if growth_of == "work" else "time",
        "small_data_rows": small.data_rows,
        "data_rows": full.data_rows,
        "small_duration_s": small.duration_s,
        "duration_s": full.duration_s,
        "small_work_rows": small.work,
        "work_rows": full.work,
    }
    if hot is not None and hot.nested.level > 0:
        evidence |= {
            "sql": _short(hot.nested.text),
            "place": hot.nested.context,
            "share": None if hot.share is None else f"{100 * hot.share:.0f} %",
            "calls": hot.nested.calls,
            "rows": hot.nested.rows,
        }
    if hot is not None:
        evidence["dominant_node"] = dominant_node(hot.nested) or None
    return {key: value for key, value in evidence.items() if value is not None}


def _fix(hot: Hot | None) -> str:
    """What keeps work from growing faster than the data, as far as the plan tells it."""
    if hot is None or not hot.nested.plan:
        return (
            "Rehearse a second size before the deploy, and split the work into ranges, each with its commit."
        )
    if any("~~*" in str(value) for node in nodes(hot.nested.plan) for value in node.values()):
        return (
            "Compare lower(a) = lower(b) in place of ILIKE, which no hash join and no plain index serves; "
            "index lower(b) for the time of the backfill: each row then finds its match in one step."
        )
    if hot.nested.calls > 1:
        return "Do in one statement, by a join, what runs once for each row; or index what each run searches."
    return (
        "Let each row find its match by an equality that a hash join or an index serves, in place of a "
        "comparison with all rows."
    )


def _times(factor: float) -> str:
    """``4 times``, ``9.6 times``, ``1,204 times``."""
    text = f"{factor:.1f}".removesuffix(".0") if factor < 10 else count(round(factor))
    return f"{text} times"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_WIDTH else f"{line[: TEXT_WIDTH - 1].rstrip()}…"
