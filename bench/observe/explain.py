"""What a query costs: EXPLAIN ANALYZE, repeated, in transactions that are rolled back."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.model.plan import QueryCost

EXECUTIONS = 5
BUDGET_S = 2.0
"""A query is executed again until it ran EXECUTIONS times or used up this time."""
STATEMENT_TIMEOUT = "60s"

MISSING_OBJECT = frozenset({"42P01", "42703", "42883", "3F000", "42704"})
"""undefined_table, undefined_column, undefined_function, invalid_schema_name, undefined_object."""


class MissingObjectError(Exception):
    """The query names something that this state of the schema does not have."""


def parameters(conn: psycopg.Connection[TupleRow], sources: Mapping[str, str]) -> dict[str, Any]:
    """Values for a query's parameters, each from a SQL query that yields one.

    Raises MissingObjectError where a source names what is not there, psycopg.Error for other refusals.
    """
    values: dict[str, Any] = {}
    for name, source in sources.items():
        try:
            row = conn.execute(source.encode()).fetchone()
        except psycopg.Error as error:
            raise _translated(error) from error
        values[name] = row[0] if row else None
    return values


def render(conn: psycopg.Connection[TupleRow], text: str, values: Mapping[str, Any]) -> str:
    """The query with its values as literals."""
    return psycopg.ClientCursor(conn).mogrify(text.encode(), values) if values else text


def view_query(conn: psycopg.Connection[TupleRow], schema: str, name: str) -> str:
    """All rows of a view."""
    return sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name)).as_string(conn)


def cost(conn: psycopg.Connection[TupleRow], text: str) -> QueryCost:
    """Cost the query: times without per-node timing, then one more execution for the plan with timing.

    The first execution warms the cache and is not counted unless it alone uses up the budget. Raises
    MissingObjectError; any other refusal, a timeout included, is told in ``error``.
    """
    try:
        begin = time.perf_counter()
        runs = [_explain(conn, text, timing=False)]
        while len(runs) <= EXECUTIONS and time.perf_counter() - begin < BUDGET_S:
            runs.append(_explain(conn, text, timing=False))
        timed = runs[-1]
        if time.perf_counter() - begin < 2 * BUDGET_S:
            timed = _explain(conn, text, timing=True)
    except psycopg.Error as error:
        missing = _translated(error)
        if isinstance(missing, MissingObjectError):
            raise missing from error
        return QueryCost(None, None, None, None, None, None, error=f"{error.sqlstate}: {_primary(error)}")
    counted = runs[1:] or runs
    plan = counted[-1]["Plan"]
    return QueryCost(
        planning_s=statistics.median(run["Planning Time"] for run in counted) / 1000,
        execution_s=statistics.median(run["Execution Time"] for run in counted) / 1000,
        rows=int(plan["Actual Rows"]),
        blocks=plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0),
        fingerprint=fingerprint(plan),
        plan=timed["Plan"],
        total_cost=plan["Total Cost"],
        temp_bytes=plan.get("Temp Written Blocks", 0) * 8192,
        n=len(counted),
        execution_s_all=tuple(run["Execution Time"] / 1000 for run in counted),
    )


def fingerprint(plan: Mapping[str, Any]) -> str:
    """Hash of a plan's shape: node types, relations, indexes, join types and strategies, nothing else."""
    shape = json.dumps(list(_shape(plan)), ensure_ascii=False)
    return hashlib.sha256(shape.encode()).hexdigest()[:16]


_SHAPE_KEYS = ("Node Type", "Schema", "Relation Name", "Index Name", "Function Name", "Join Type", "Strategy")


def _shape(plan: Mapping[str, Any]) -> Iterator[Any]:
    yield [plan.get(key) for key in _SHAPE_KEYS]
    for child in plan.get("Plans", ()):
        yield list(_shape(child))


def _explain(conn: psycopg.Connection[TupleRow], text: str, *, timing: bool) -> dict[str, Any]:
    options = f"ANALYZE, BUFFERS, SETTINGS, VERBOSE, TIMING {'ON' if timing else 'OFF'}, FORMAT JSON"
    conn.execute("BEGIN")
    try:
        conn.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(STATEMENT_TIMEOUT))
        row = conn.execute(f"EXPLAIN ({options}) {text}".encode(), prepare=False).fetchone()
        assert row is not None
        answer: dict[str, Any] = row[0][0]
        return answer
    finally:
        if not conn.closed:
            conn.execute("ROLLBACK")


def _primary(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).strip()


def _translated(error: psycopg.Error) -> Exception:
    return MissingObjectError(_primary(error)) if error.sqlstate in MISSING_OBJECT else error
