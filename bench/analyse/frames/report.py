"""What the report shows besides: findings, SQL inside statements, traffic, waits, budgets, as DataFrames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.analyse.conclude import conclude
from bench.analyse.frames.raw import frame
from bench.analyse.queries import Way, summarise_query, ways
from bench.model.forecast import ForecastDocument
from bench.model.load import ClassLoad, LatencySummary, Workload
from bench.model.plan import QueryCost
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
    rows = ({name: getattr(finding, name) for name in FINDING_COLUMNS} for finding in conclude(run).findings)
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
        (place | _request(request_class) for place, load in _loads(run) for request_class in load.classes),
        REQUEST_COLUMNS,
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
    rows = ({name: getattr(check, name) for name in BUDGET_COLUMNS} for check in conclude(run).checks)
    return frame(rows, BUDGET_COLUMNS)


def _inside_rows(run: Run) -> Iterator[dict[str, object]]:
    for traffic_pass in run.passes:
        for repeat in traffic_pass.repeats:
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
    for traffic_pass in run.passes:
        for repeat in traffic_pass.repeats:
            if repeat.workload is not None:
                place: dict[str, object] = {
                    "pass": traffic_pass.kind,
                    "hazard": traffic_pass.hazard,
                    "lock_timeout_s": traffic_pass.lock_timeout_s,
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


WAY_COLUMNS = {
    "name": "string",
    "kind": "string",
    "state": "string",
    "role": "string",
    "cache": "string",
    "plan_mode": "string",
    "traffic_per_s": "Float64",
    "execution": "Int64",
    "execution_s": "Float64",
    "planning_s": "Float64",
    "blocks": "Int64",
    "blocks_read": "Int64",
    "fingerprint": "string",
    "error": "string",
}
ADVICE_COLUMNS = {
    "name": "string",
    "rule": "string",
    "node": "string",
    "message": "string",
    "fix": "string",
    "share": "Float64",
}
INDEX_COLUMNS = {
    "name": "string",
    "table": "string",
    "definition": "string",
    "status": "string",
    "new": "boolean",
    "bytes": "Int64",
    "queries": "Int64",
    "scans": "Int64",
    "build_s": "Float64",
    "proof": "string",
}
INDEX_WRITE_COLUMNS = {
    "name": "string",
    "write": "string",
    "repeat": "Int64",
    "rows": "Int64",
    "duration_s_with": "Float64",
    "duration_s_without": "Float64",
    "wal_bytes_with": "Int64",
    "wal_bytes_without": "Int64",
}


def executions(run: Run) -> DataFrame:
    """One row per query, state, way and execution; columns are :data:`WAY_COLUMNS`.

    ``role`` is missing for the migrating role, ``traffic_per_s`` where nothing went on beside it.
    """
    return frame(_way_rows(run), WAY_COLUMNS)


def advice(run: Run) -> DataFrame:
    """One row per query and hint of a rule; columns are :data:`ADVICE_COLUMNS`.

    ``share`` is the node's own share of the plan's time, 0 to 1.
    """
    return frame(_advice_rows(run), ADVICE_COLUMNS)


def indexes(run: Run) -> DataFrame:
    """One row per audited index; columns are :data:`INDEX_COLUMNS`. ``build_s`` is the shortest build."""
    return frame(_index_rows(run), INDEX_COLUMNS)


def index_writes(run: Run) -> DataFrame:
    """One row per index, kind of write and repeat; columns are :data:`INDEX_WRITE_COLUMNS`."""
    return frame(_write_rows(run), INDEX_WRITE_COLUMNS)


def _way_rows(run: Run) -> Iterator[dict[str, object]]:
    for query in run.queries:
        for way in ways(query):
            for state, cost in (("before", way.before), ("after", way.after)):
                if cost is not None:
                    place = {"name": query.name, "kind": query.kind, "state": state}
                    yield from _execution_rows(place, way, cost)


def _execution_rows(place: dict[str, str], way: Way, cost: QueryCost) -> Iterator[dict[str, object]]:
    for execution, seconds in enumerate(cost.execution_s_all or (cost.execution_s,)):
        yield {
            **place,
            "role": way.role,
            "cache": way.cache,
            "plan_mode": way.plan_mode,
            "traffic_per_s": way.traffic_per_s,
            "execution": execution,
            "execution_s": seconds,
            "planning_s": cost.planning_s,
            "blocks": cost.blocks,
            "blocks_read": cost.blocks_read,
            "fingerprint": cost.fingerprint,
            "error": cost.error,
        }


def _advice_rows(run: Run) -> Iterator[dict[str, object]]:
    for query in run.queries:
        for advised in summarise_query(query, run.functions).advice:
            yield {
                "name": query.name,
                "rule": advised.rule,
                "node": advised.node,
                "message": advised.message,
                "fix": advised.fix,
                "share": advised.share,
            }


def _index_rows(run: Run) -> Iterator[dict[str, object]]:
    for index in run.indexes:
        yield {
            "name": index.name,
            "table": index.table,
            "definition": index.definition,
            "status": index.status,
            "new": index.new,
            "bytes": index.bytes,
            "queries": len(index.used_by),
            "scans": index.scans,
            "build_s": min(index.build_s, default=None),
            "proof": index.proof,
        }


def _write_rows(run: Run) -> Iterator[dict[str, object]]:
    for index in run.indexes:
        for write, cost in (("insert", index.insert), ("update", index.update)):
            if cost is None:
                continue
            for repeat, with_s in enumerate(cost.duration_s_with):
                yield {
                    "name": index.name,
                    "write": write,
                    "repeat": repeat,
                    "rows": cost.rows,
                    "duration_s_with": with_s,
                    "duration_s_without": cost.duration_s_without[repeat],
                    "wal_bytes_with": cost.wal_bytes_with[repeat],
                    "wal_bytes_without": cost.wal_bytes_without[repeat],
                }


FORECAST_COLUMNS = {
    "subject": "string",
    "quantity": "string",
    "factor": "Int64",
    "scale": "Float64",
    "value": "Float64",
    "low": "Float64",
    "high": "Float64",
    "growth": "string",
    "exponent": "Float64",
    "refused": "string",
    "cure": "string",
}
SIZE_COLUMNS = {
    "subject": "string",
    "quantity": "string",
    "scale": "Float64",
    "repeat": "Int64",
    "value": "Float64",
    "spilled": "boolean",
}


def forecasts(run: Run) -> DataFrame:
    """One row per forecast at the target (``factor`` 1) and multiples; columns: :data:`FORECAST_COLUMNS`.

    ``value``, and the interval from ``low`` to ``high`` that should hold nine of ten targets, are in the unit
    that ``quantity`` names; missing where ``refused`` says why.
    """
    return frame(_forecast_rows(run.forecast), FORECAST_COLUMNS)


def sizes(run: Run) -> DataFrame:
    """One row per quantity, size and repeat that a forecast rests on; columns are :data:`SIZE_COLUMNS`.

    ``value`` is in the unit that ``quantity`` names; times are set against the calibration query. ``spilled``
    says whether temporary files were written.
    """
    return frame(_size_rows(run.forecast), SIZE_COLUMNS)


def _forecast_rows(document: ForecastDocument | None) -> Iterator[dict[str, object]]:
    if document is None:
        return
    tables = [(1, document.forecasts)]
    tables += [(capacity.factor, capacity.forecasts) for capacity in document.capacity]
    for factor, figures in tables:
        for figure in figures:
            said = figure.refused
            yield {
                "subject": figure.subject,
                "quantity": figure.quantity,
                "factor": factor,
                "scale": factor * document.scale,
                "value": figure.value,
                "low": figure.low,
                "high": figure.high,
                "growth": figure.growth,
                "exponent": figure.exponent,
                "refused": said.reason if said else None,
                "cure": said.cure if said else None,
            }


def _size_rows(document: ForecastDocument | None) -> Iterator[dict[str, object]]:
    for series in document.measured if document is not None else ():
        for point in series.points:
            for repeat, value in enumerate(point.values):
                yield {
                    "subject": series.subject,
                    "quantity": series.quantity,
                    "scale": point.scale,
                    "repeat": repeat,
                    "value": value,
                    "spilled": point.regime.spilled,
                }
