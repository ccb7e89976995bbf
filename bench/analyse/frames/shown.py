"""What the report shows besides: findings, SQL inside statements, traffic, waits, budgets, as DataFrames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.analyse.conclude import conclude
from bench.analyse.frames.making import frame
from bench.model.load import ClassLoad, LatencySummary, Workload
from bench.model.run import Run

if TYPE_CHECKING:
    from pandas import DataFrame

_PLACE = {"pass": "string", "hazard": "string", "lock_timeout_s": "Float64", "repeat": "Int64"}
_LATENCIES = ("latency", "latency_before")
_QUANTILES = ("p50", "p90", "p99", "max")

FINDING_COLUMNS = {
    "code": "string",
    "severity": "string",
    "migration": "string",
    "statement": "Int64",
    "relation": "string",
    "message": "string",
    "fix": "string",
    "accepted": "string",
}
INSIDE_COLUMNS = {
    "repeat": "Int64",
    "migration": "string",
    "statement": "Int64",
    "level": "Int64",
    "calls": "Int64",
    "duration_s": "Float64",
    "rows": "Int64",
    "work_rows": "Float64",
    "growth": "Float64",
    "growth_of": "string",
    "context": "string",
    "text": "string",
}
REQUEST_COLUMNS = (
    _PLACE
    | {
        "request": "string",
        "table": "string",
        "access": "string",
        "sent": "Int64",
        "ok": "Int64",
        "failed": "Int64",
        "unfinished": "Int64",
        "blocked_s": "Float64",
        "worst_blocked_s": "Float64",
    }
    | {f"{name}_{quantile}_s": "Float64" for name in _LATENCIES for quantile in _QUANTILES}
)
WAIT_COLUMNS = _PLACE | {
    "request": "string",
    "began_s": "Float64",
    "waited_s": "Float64",
    "waited_s_low": "Float64",
    "waited_s_high": "Float64",
    "migration": "string",
    "statement": "Int64",
    "relation": "string",
    "mode": "string",
    "wanted": "string",
}
BUDGET_COLUMNS = {
    "key": "string",
    "limit": "Float64",
    "measured": "Float64",
    "broken": "boolean",
    "hazard": "string",
    "relation": "string",
    "subject": "string",
    "place": "string",
}


def findings(run: Run) -> DataFrame:
    """One row per finding; columns are :data:`FINDING_COLUMNS`.

    ``severity`` is error, warning or info; ``accepted`` is the authors' reason where they accept it.
    """
    rows = ({name: getattr(each, name) for name in FINDING_COLUMNS} for each in conclude(run).findings)
    return frame(rows, FINDING_COLUMNS)


def inside(run: Run) -> DataFrame:
    """One row per SQL text that ran inside a statement, and its own plan: :data:`INSIDE_COLUMNS`.

    ``level`` 0 is the statement itself. ``duration_s`` and ``rows`` are sums over ``calls``; ``work_rows``
    counts rows that plan nodes returned or threw away; ``growth`` is the exponent against the data.
    """
    return frame(_inside_rows(run), INSIDE_COLUMNS)


def requests(run: Run) -> DataFrame:
    """One row per loaded pass, repeat and class of requests; columns are :data:`REQUEST_COLUMNS`.

    Latencies count from when a request was due, in seconds; ``latency_before_…`` are those before the deploy.
    ``blocked_s`` is the time in which at least one request waited for a lock of the migration.
    """
    return frame(
        (place | _request(each) for place, load in _loads(run) for each in load.classes), REQUEST_COLUMNS
    )


def waits(run: Run) -> DataFrame:
    """One row per wait of a request for the migration; columns are :data:`WAIT_COLUMNS`.

    ``began_s`` on the loaded pass's clock; ``mode`` is what the migration held or wanted, as pg_locks has it.
    """
    rows = (
        place
        | {
            "request": wait.name,
            "began_s": wait.began_s,
            "waited_s": wait.waited_s,
            "waited_s_low": wait.waited_s_bounds[0],
            "waited_s_high": wait.waited_s_bounds[1],
            "migration": wait.cause.migration,
            "statement": wait.cause.statement,
            "relation": wait.cause.relation,
            "mode": wait.cause.mode,
            "wanted": wait.cause.wanted,
        }
        for place, load in _loads(run)
        for wait in load.waits
    )
    return frame(rows, WAIT_COLUMNS)


def budgets(run: Run) -> DataFrame:
    """One row per budget and what was measured for it; columns are :data:`BUDGET_COLUMNS`.

    ``limit`` and ``measured`` are seconds, or a share for ``error_share``.
    """
    rows = ({name: getattr(each, name) for name in BUDGET_COLUMNS} for each in conclude(run).checks)
    return frame(rows, BUDGET_COLUMNS)


def _inside_rows(run: Run) -> Iterator[dict[str, object]]:
    for each in run.passes:
        for repeat in each.repeats:
            for migration in repeat.migrations:
                for statement in migration.statements:
                    for nested in statement.nested:
                        yield {
                            "repeat": repeat.index,
                            "migration": migration.id,
                            "statement": statement.index,
                            "level": nested.level,
                            "calls": nested.calls,
                            "duration_s": nested.duration_s,
                            "rows": nested.rows,
                            "work_rows": nested.work,
                            "growth": nested.growth,
                            "growth_of": nested.growth_of,
                            "context": nested.context,
                            "text": nested.text,
                        }


def _loads(run: Run) -> Iterator[tuple[dict[str, object], Workload]]:
    for each in run.passes:
        for repeat in each.repeats:
            if repeat.workload is not None:
                place: dict[str, object] = {
                    "pass": each.kind,
                    "hazard": each.hazard,
                    "lock_timeout_s": each.lock_timeout_s,
                    "repeat": repeat.index,
                }
                yield place, repeat.workload


def _request(load: ClassLoad) -> dict[str, object]:
    latencies: tuple[tuple[str, LatencySummary | None], ...] = (
        ("latency", load.latency_s),
        ("latency_before", load.latency_before_s),
    )
    row: dict[str, object] = {
        "request": load.name,
        "table": load.table,
        "access": load.access,
        "sent": load.sent,
        "ok": load.ok,
        "failed": load.failed,
        "unfinished": load.unfinished,
        "blocked_s": load.blocked_s,
        "worst_blocked_s": load.worst_blocked_s,
    }
    for name, summary in latencies:
        for quantile in _QUANTILES:
            row[f"{name}_{quantile}_s"] = getattr(summary, quantile, None)
    return row
