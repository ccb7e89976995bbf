"""Runs at several sizes as series, their sums, and the document that a forecast prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from factories import a_lock, a_migration, a_run, a_statement

from bench.analyse.forecast.deploy import all_series, forecast_deploy
from bench.analyse.forecast.document import forecast_document
from bench.analyse.forecast.measurements import disk_peak
from bench.analyse.forecast.production import Target
from bench.analyse.forecast.regime import regime, setting_bytes
from bench.analyse.forecast.series import Regime
from bench.cli.forecast import OwnData, duration, scales, target_data, target_rows
from bench.errors import UsageError
from bench.model.forecast import WHOLE, Subject
from bench.model.lock import Lock
from bench.model.plan import NestedPlan
from bench.model.run import Dataset, Pass, Repeat, Run
from bench.model.statement import Counters, Rewrite, StatementRun
from bench.report.figures.scaling import draw_scaling
from bench.run.progress import silent
from bench.run.scales import ScaleOptions, data_at, sizes
from bench.run.template.options import DataOptions

SCALES = (0.01, 0.02, 0.04, 0.08, 0.16)


def at(scale: float) -> Run:
    """A run of two statements: one that does not grow, one that takes 10 s at scale 1, linearly."""

    def pages(count: float) -> Counters:
        return Counters(
            wal_bytes=0,
            blocks_hit=round(count),
            blocks_read=0,
            temp_bytes=0,
            size_delta_bytes=round(8192 * count),
        )

    repeats = []
    for index in range(3):
        quick = replace(a_statement(), index=0, duration_s=0.004, counters=pages(20), locks=())
        slow = replace(
            a_statement(),
            index=1,
            duration_s=10 * scale,
            counters=pages(1e5 * scale),
            locks=(a_lock("public.deals", held_s=10 * scale),),
        )
        migration = replace(a_migration([quick, slow]), id="001_x")
        repeats.append(Repeat(index=index, calibration_s=0.001, migrations=(migration,)))
    data = Dataset(1, scale, "1", 1.0, from_template=False, tables=())
    return replace(a_run(), dataset=data, passes=(Pass("solo", None, tuple(repeats)),))


def as_json(runs: Sequence[Run], target: Target) -> Any:
    """As the run file has it."""
    return msgspec.to_builtins(forecast_document(runs, target))


@pytest.mark.parametrize(
    "key", ["all", "migration:001_x", "statement:001#x#3", "lock:001_x:public.t", "query:a:b"]
)
def test_a_subject_is_read_from_its_key(key: str) -> None:
    assert Subject.read(key).key == key


@pytest.mark.parametrize("target", ["table", "partitioned table"])
def test_a_partitioned_table_has_lock_forecasts_as_any_table(target: str) -> None:
    def partitioned(run: Run) -> Run:
        solo = run.passes[0]
        repeats = []
        for repeat in solo.repeats:
            (migration,) = repeat.migrations
            quick, slow = migration.statements
            slow = replace(slow, locks=(a_lock("public.deals", held_s=slow.duration_s, target=target),))
            repeats.append(replace(repeat, migrations=(replace(migration, statements=(quick, slow)),)))
        return replace(run, passes=(replace(solo, repeats=tuple(repeats)),))

    runs = [partitioned(at(scale)) for scale in SCALES]
    document = as_json(runs, Target(1.6, {"deals": 160_000}))
    subjects = {each["subject"] for each in document["forecasts"]}
    assert "lock:001_x:public.deals" in subjects


def test_statements_locks_and_their_sums_are_forecast_by_name() -> None:
    document = as_json([at(scale) for scale in SCALES], Target(1.6, {"deals": 160_000}))
    found = {(each["subject"], each["quantity"]): each for each in document["forecasts"]}
    steady, slow = found["statement:001_x#0", "duration_s"], found["statement:001_x#1", "duration_s"]
    assert (steady["growth"], steady["refused"]) == ("constant", None)
    assert slow["growth"] == "linear"
    assert slow["low"] < 16 < slow["high"]
    assert slow["at"] == {"deals": 160_000}
    lock = found["lock:001_x:public.deals", "held_s"]
    assert lock["low"] < 16 < lock["high"]
    blocked = found["lock:001_x:public.deals", "blocked_s"]
    assert blocked["low"] < 16 < blocked["high"]
    for subject in ("migration:001_x", "all"):
        peak = found[subject, "disk_peak_bytes"]
        assert peak["low"] < 8192e5 * 1.6 < peak["high"]
        assert found[subject, "duration_s"]["value"] == pytest.approx(steady["value"] + slow["value"])
    assert found["all", "size_delta_bytes"]["low"] < 8192e5 * 1.6 < found["all", "size_delta_bytes"]["high"]
    assert [each["at"]["deals"] for each in document["capacity"]] == [320_000, 800_000, 1_600_000]
    json.dumps(document)


def test_a_migration_is_refused_with_the_statement_that_is_to_blame() -> None:
    runs = [at(scale) for scale in SCALES]
    found = forecast_deploy(all_series(runs), 40 * SCALES[-1])
    whole = next(each for each in found if (each.subject, each.quantity) == (WHOLE, "duration_s"))
    assert whole.refused is not None
    assert whole.refused.blamed is not None
    assert (whole.refused.blamed.kind, whole.refused.blamed.migration) == ("statement", "001_x")


def test_a_slow_machine_in_one_repeat_is_set_against_its_calibration() -> None:
    runs = [at(scale) for scale in SCALES]
    solo = runs[-1].passes[0]
    first = solo.repeats[0]
    migration = first.migrations[0]
    slowed: tuple[StatementRun, ...] = tuple(
        replace(each, duration_s=2 * (each.duration_s or 0)) for each in migration.statements
    )
    busy = replace(first, calibration_s=0.002, migrations=(replace(migration, statements=slowed),))
    runs[-1] = replace(runs[-1], passes=(replace(solo, repeats=(busy, *solo.repeats[1:])),))
    series = next(each for each in all_series(runs) if each.subject.statement == 1)
    assert series.points[-1].values == pytest.approx((1.6, 1.6, 1.6))


def test_the_peak_on_disk_counts_old_files_beside_new_ones_and_temporary_files() -> None:
    grows = replace(a_statement(), counters=Counters(size_delta_bytes=1000))
    rewrites = replace(
        a_statement(),
        rewrites=(Rewrite("public.deals", "table", None, 5000),),
        counters=Counters(size_delta_bytes=-200),
    )
    sorts = replace(a_statement(), counters=Counters(size_delta_bytes=10, temp_bytes=7000))
    assert disk_peak([a_migration([grows, rewrites])]) == 6000
    assert disk_peak([a_migration([grows]), a_migration([rewrites, sorts])]) == 7810
    unread = replace(a_statement(), counters=Counters(wal_bytes=1))
    assert disk_peak([a_migration([grows, unread])]) is None


def test_holds_of_one_relation_are_forecast_together_and_not_twice() -> None:
    def held(begin: float, end: float) -> Lock:
        return replace(a_lock("public.deals", held_s=end - begin), granted_at_s=begin, released_at_s=end)

    runs = []
    for scale in SCALES:
        run = at(scale)
        solo = run.passes[0]
        one = replace(a_statement(), index=0, locks=(held(0, 10 * scale), held(5 * scale, 12 * scale)))
        other = replace(a_statement(), index=1, locks=(held(20 * scale, 21 * scale),))
        migration = replace(a_migration([one, other]), id="001_x")
        repeats = tuple(replace(each, migrations=(migration,)) for each in solo.repeats)
        runs.append(replace(run, passes=(replace(solo, repeats=repeats),)))
    locks = {each.quantity.name: each for each in all_series(runs) if each.subject.kind == "lock"}
    assert locks["held_s"].points[-1].median == pytest.approx(1.6)
    assert locks["blocked_s"].points[-1].median == pytest.approx(2.08)


def planned(*nodes: dict[str, object]) -> Regime:
    """The regime of a statement whose plans have these nodes."""
    plans = tuple(NestedPlan(f"q{n}", 1.0, 5, node) for n, node in enumerate(nodes))
    return regime(replace(a_statement(), nested=plans))


SORT: dict[str, object] = {"Node Type": "Sort", "Actual Rows": 500, "Actual Loops": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"Sort Space Type": "Disk"},
        {"Node Type": "Hash Join"},
        {"Hash Batches": 4},
        {"Workers Launched": 2},
    ],
)
def test_another_way_to_handle_most_rows_is_another_regime(change: dict[str, object]) -> None:
    assert planned(SORT).shares_growth(planned(SORT | {"Actual Rows": 900}))
    assert not planned(SORT).shares_growth(planned(SORT | change))


def test_a_node_that_gains_weight_or_handles_few_rows_changes_no_regime() -> None:
    light = {"Node Type": "Nested Loop", "Actual Rows": 2, "Actual Loops": 1}
    heavy = light | {"Rows Removed by Join Filter": 9000}
    assert planned(SORT, light).shares_growth(planned(SORT, heavy))
    assert planned(SORT, light).shares_growth(planned(SORT))
    assert not planned(SORT, heavy).shares_growth(planned(SORT))


def test_which_way_an_index_fetches_rows_changes_no_regime() -> None:
    fetch = SORT | {"Node Type": "Index Scan", "Relation Name": "deals"}
    bitmap = {
        "Node Type": "Bitmap Index Scan",
        "Actual Rows": 500,
        "Actual Loops": 1,
        "Relation Name": "deals",
    }
    assert planned(fetch).shares_growth(planned(fetch | {"Node Type": "Bitmap Heap Scan", "Plans": [bitmap]}))
    assert not planned(fetch).shares_growth(planned(fetch | {"Node Type": "Seq Scan"}))


def test_a_spill_is_another_regime() -> None:
    statement = a_statement()
    spilled = replace(statement, counters=replace(statement.counters, temp_bytes=8192))
    assert not regime(replace(statement, counters=Counters(temp_bytes=0))).shares_growth(regime(spilled))


def test_smaller_data_keep_the_targets_proportions() -> None:
    target = DataOptions(scale=10, rows={"contacts": 1_000_000})
    assert data_at(target, 0.1) == DataOptions(scale=0.1, rows={"contacts": 10_000})
    found = target_data("crm", {"deals": 20_000, "contacts": 99}, OwnData(dirt=0.0))
    assert (found.scale, found.rows) == (0.2, {"contacts": 99})
    for wrong in ({"dealz": 5}, {"deal_stages": 100}, {"deals": 0}):
        with pytest.raises(UsageError):
            target_data("crm", wrong, OwnData())


def test_sizes_end_below_the_target_and_are_five_whatever_the_budget() -> None:
    """Nothing is measured here: each size takes no time."""
    for scale in (0.05, 1.0, 300.0):
        quick = list(sizes(ScaleOptions(DataOptions(scale=scale), budget_s=1e9), silent))
        assert len(quick) >= 3
        assert quick == sorted(quick)
        assert quick[-1] <= scale * 1.001
    broke = list(sizes(ScaleOptions(DataOptions(scale=0.05), budget_s=1e-9), silent))
    assert len(broke) == 5
    assert broke[-1] == pytest.approx(16 * broke[0])
    assert list(sizes(ScaleOptions(DataOptions(), scales=(0.1, 0.3)), silent)) == [0.1, 0.3]


def test_values_of_options() -> None:
    assert target_rows("deals=10M,contacts=2k") == {"deals": 10_000_000, "contacts": 2000}
    assert (duration("90s"), duration("1.5m"), duration("1h")) == (90, 90, 3600)
    assert scales("0.04,0.01,0.02") == (0.01, 0.02, 0.04)
    assert (setting_bytes("64MB"), setting_bytes("4kB"), setting_bytes(None)) == (64 * 1024**2, 4096, None)


def test_the_picture_of_growth_names_the_statements_and_says_what_was_refused() -> None:
    runs = [at(scale) for scale in SCALES]
    answered = draw_scaling(forecast_document(runs, Target(1.6, {"deals": 160_000})))
    assert answered is not None
    assert b"001_x#1" in answered.svg
    assert b"linear: 1" in answered.svg
    refused = draw_scaling(forecast_document(runs, Target(160, {"deals": 16_000_000})))
    assert refused is not None
    assert b"refused: the target is 1000 times" in refused.svg
    assert draw_scaling(forecast_document([], Target(1, {"deals": 1}))) is None
