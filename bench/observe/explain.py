"""What a query costs: EXPLAIN ANALYZE, repeated, in transactions that are rolled back."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.model.plan import PlanMode, QueryCost, TriggerCost

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

    What a source changes is rolled back. Raises MissingObjectError where a source names what is not there,
    psycopg.Error for other refusals, and for a source that yields no rows at all, such as DROP TABLE.
    """
    values: dict[str, Any] = {}
    for name, source in sources.items():
        conn.execute("BEGIN")
        try:
            row = conn.execute(source.encode()).fetchone()
        except psycopg.Error as error:
            raise _translated(error) from error
        finally:
            if not conn.closed:
                conn.execute("ROLLBACK")
        values[name] = row[0] if row else None
    return values


def render(conn: psycopg.Connection[TupleRow], text: str, values: Mapping[str, Any]) -> str:
    """The query with its values as literals."""
    return psycopg.ClientCursor(conn).mogrify(text.encode(), values) if values else text


def view_query(conn: psycopg.Connection[TupleRow], schema: str, name: str) -> str:
    """All rows of a view."""
    return sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name)).as_string(conn)


@dataclass(frozen=True, slots=True)
class Way:
    """How a query is executed: as whom, and with which kind of plan."""

    text: str
    """The query with its values as literals."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Set in each execution's transaction alone; ``role`` among them is the role to take."""
    mode: PlanMode = "literal"
    prepared: str = ""
    """With ``$1`` … for its parameters, where ``mode`` is not literal."""
    values: str = ""
    """Its parameters' values as a list of literals."""


_PREPARED = "pgrehearse_query"


def cost(
    conn: psycopg.Connection[TupleRow],
    way: Way,
    *,
    executions: int = EXECUTIONS,
    budget_s: float = BUDGET_S,
) -> QueryCost:
    """Cost a query, warm: times without per-node timing, then one more execution for the plan with timing.

    The first execution warms the cache and is not counted unless it alone uses up the budget. Raises
    MissingObjectError; any other refusal, a timeout included, is told in ``error``.
    """
    try:
        with _prepared(conn, way) as text:
            begin = time.perf_counter()
            runs = [_explain(conn, text, way.settings, timing=False)]
            while len(runs) <= executions and time.perf_counter() - begin < budget_s:
                runs.append(_explain(conn, text, way.settings, timing=False))
            timed = runs[-1]
            if time.perf_counter() - begin < 2 * budget_s:
                timed = _explain(conn, text, way.settings, timing=True)
    except psycopg.Error as error:
        return _refused(error)
    return _cost(runs[1:] or runs, timed)


def cold_cost(
    chilled: Callable[[], psycopg.Connection[TupleRow]],
    way: Way,
    *,
    executions: int,
    budget_s: float = BUDGET_S,
) -> QueryCost:
    """Cost a query whose pages are not in shared buffers: ``chilled`` empties them before each execution.

    Planning reads the catalogs from disk as well. Raises as :func:`cost`.
    """
    try:
        begin = time.perf_counter()
        runs: list[dict[str, Any]] = []
        while not runs or (len(runs) < executions and time.perf_counter() - begin < budget_s):
            runs.append(_explain(chilled(), way.text, way.settings, timing=False))
    except psycopg.Error as error:
        return _refused(error)
    return _cost(runs, runs[-1])


def _cost(counted: Sequence[Mapping[str, Any]], timed: Mapping[str, Any]) -> QueryCost:
    plan = counted[-1]["Plan"]
    jit = timed.get("JIT", {}).get("Timing", {}).get("Total")
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
        blocks_read=plan.get("Shared Read Blocks"),
        jit_s=None if jit is None else jit / 1000,
        triggers=tuple(map(_trigger, timed.get("Triggers", ()))),
    )


def _trigger(found: Mapping[str, Any]) -> TriggerCost:
    constraint, time_ms = found.get("Constraint Name"), found.get("Time")
    return TriggerCost(
        name=str(constraint or found["Trigger Name"]),
        relation=str(found["Relation"]),
        calls=round(found["Calls"]),
        duration_s=None if time_ms is None else time_ms / 1000,
        constraint=constraint is not None,
    )


def _refused(error: psycopg.Error) -> QueryCost:
    missing = _translated(error)
    if isinstance(missing, MissingObjectError):
        raise missing from error
    return QueryCost(None, None, None, None, None, None, error=f"{error.sqlstate}: {_primary(error)}")


@contextmanager
def _prepared(conn: psycopg.Connection[TupleRow], way: Way) -> Iterator[str]:
    """What to explain; where it is a prepared statement, it exists for the length of the block."""
    if way.mode == "literal":
        yield way.text
        return
    conn.execute(f"PREPARE {_PREPARED} AS {way.prepared}".encode(), prepare=False)
    try:
        conn.execute(f"SET plan_cache_mode = force_{way.mode}_plan".encode())
        yield f"EXECUTE {_PREPARED}" + (f" ({way.values})" if way.values else "")
    finally:
        if not conn.closed:
            conn.execute(f"RESET plan_cache_mode; DEALLOCATE {_PREPARED}".encode())


def fingerprint(plan: Mapping[str, Any]) -> str:
    """Hash of a plan's shape: node types, relations, indexes, join types and strategies, nothing else."""
    shape = json.dumps(list(_shape(plan)), ensure_ascii=False)
    return hashlib.sha256(shape.encode()).hexdigest()[:16]


_SHAPE_KEYS = ("Node Type", "Schema", "Relation Name", "Index Name", "Function Name", "Join Type", "Strategy")


def _shape(plan: Mapping[str, Any]) -> Iterator[Any]:
    yield [plan.get(key) for key in _SHAPE_KEYS]
    for child in plan.get("Plans", ()):
        yield list(_shape(child))


def _explain(
    conn: psycopg.Connection[TupleRow], text: str, settings: Mapping[str, str], *, timing: bool
) -> dict[str, Any]:
    options = f"ANALYZE, BUFFERS, SETTINGS, VERBOSE, TIMING {'ON' if timing else 'OFF'}, FORMAT JSON"
    conn.execute("BEGIN")
    try:
        conn.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(STATEMENT_TIMEOUT))
        for name, value in settings.items():
            conn.execute("SELECT set_config(%s, %s, true)", (name, value))
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
