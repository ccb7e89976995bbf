"""Runs at several sizes as series, their sums, and the document that a forecast prints."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from factories import a_lock, a_migration, a_run, a_statement

from bench.analyse.forecast.deploy import all_series, forecast_deploy
from bench.analyse.forecast.document import forecast_document
from bench.analyse.forecast.regime import regime, setting_bytes
from bench.cli.forecast import duration, scales, target_data, target_rows
from bench.errors import UsageError
from bench.model.metric import Counters
from bench.model.plan import NestedPlan
from bench.model.run import Dataset, Pass, Repeat, Run
from bench.model.statement import StatementRun
from bench.report.figures.scaling import draw_scaling
from bench.run.dataoptions import DataOptions
from bench.run.scales import data_at

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


def test_statements_locks_and_their_sums_are_forecast_by_name() -> None:
    document = forecast_document([at(scale) for scale in SCALES], 1.6, {"deals": 160_000})
    found = {(each["subject"], each["quantity"]): each for each in document["forecasts"]}
    steady, slow = found["statement:001_x#0", "duration_s"], found["statement:001_x#1", "duration_s"]
    assert (steady["growth"], steady["refused"]) == ("constant", None)
    assert slow["growth"] == "linear"
    assert slow["low"] < 16 < slow["high"]
    assert slow["at"] == {"deals": 160_000}
    lock = found["lock:001_x:public.deals", "held_s"]
    assert lock["low"] < 16 < lock["high"]
    for subject in ("migration:001_x", "all"):
        assert found[subject, "duration_s"]["value"] == pytest.approx(steady["value"] + slow["value"])
    assert found["all", "size_delta_bytes"]["low"] < 8192e5 * 1.6 < found["all", "size_delta_bytes"]["high"]
    assert [each["at"]["deals"] for each in document["capacity"]] == [320_000, 800_000, 1_600_000]
    json.dumps(document)


def test_a_migration_is_refused_with_the_statement_that_is_to_blame() -> None:
    runs = [at(scale) for scale in SCALES]
    found = forecast_deploy(all_series(runs), 40 * SCALES[-1])
    whole = next(each for each in found if (each.subject, each.quantity) == ("all", "duration_s"))
    assert whole.refused is not None
    assert whole.refused.reason.startswith("statement:001_x#")


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
    series = next(each for each in all_series(runs) if each.subject.endswith("#1"))
    assert series.points[-1].values == pytest.approx((1.6, 1.6, 1.6))


@pytest.mark.parametrize(
    "change",
    [
        {"Sort Method": "external merge"},
        {"Node Type": "Hash Join"},
        {"Hash Batches": 4},
        {"Workers Launched": 2},
    ],
)
def test_another_plan_is_another_regime(change: dict[str, object]) -> None:
    plan = {"Node Type": "Sort", "Sort Method": "quicksort", "Actual Rows": 5}
    statement = a_statement()
    one = replace(statement, nested=(NestedPlan("q", 1.0, 5, plan),))
    more = replace(statement, nested=(NestedPlan("q", 2.0, 9, plan | {"Actual Rows": 9}),))
    other = replace(statement, nested=(NestedPlan("q", 1.0, 5, plan | change),))
    assert regime(one) == regime(more) != regime(other)


def test_a_spill_is_another_regime() -> None:
    statement = a_statement()
    spilled = replace(statement, counters=replace(statement.counters, temp_bytes=8192))
    assert regime(replace(statement, counters=replace(statement.counters, temp_bytes=0))) != regime(spilled)


def test_smaller_data_keep_the_targets_proportions() -> None:
    target = DataOptions(scale=10, rows={"contacts": 1_000_000})
    assert data_at(target, 0.1) == DataOptions(scale=0.1, rows={"contacts": 10_000})
    found = target_data("crm", {"deals": 20_000, "contacts": 99}, seed=1, dirt=0.0, workers=None)
    assert (found.scale, found.rows) == (0.2, {"contacts": 99})
    for wrong in ({"dealz": 5}, {"deal_stages": 100}, {"deals": 0}):
        with pytest.raises(UsageError):
            target_data("crm", wrong, seed=1, dirt=None, workers=None)


def test_values_of_options() -> None:
    assert target_rows("deals=10M,contacts=2k") == {"deals": 10_000_000, "contacts": 2000}
    assert (duration("90s"), duration("1.5m"), duration("1h")) == (90, 90, 3600)
    assert scales("0.04,0.01,0.02") == (0.01, 0.02, 0.04)
    assert (setting_bytes("64MB"), setting_bytes("4kB"), setting_bytes(None)) == (64 * 1024**2, 4096, None)


def test_the_picture_of_growth_names_the_statements_and_says_what_was_refused() -> None:
    runs = [at(scale) for scale in SCALES]
    answered = draw_scaling(forecast_document(runs, 1.6, {"deals": 160_000}))
    assert answered is not None
    assert b"001_x#1" in answered.svg
    assert b"linear: 1" in answered.svg
    refused = draw_scaling(forecast_document(runs, 160, {"deals": 16_000_000}))
    assert refused is not None
    assert b"refused: the target is 1000 times" in refused.svg
    assert draw_scaling(forecast_document([], 1, {"deals": 1})) is None
