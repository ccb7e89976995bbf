"""The DataFrames hold the raw figures of a run, with the same columns and types whatever it holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas
import pytest
from factories import a_lock, a_migration, a_query, a_run, a_statement, empty_run, failed_run, rich_run

from bench.analyse import frames
from bench.analyse.conclude import conclude
from bench.model.forecast import (
    Capacity,
    ForecastDocument,
    ForecastFigure,
    MeasuredPoint,
    MeasuredRegime,
    MeasuredSeries,
    Refusal,
)
from bench.model.index import IndexAudit, WriteCost
from bench.model.plan import QueryCase
from bench.model.run import Run

FRAMES: list[tuple[Callable[[Run], Any], dict[str, str]]] = [
    (frames.migrations, frames.MIGRATION_COLUMNS),
    (frames.statements, frames.STATEMENT_COLUMNS),
    (frames.locks, frames.LOCK_COLUMNS),
    (frames.queries, frames.QUERY_COLUMNS),
    (frames.findings, frames.FINDING_COLUMNS),
    (frames.inside, frames.INSIDE_COLUMNS),
    (frames.requests, frames.REQUEST_COLUMNS),
    (frames.waits, frames.WAIT_COLUMNS),
    (frames.budgets, frames.BUDGET_COLUMNS),
    (frames.forecasts, frames.FORECAST_COLUMNS),
    (frames.sizes, frames.SIZE_COLUMNS),
    (frames.executions, frames.WAY_COLUMNS),
    (frames.advice, frames.ADVICE_COLUMNS),
    (frames.indexes, frames.INDEX_COLUMNS),
    (frames.index_writes, frames.INDEX_WRITE_COLUMNS),
]


@pytest.mark.parametrize(("make", "columns"), FRAMES, ids=[make.__name__ for make, _ in FRAMES])
@pytest.mark.parametrize("run", [rich_run(), failed_run(), empty_run()], ids=["rich", "failed", "empty"])
def test_columns_and_types_are_the_documented_ones(make: Any, columns: dict[str, str], run: Run) -> None:
    assert {name: str(dtype) for name, dtype in make(run).dtypes.items()} == columns


def test_statements_have_one_row_per_repeat_and_statement() -> None:
    run = rich_run()
    frame = frames.statements(run)
    assert len(frame) == 3 * 30
    assert not frame.duplicated(["pass", "repeat", "migration", "statement"]).any()
    raw = sum(s.duration_s or 0 for r in run.passes[0].repeats for m in r.migrations for s in m.statements)
    assert frame["duration_s"].sum() == pytest.approx(raw)


def test_migrations_add_up_to_their_statements() -> None:
    run = rich_run()
    statements = frames.statements(run).groupby(["repeat", "migration"])["duration_s"].sum()
    migrations = frames.migrations(run).set_index(["repeat", "migration"])["duration_s"]
    assert (statements - migrations).abs().max() < 1e-9


def test_unknown_is_missing_and_not_zero() -> None:
    frame = frames.statements(failed_run())
    skipped = frame[frame["outcome"] == "skipped"]
    assert len(skipped) > 0
    assert skipped[["duration_s", "wal_bytes", "rewritten_bytes", "scanned_rows"]].isna().all(axis=None)
    begin = frame[frame["kind"] == "BEGIN"]
    assert begin["wal_bytes"].isna().all()
    assert (begin["temp_bytes"] == 0).all()


def test_scans_of_a_statement_outside_a_transaction_are_missing_unless_seen() -> None:
    run = a_run([a_migration([a_statement(0), a_statement(1, transaction="none")])])
    assert frames.statements(run)["scanned_rows"].tolist() == [0, pandas.NA]


def test_locks_have_their_bounds_strength_and_who_they_block() -> None:
    locks = (a_lock(held_s=2.0, bounds=(1.5, 2.5)), a_lock(held_s=None))
    frame = frames.locks(a_run([a_migration([a_statement(locks=locks)])]))
    known = frame.iloc[0]
    assert (known["held_s_low"], known["held_s"], known["held_s_high"]) == (1.5, 2.0, 2.5)
    assert (known["strength"], known["blocks_reads"], known["blocks_writes"]) == (8, True, True)
    assert frame.iloc[1][["held_s", "held_s_low", "held_s_high"]].isna().all()


def test_queries_have_one_row_per_execution_and_one_for_an_error() -> None:
    frame = frames.queries(rich_run())
    per_state = frame.groupby(["name", "state"]).size()
    assert per_state["open deals by owner"].to_dict() == {"after": 5, "before": 5}
    assert per_state["public.company_overview"].to_dict() == {"after": 5}
    failed = frame[frame["error"].notna()]
    assert len(failed) == 1
    assert failed["execution_s"].isna().all()


def test_importing_the_module_does_not_import_pandas() -> None:
    program = "import sys, bench.analyse.frames; sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_forecast_is_one_row_for_each_subject_quantity_and_factor() -> None:
    def said(value: float | None, refused: Refusal | None) -> ForecastFigure:
        return ForecastFigure("all", "duration_s", {}, value, value, value, "linear", 1.0, refused)

    regime = MeasuredRegime((), (), False, ())
    document = ForecastDocument(
        at={},
        scale=2.0,
        scales=(0.5,),
        forecasts=(said(3.0, None),),
        capacity=(Capacity(5, {}, (said(None, Refusal("too far", "measure more")),)),),
        measured=(MeasuredSeries("all", "duration_s", (MeasuredPoint(0.5, (1.0, 1.1), {}, regime, {}),)),),
    )
    run = replace(a_run(), forecast=document)
    near, far = frames.forecasts(run).to_dict("records")
    assert (near["scale"], near["value"]) == (2.0, 3.0)
    assert (far["scale"], far["refused"], far["cure"]) == (10.0, "too far", "measure more")
    assert pandas.isna(far["value"])
    assert frames.sizes(run)["value"].tolist() == [1.0, 1.1]


def test_findings_and_what_ran_inside_are_those_of_the_run() -> None:
    run = rich_run()
    assert frames.findings(run)["code"].tolist() == [each.code for each in conclude(run).findings]
    nested = [n for r in run.passes[0].repeats for m in r.migrations for s in m.statements for n in s.nested]
    assert frames.inside(run)["text"].tolist() == [each.text for each in nested]


def test_every_execution_advice_and_write_of_an_explained_run_has_a_row() -> None:
    query = a_query()
    cost = query.after
    assert cost is not None
    plan = {
        "Node Type": "Seq Scan", "Relation Name": "deals", "Filter": "(deals.a = 1)", "Actual Rows": 3,
        "Actual Loops": 1, "Rows Removed by Filter": 50000, "Plan Rows": 3,
    }  # fmt: skip
    case = QueryCase("after", "authenticated", "cold", "literal", replace(cost, execution_s_all=(0.4,)))
    write = WriteCost(100, (0.02, 0.03), (0.01, 0.02), (9000, 9100), (5000, 5000))
    index = IndexAudit(
        "public.i", "public.deals", "CREATE INDEX", "btree", unique=False, new=True, valid=True, bytes=8192,
        constraint=None, foreign_keys=(), duplicate_of=None, prefix_of=None, used_by=(), scans=0,
        build_s=(0.2, 0.1), insert=write, update=None, status="could-go", proof="in no plan",
    )  # fmt: skip
    run = replace(
        rich_run(),
        queries=(replace(query, after=replace(cost, plan=plan), cases=(case,)),),
        indexes=(index,),
    )
    executions = frames.executions(run)
    assert len(executions[executions["cache"] == "cold"]) == 1
    assert len(executions) == 11
    assert list(frames.advice(run)["rule"]) == ["seq-scan-selective"]
    assert list(frames.indexes(run)["build_s"]) == [0.1]
    assert list(frames.index_writes(run)["wal_bytes_with"]) == [9000, 9100]
