"""What the server said while a statement ran, in words."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.summary import StatementSummary
from bench.model.statement import StatementRun
from bench.report.format import shortened

_WIDTH = 400
"""Characters of a message and of its detail that are shown."""


def notice_lines(statement: StatementRun | StatementSummary) -> tuple[str, ...]:
    """A line for each message, equal ones once, and one for those that were not kept."""
    return (*dict.fromkeys(_lines(statement)),)


def _lines(statement: StatementRun | StatementSummary) -> Iterator[str]:
    for notice in statement.notices:
        place = f" (line {notice.line})" if notice.line is not None else ""
        detail = f": {shortened(notice.detail, _WIDTH)}" if notice.detail else ""
        yield f"{notice.severity}: {shortened(notice.message, _WIDTH)}{detail}{place}"
    if statement.notices_left_out:
        yield f"and {statement.notices_left_out:,} more messages"
