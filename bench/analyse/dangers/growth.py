"""Work that grows faster than the data, counted at two sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding
from bench.analyse.nested import Hot, dominant_node, hot_of, hottest
from bench.analyse.plans import node_work, nodes
from bench.analyse.quantity import count
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import StatementSummary
from bench.model.finding import Finding
from bench.model.plan import AtSize, NestedPlan

SUPERLINEAR = 1.3
"""The exponent of counted work from which on growth is worth a finding: n·log n stays below 1.2."""
QUADRATIC = 1.7
"""The exponent from which on it is a warning."""
FEW_ROWS = 1000
"""A scan of a table of fewer rows says nothing of a larger one, which the planner would read by an index."""
NOTICEABLE_S = 0.05
"""What takes less at the full size is no danger yet that a figure could show."""
TEXT_WIDTH = 120

_KEY_CHECK = re.compile(r"SELECT (?:1 FROM ONLY .* x WHERE \"|fk\.)", re.DOTALL)
"""A foreign key's check of the row that is referred to, and of all rows when it is added, as the server
writes them (src/backend/utils/adt/ri_triggers.c)."""
_REFERENCE = re.compile(
    r"(?:SELECT 1 FROM|DELETE FROM|UPDATE) ONLY (?P<table>\S+)[^$]* "
    r'WHERE \$\d+ \S+ (?P<column>"(?:[^"]|"")+")'
)
"""What a foreign key runs on the table that refers, for each row that is deleted or whose key changes."""


@danger("growth", "Work grows faster than the data", "Performance")
def growth(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A statement handles rows with a power of the data above 1.3; the hot SQL inside it is named.

    Only what is certain is told: the rows that plans of one shape handle, counted at both sizes, and a time
    that does not contradict. Nothing is said of what takes less than 50 ms by the timed repeats, of small
    tables that are read whole, of a time that one pass took, and of checks of foreign keys, which look a row
    up by its key.

    Why: it takes seconds on the rehearsal's data and hours on production's.
    Way out: let each row find its match by an equality that a hash join or an index serves; do in one
    statement, by a join, what runs once for each row.
    Example:
        UPDATE deals SET contact_id = c.id FROM contacts c WHERE deals.title ILIKE c.email;
    Instead:
        UPDATE deals SET contact_id = c.id FROM contacts c WHERE lower(deals.title) = lower(c.email);
    Source: https://www.postgresql.org/docs/current/planner-optimizer.html
    """
    for statement in rehearsed.summary.statements:
        yield from _growth(statement)


def _growth(statement: StatementSummary) -> Iterator[Finding]:
    steep = [plan for plan in statement.nested if _is_steep(plan, statement)]
    hot = hottest(steep)
    if hot is not None and hot.growth is not None:
        yield _steep_finding(statement, hot_of(hot, statement), hot.growth, hot.sizes, len(steep) - 1)


def _is_steep(nested: NestedPlan, statement: StatementSummary) -> bool:
    """Whether it surely grows faster than the data, and is noticeable."""
    sizes, power = nested.sizes, nested.growth
    if power is None or nested.growth_of != "work" or power < SUPERLINEAR or len(sizes) < 2:
        return False
    small, full = sizes[0], sizes[-1]
    slower = full.duration_s < small.duration_s * (full.data_rows / small.data_rows) ** SUPERLINEAR
    certain = not (_KEY_CHECK.match(nested.text) or _scans_few_rows(nested))
    return full.duration_s * _measured_share(statement) >= NOTICEABLE_S and not slower and certain


def _measured_share(statement: StatementSummary) -> float:
    """The timed repeats' median as a part of what the statement took in the pass that looked inside, 1 at
    most: one pass alone may have been slow by chance."""
    timed, explained_s = statement.duration_s, statement.explained_s
    return min(1.0, timed.median / explained_s) if timed is not None and explained_s else 1.0


def _scans_few_rows(nested: NestedPlan) -> bool:
    """Whether the node that handled most rows reads a small table whole, again and again."""
    node = max(nodes(nested.plan or {}), key=lambda document: node_work(document).rows)
    loops = float(node.get("Actual Loops", 0))
    return node.get("Node Type") == "Seq Scan" and loops > 1 and node_work(node).rows / loops < FEW_ROWS


def _steep_finding(
    statement: StatementSummary, hot: Hot, power: float, sizes: Sequence[AtSize], others: int
) -> Finding:
    small, full = sizes[0], sizes[-1]
    more_work = (full.work or 0.0) / (small.work or 1.0)
    message = (
        f"{_subject(statement, hot)} grows with the power {power:.1f} of the data: "
        f"{_times(full.data_rows / small.data_rows)} the data, {_times(more_work)} the rows handled"
    )
    node = dominant_node(hot.nested)
    if node:
        message += f"; most work: {node}"
    if others:
        message += f"; {others} more inside {'does' if others == 1 else 'do'} likewise"
    return finding(
        "growth",
        "warning" if power >= QUADRATIC else "info",
        statement,
        message,
        evidence=_evidence(hot, power, small, full),
        remedy=Remedy(_fix(hot)),
    )


def _subject(statement: StatementSummary, hot: Hot) -> str:
    """``in DO, UPDATE deals … (002_fill.sql:34, 97 % of the time, 1 call, 2,000 rows)``."""
    if hot.nested.level == 0:
        return statement.kind
    calls, rows = hot.nested.calls, hot.nested.rows
    parts = (
        hot.where if hot.where != statement.where else hot.nested.context,
        f"{100 * hot.share:.0f} % of the time" if hot.share is not None else None,
        "1 call" if calls == 1 else f"{count(calls)} calls",
        f"{count(rows)} rows" if rows is not None else None,
    )
    return f"in {statement.kind}, {_short(hot.nested.text)} ({', '.join(part for part in parts if part)})"


def _evidence(hot: Hot, power: float, small: AtSize, full: AtSize) -> dict[str, object]:
    evidence: dict[str, object] = {
        "exponent": round(power, 1),
        "exponent_of": "rows handled",
        "small_data_rows": small.data_rows,
        "data_rows": full.data_rows,
        "small_duration_s": small.duration_s,
        "duration_s": full.duration_s,
        "small_work_rows": small.work,
        "work_rows": full.work,
        "dominant_node": dominant_node(hot.nested) or None,
    }
    if hot.nested.level > 0:
        evidence |= {
            "sql": _short(hot.nested.text),
            "place": hot.nested.context,
            "share": None if hot.share is None else f"{100 * hot.share:.0f} %",
            "calls": hot.nested.calls,
            "rows": hot.nested.rows,
        }
    return {key: value for key, value in evidence.items() if value is not None}


def _fix(hot: Hot) -> str:
    """What keeps work from growing faster than the data, as far as the plan tells it."""
    reference = _REFERENCE.match(hot.nested.text)
    if reference is not None:
        return (
            f"Index {reference['column']} of {reference['table']}, which refers to the rows that go: each of "
            "them then finds what refers to it in one step."
        )
    if any("~~*" in str(value) for node in nodes(hot.nested.plan or {}) for value in node.values()):
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
