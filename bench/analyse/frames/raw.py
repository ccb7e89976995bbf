"""Migrations, statements, locks and queries as pandas DataFrames: raw, one row per repeat and thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from bench.model.run import MigrationRun, Repeat, Run
from bench.model.statement import Counters, StatementRun

if TYPE_CHECKING:
    from pandas import DataFrame

_PLACE = {"pass": "string", "hazard": "string", "repeat": "Int64", "migration": "string"}
_COUNTERS = {field.name: "Int64" for field in fields(Counters)}

MIGRATION_COLUMNS = _PLACE | {
    "outcome": "string",
    "duration_s": "Float64",
    "wall_s": "Float64",
    "repeat_calibration_s": "Float64",
    "sqlstate": "string",
    "error": "string",
}
STATEMENT_COLUMNS = (
    _PLACE
    | {
        "statement": "Int64",
        "line": "Int64",
        "kind": "string",
        "text": "string",
        "transaction": "string",
        "outcome": "string",
        "started_at_s": "Float64",
        "duration_s": "Float64",
        "commit_s": "Float64",
        "observed_s": "Float64",
        "calibration_s": "Float64",
        "rows": "Int64",
    }
    | _COUNTERS
    | {"rewritten_bytes": "Int64", "scanned_rows": "Int64", "sqlstate": "string", "error": "string"}
)
LOCK_COLUMNS = _PLACE | {
    "statement": "Int64",
    "line": "Int64",
    "relation": "string",
    "table": "string",
    "target": "string",
    "mode": "string",
    "strength": "Int64",
    "new": "boolean",
    "blocks_reads": "boolean",
    "blocks_writes": "boolean",
    "source": "string",
    "waited_s": "Float64",
    "held_s": "Float64",
    "held_s_low": "Float64",
    "held_s_high": "Float64",
    "granted_at_s": "Float64",
    "released_at_s": "Float64",
    "holds": "Int64",
    "held_total_s": "Float64",
    "last_released_at_s": "Float64",
}
QUERY_COLUMNS = {
    "name": "string",
    "kind": "string",
    "state": "string",
    "execution": "Int64",
    "execution_s": "Float64",
    "planning_s": "Float64",
    "rows": "Int64",
    "blocks": "Int64",
    "temp_bytes": "Int64",
    "total_cost": "Float64",
    "fingerprint": "string",
    "error": "string",
}


def migrations(run: Run) -> DataFrame:
    """One row per pass, repeat and migration; columns are :data:`MIGRATION_COLUMNS`.

    ``duration_s`` is what the deploy needs, ``wall_s`` includes the harness's reads between statements,
    ``repeat_calibration_s`` the calibration query's median in that repeat.
    """
    return frame(_migration_rows(run), MIGRATION_COLUMNS)


def statements(run: Run) -> DataFrame:
    """One row per pass, repeat and statement; columns are :data:`STATEMENT_COLUMNS`.

    Times in seconds (``started_at_s`` after the start of the migration), block counters in pages of
    8 KiB, ``rewritten_bytes`` and ``scanned_rows`` summed over the statement's relations: 0 where it
    ran and rewrote or scanned none, missing where that could not be seen.
    """
    return frame(_statement_rows(run), STATEMENT_COLUMNS)


def locks(run: Run) -> DataFrame:
    """One row per pass, repeat, statement and lock; columns are :data:`LOCK_COLUMNS`.

    ``mode`` is named as in pg_locks, ``strength`` runs from 1 (ACCESS SHARE) to 8 (ACCESS EXCLUSIVE).
    ``blocks_reads`` and ``blocks_writes`` say what the mode conflicts with; with ``new`` nobody waits.
    """
    return frame(_lock_rows(run), LOCK_COLUMNS)


def queries(run: Run) -> DataFrame:
    """One row per query, ``state`` (before, after) and execution; columns are :data:`QUERY_COLUMNS`.

    A query without figures on one state has one row there, with its ``error``; one that was not
    costed on a state has none.
    """
    return frame(_query_rows(run), QUERY_COLUMNS)


def _migration_runs(run: Run) -> Iterator[tuple[dict[str, object], Repeat, MigrationRun]]:
    for traffic_pass in run.passes:
        for repeat in traffic_pass.repeats:
            for migration in repeat.migrations:
                place: dict[str, object] = {
                    "pass": traffic_pass.kind,
                    "hazard": traffic_pass.hazard,
                    "repeat": repeat.index,
                    "migration": migration.id,
                }
                yield place, repeat, migration


def _migration_rows(run: Run) -> Iterator[dict[str, object]]:
    for place, repeat, migration in _migration_runs(run):
        yield place | {
            "outcome": migration.outcome,
            "duration_s": migration.duration_s,
            "wall_s": migration.wall_s,
            "repeat_calibration_s": repeat.calibration_s,
            "sqlstate": migration.error.sqlstate if migration.error else None,
            "error": migration.error.message if migration.error else None,
        }


def _statement_rows(run: Run) -> Iterator[dict[str, object]]:
    for place, _, migration in _migration_runs(run):
        for statement in migration.statements:
            yield place | _statement_row(statement)


def _statement_row(statement: StatementRun) -> dict[str, object]:
    ran = statement.outcome != "skipped"
    counted = bool(statement.validations) or statement.transaction != "none"
    sizes = [rewrite.bytes for rewrite in statement.rewrites]
    return {
        "statement": statement.index,
        "line": statement.line,
        "kind": statement.kind,
        "text": statement.text,
        "transaction": statement.transaction,
        "outcome": statement.outcome,
        "started_at_s": statement.started_at_s,
        "duration_s": statement.duration_s,
        "commit_s": statement.commit_s,
        "observed_s": statement.observed_s,
        "calibration_s": statement.calibration_s,
        "rows": statement.rows,
        **asdict(statement.counters),
        "rewritten_bytes": sum(size or 0 for size in sizes) if ran and None not in sizes else None,
        "scanned_rows": sum(scan.rows for scan in statement.validations) if ran and counted else None,
        "sqlstate": statement.error.sqlstate if statement.error else None,
        "error": statement.error.message if statement.error else None,
    }


def _lock_rows(run: Run) -> Iterator[dict[str, object]]:
    for place, _, migration in _migration_runs(run):
        for statement in migration.statements:
            for lock in statement.locks:
                low, high = lock.held_s_bounds or (None, None)
                yield place | {
                    "statement": statement.index,
                    "line": statement.line,
                    "relation": lock.relation,
                    "table": lock.table,
                    "target": lock.target,
                    "mode": lock.mode.value,
                    "strength": lock.mode.strength,
                    "new": lock.new,
                    "blocks_reads": lock.mode.blocks_reads,
                    "blocks_writes": lock.mode.blocks_writes,
                    "source": lock.source,
                    "waited_s": lock.waited_s,
                    "held_s": lock.held_s,
                    "held_s_low": low,
                    "held_s_high": high,
                    "granted_at_s": lock.granted_at_s,
                    "released_at_s": lock.released_at_s,
                    "holds": lock.repeated.count if lock.repeated else 1,
                    "held_total_s": lock.total_s,
                    "last_released_at_s": lock.last_released_at_s,
                }


def _query_rows(run: Run) -> Iterator[dict[str, object]]:
    for query in run.queries:
        for state, cost in (("before", query.before), ("after", query.after)):
            if cost is None:
                continue
            for execution, seconds in enumerate(cost.execution_s_all or (cost.execution_s,)):
                yield {
                    "name": query.name,
                    "kind": query.kind,
                    "state": state,
                    "execution": execution,
                    "execution_s": seconds,
                    "planning_s": cost.planning_s,
                    "rows": cost.rows,
                    "blocks": cost.blocks,
                    "temp_bytes": cost.temp_bytes,
                    "total_cost": cost.total_cost,
                    "fingerprint": cost.fingerprint,
                    "error": cost.error,
                }


def frame(rows: Iterable[Mapping[str, object]], columns: dict[str, str]) -> DataFrame:
    """A frame with all its columns, of the types given, also where there are no rows."""
    import pandas

    return pandas.DataFrame(list(rows), columns=list(columns)).astype(columns)
