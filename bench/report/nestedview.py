"""What ran inside a statement, as a page shows it: the hot one first, the costly ones with their plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.nested import dominant_node, file_line, hot_statement
from bench.analyse.plans import plan_rows
from bench.analyse.summary import StatementSummary
from bench.model.plan import NestedPlan
from bench.report import format as fmt
from bench.report.format import excerpt
from bench.report.planview import PlanView, plan_view

WIDTH = 160
SHOWN = 12
"""So many lines; the run file has more."""
PLANS = 5
PLAN_SHARE = 0.05
"""A plan is drawn for what took this share of the statement, and for the longest in any case."""
LONGEST_SQL = 4000
PLAN_LINES = 20


@dataclass(frozen=True, slots=True)
class NestedView:
    """A statement that ran inside another one, or that one itself."""

    text: str
    """On one line."""
    sql: str
    place: str
    calls: str
    rows: str
    duration: str
    share: str
    share_of_all: float
    """0 to 1, for the bar."""
    growth: str
    hot: bool
    itself: bool
    """It is the statement's own plan."""
    node: str
    """Where the work of its plan is."""
    plan: PlanView | None


@dataclass(frozen=True, slots=True)
class InsideView:
    """Everything seen inside one statement."""

    lines: tuple[NestedView, ...]
    remark: str


def inside_view(statement: StatementSummary) -> InsideView:
    """What ran inside a statement, longest first."""
    hot = hot_statement(statement)
    hot_one = hot.nested if hot else None
    lines = tuple(
        _line(position, plan, statement, hot=plan is hot_one)
        for position, plan in enumerate(statement.nested[:SHOWN])
    )
    return InsideView(lines, _remark(statement) if lines else "")


def _line(position: int, nested: NestedPlan, statement: StatementSummary, *, hot: bool) -> NestedView:
    whole_s = statement.explained_s or 0.0
    share = min(nested.duration_s / whole_s, 1.0) if whole_s else 0.0
    drawn = nested.plan is not None and (position == 0 or hot or (position < PLANS and share >= PLAN_SHARE))
    itself = nested.level == 0
    text = excerpt(nested.text, WIDTH)
    return NestedView(
        text="the statement itself" if itself else text,
        sql="" if itself else fmt.shortened_lines(nested.text, LONGEST_SQL),
        place=_place(statement, nested),
        calls=fmt.count(nested.calls),
        rows=fmt.count(nested.rows),
        duration=fmt.seconds(nested.duration_s),
        share=f"{100 * share:.0f} %" if whole_s else "",
        share_of_all=share,
        growth=_growth(nested),
        hot=hot and not itself,
        itself=itself,
        node=_node(nested),
        plan=plan_view("", (), nested.plan or {}) if drawn else None,
    )


def _growth(nested: NestedPlan) -> str:
    """``2.0``, and ``2.0 (time)`` where no plan counted the work."""
    if nested.growth is None:
        return ""
    return f"{nested.growth:.1f}{' (time)' if nested.growth_of == 'time' else ''}"


def _node(nested: NestedPlan) -> str:
    expected = nested.plan is not None and "Actual Loops" not in nested.plan
    return "it failed: the plan is the expected one" if expected else dominant_node(nested)


def _place(statement: StatementSummary, nested: NestedPlan) -> str:
    line = file_line(statement, nested)
    return f"line {line}" if line is not None else nested.context or ""


def _remark(statement: StatementSummary) -> str:
    left = max(len(statement.nested) - SHOWN, 0) + statement.nested_left_out
    more = f" {left} more texts took less and are not shown." if left else ""
    return (
        f"Seen in a pass of its own, in which the statement took {fmt.seconds(statement.explained_s)}; "
        "durations hold what ran inside again. Growth is the exponent against the data, 1 linear, "
        f"2 quadratic.{more}"
    )


@dataclass(frozen=True, slots=True)
class HotLine:
    """The hot SQL inside one statement."""

    statement: StatementSummary
    line: int
    """Of the file: the SQL's own in a DO block, else the whole statement's."""
    view: NestedView
    duration_s: float
    plan: tuple[str, ...]
    """Its nodes as indented lines, cut after PLAN_LINES."""


def hot_lines(statements: Sequence[StatementSummary]) -> list[HotLine]:
    """The hot SQL inside statements, longest first; a statement's own plan is none."""
    lines = []
    for statement in statements:
        hot = hot_statement(statement)
        if hot is None or hot.nested.level == 0:
            continue
        nested = hot.nested
        lines.append(
            HotLine(
                statement=statement,
                line=file_line(statement, nested) or statement.line,
                view=_line(0, nested, statement, hot=True),
                duration_s=nested.duration_s,
                plan=_plan_lines(nested),
            )
        )
    return sorted(lines, key=lambda line: -line.duration_s)


def _plan_lines(nested: NestedPlan) -> tuple[str, ...]:
    """``  SubPlan 2: Seq Scan on companies c, 1.2 M rows removed by Filter, 1,224 loops``."""
    lines = []
    for row in plan_rows(nested.plan or {}) if nested.plan else ():
        role = f"{row.role}: " if row.role else ""
        loops = f", {fmt.count(row.loops)} loops" if row.loops is not None and row.loops > 1 else ""
        lines.append(f"{'  ' * row.depth}{role}{row.work}{loops}")
    cut = [f"… and {len(lines) - PLAN_LINES} nodes more"] if len(lines) > PLAN_LINES else []
    return (*lines[:PLAN_LINES], *cut)
