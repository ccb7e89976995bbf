"""The same requests before the migrations and after them, as a table of the report."""

from __future__ import annotations

import statistics

from bench.model.load import ComparedRequest, RequestSide
from bench.model.run import Run
from bench.report import format as fmt
from bench.report.conditionsview import Table

HEAD = (
    "Class", "As", "Requests", "Rows before", "Rows after", "Failed after", "Median before", "Median after",
    "Range before", "Range after",
)  # fmt: skip


def requests_table(run: Run) -> Table | None:
    """A line for each class, those that changed most first; None where nothing was compared."""
    if not run.requests:
        return None
    return Table(
        title="The same requests before and after",
        head=HEAD,
        rows=tuple(_row(request) for request in sorted(run.requests, key=_factor, reverse=True)),
        note="Sent one after the other with the same parameters to the state before the migrations and to "
        "the state after, twice each, and rolled back; of each the faster execution, on warm caches.",
        left=2,
    )


def _factor(request: ComparedRequest) -> tuple[int, float]:
    before, after = _median(request.before), _median(request.after)
    other_rows = request.steady and request.before.rows != request.after.rows
    return int(other_rows or request.after.failed > 0), after / before if before and after else 0.0


def _row(request: ComparedRequest) -> tuple[str, ...]:
    before, after = request.before, request.after
    return (
        request.name,
        request.role or "the migrating role",
        fmt.count(after.sent),
        fmt.count(before.rows),
        fmt.count(after.rows),
        fmt.count(after.failed),
        fmt.seconds(_median(before)),
        fmt.seconds(_median(after)),
        _range(before),
        _range(after),
    )


def _median(side: RequestSide) -> float | None:
    return statistics.median(side.latency_s) if side.latency_s else None


def _range(side: RequestSide) -> str:
    if not side.latency_s:
        return fmt.seconds(None)
    return f"{fmt.seconds(min(side.latency_s))} to {fmt.seconds(max(side.latency_s))}"
