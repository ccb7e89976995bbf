"""What ``bench explain`` measured, as DataFrames: executions of queries, advice, indexes, their writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.analyse.frames.making import frame
from bench.analyse.queries import summarise_query
from bench.analyse.ways import Way, ways
from bench.model.plan import QueryCost
from bench.model.run import Run

if TYPE_CHECKING:
    from pandas import DataFrame

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
        for each in summarise_query(query, run.functions).advice:
            yield {
                "name": query.name,
                "rule": each.rule,
                "node": each.node,
                "message": each.message,
                "fix": each.fix,
                "share": each.share,
            }


def _index_rows(run: Run) -> Iterator[dict[str, object]]:
    for each in run.indexes:
        yield {
            "name": each.name,
            "table": each.table,
            "definition": each.definition,
            "status": each.status,
            "new": each.new,
            "bytes": each.bytes,
            "queries": len(each.used_by),
            "scans": each.scans,
            "build_s": min(each.build_s, default=None),
            "proof": each.proof,
        }


def _write_rows(run: Run) -> Iterator[dict[str, object]]:
    for each in run.indexes:
        for write, cost in (("insert", each.insert), ("update", each.update)):
            if cost is None:
                continue
            for repeat, with_s in enumerate(cost.duration_s_with):
                yield {
                    "name": each.name,
                    "write": write,
                    "repeat": repeat,
                    "rows": cost.rows,
                    "duration_s_with": with_s,
                    "duration_s_without": cost.duration_s_without[repeat],
                    "wal_bytes_with": cost.wal_bytes_with[repeat],
                    "wal_bytes_without": cost.wal_bytes_without[repeat],
                }
