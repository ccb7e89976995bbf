"""What ran inside a statement: which of it is hot, and where it stands in the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.plans import heaviest_node
from bench.analyse.summary import StatementSummary
from bench.model.plan import NestedPlan

HALF = 0.5
"""The deeper of two statements is hot where it has this share of the other one's time."""

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
    for plan in sorted((plan for plan in nested if plan.level > 0), key=lambda plan: -plan.duration_s):
        if hot is None or (plan.level > hot.level and plan.duration_s >= HALF * hot.duration_s):
            hot = plan
    own = next((plan for plan in nested if plan.level == 0), None)
    if own is not None and (hot is None or hot.duration_s < HALF * own.duration_s):
        return own
    return hot


def hot_statement(statement: StatementSummary) -> Hot | None:
    """What is hot inside a statement; None where nothing was seen in it."""
    nested = hottest(statement.nested)
    return None if nested is None else hot_of(nested, statement)


def dominant_node(nested: NestedPlan) -> str:
    """The node of its plan with most work, in words; empty without a plan that was executed to its end."""
    executed = nested.plan is not None and "Actual Loops" in nested.plan
    return heaviest_node(nested.plan or {}).sentence if executed else ""


def file_line(statement: StatementSummary, nested: NestedPlan) -> int | None:
    """The line of the file on which SQL of a DO block stands; None for other functions' SQL.

    The server counts from the line on which the body's quote opens.
    """
    match = _LINE.search(nested.context or "")
    if match is None or "inline_code_block" not in (nested.context or ""):
        return None
    begin = _BEFORE.match(statement.text)
    at = begin.end() if begin else 0
    body = _BODY.search(statement.text, at)
    if body is None:
        return None
    return statement.line + statement.text.count("\n", at, body.start()) + int(match[1]) - 1


def hot_of(nested: NestedPlan, statement: StatementSummary) -> Hot:
    """It as the hot one of a statement, with its share and its place."""
    whole_s = statement.explained_s
    line = file_line(statement, nested)
    return Hot(
        nested=nested,
        share=min(nested.duration_s / whole_s, 1.0) if whole_s else None,
        where=statement.where if line is None else f"{statement.file}:{line}",
    )
