"""The target taken from what the probe says of production, and when a budget breaks."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from documents import tables_of
from factories import a_lock, a_migration, a_run, a_statement
from hypothesis import given
from hypothesis import strategies as st

from bench.analyse.forecast.breaks import first_breaks
from bench.analyse.forecast.deploy import all_series
from bench.analyse.forecast.document import forecast_document
from bench.analyse.forecast.predict import predict
from bench.analyse.forecast.production import Production, Target, on_machine, read_production
from bench.analyse.forecast.refuse import outgrown
from bench.analyse.forecast.regime import OF_A_SORT, settings_after
from bench.analyse.forecast.series import DURATION, Forecast, Memory, Point, Series
from bench.cli.forecast import rows_like
from bench.errors import UsageError
from bench.model.budget import Budget
from bench.model.forecast import WHOLE
from bench.model.run import Dataset, Pass, Repeat, Run, TableSize
from bench.model.statement import Counters
from bench.report.render import markdown
from bench.report.sections.forecast import forecast

SCALES = (0.01, 0.02, 0.04, 0.08, 0.16)
PROBED = {
    "probe": 1,
    "read_at": "2024-05-01T00:00:00Z",
    "version_num": 160002,
    "cores": None,
    "calibration_s": 0.010,
    "settings": {"work_mem": "2MB", "shared_buffers": "8GB", "hash_mem_multiplier": "1"},
    "tables": {
        "public.deals": {"rows": 1_000_000, "bytes": 900_000_000},
        "public.activities": {"rows": 4_000_000, "bytes": 2_000_000_000},
        "public.deal_stages": {"rows": 6, "bytes": 8192},
        "public.unheard_of": {"rows": 5, "bytes": 8192},
    },
}


def probed(**changes: object) -> Production:
    return read_production(f"BEGIN\nSET\n{json.dumps(PROBED | changes)}\nCOMMIT\n", "probe.json")


def at(scale: float, budgets: tuple[Budget, ...] = ()) -> Run:
    """One statement that takes 10 s at scale 1, and keeps deals locked for as long."""
    slow = replace(
        a_statement(),
        duration_s=10 * scale,
        counters=Counters(0, 0, 0, round(1e5 * scale), 0, 0, 0, 0),
        locks=(a_lock("public.deals", held_s=10 * scale),),
    )
    repeats = tuple(
        Repeat(index=index, calibration_s=0.001, migrations=(replace(a_migration([slow]), id="001_x"),))
        for index in range(3)
    )
    data = Dataset(
        1, scale, "1", 1.0, from_template=False, tables=(TableSize("public.deals", round(1e5 * scale), 8192),)
    )
    run = replace(a_run(), dataset=data, passes=(Pass("solo", None, repeats),))
    return replace(run, suite=replace(run.suite, budgets=budgets))


def test_the_probes_output_is_read_through_what_psql_prints_around_it() -> None:
    production = probed()
    assert production.tables["public.deals"].rows == 1_000_000
    assert production.limits == {
        "work_mem of a sort": 2 * 1024**2,
        "work_mem of a hash": 2 * 1024**2,
        "shared_buffers": 8 * 1024**3,
    }


@pytest.mark.parametrize("text", ["", "psql: error", "{}", json.dumps(PROBED | {"probe": 2})])
def test_what_is_not_the_probes_output_is_refused_with_how_to_get_it(text: str) -> None:
    with pytest.raises(UsageError, match=r"probe\.json"):
        read_production(text, "probe.json")


def test_productions_tables_that_grow_set_the_target_the_largest_first() -> None:
    assert rows_like("crm", probed()) == {"activities": 4_000_000, "deals": 1_000_000}
    with pytest.raises(UsageError, match="no rows in tables of crm"):
        rows_like("crm", probed(tables={"public.unheard_of": {"rows": 5, "bytes": 8192}}))


def test_a_machine_half_as_fast_takes_twice_as_long_and_the_interval_keeps_this_ones_times() -> None:
    runs = [at(scale) for scale in SCALES]
    here = Target(1.6, {"deals": 160_000})
    there = replace(here, production=probed(), calibration_s=0.005)
    plain, slower = (
        next(
            each
            for each in target.forecasts(all_series(runs))
            if (each.subject, each.quantity) == (WHOLE, "duration_s")
        )
        for target in (here, there)
    )
    assert there.ratio == 2.0
    assert slower.value == pytest.approx(2 * (plain.value or 0))
    assert (slower.low, slower.high) == pytest.approx((plain.low, 2 * (plain.high or 0)))
    assert replace(there, calibration_s=None).ratio == 1.0


@given(ratio=st.floats(0.05, 20), value=st.floats(0.1, 1e4))
def test_on_another_machine_the_value_stays_inside_its_interval(ratio: float, value: float) -> None:
    found = on_machine(Forecast("x", "duration_s", 1.0, value, value / 2, value * 2, "linear", 1.0), ratio)
    assert (found.low or 0) <= (found.value or 0) <= (found.high or 0)
    wal = Forecast("x", "wal_bytes", 1.0, value, value / 2, value * 2, "linear", 1.0)
    assert on_machine(wal, ratio) == wal


def test_less_memory_in_production_is_outgrown_earlier() -> None:
    points = tuple(
        Point(n, (n, n, n), {"pages": 1e4 * n}, memory={OF_A_SORT: Memory(1e6 * n, 64e6)})
        for n in (1.0, 2.0, 4.0)
    )
    assert not list(outgrown(points, 40.0))
    (found,) = outgrown(points, 40.0, {OF_A_SORT: 8e6})
    assert found.at == pytest.approx(2.0)
    roomy = predict(Series("x", DURATION, points), 40.0)
    tight = predict(Series("x", DURATION, points), 40.0, {OF_A_SORT: 8e6})
    assert (tight.high or math.inf) > (roomy.high or 0)


def test_a_budget_breaks_where_the_forecast_crosses_it() -> None:
    budgets = (
        Budget("deploy_s", 30.0, "bench.toml:2"),
        Budget("hold_s", 20.0, "bench.toml:3", relation="public.deals"),
        Budget("hold_s", 1.0, "bench.toml:4", relation="public.unheard_of"),
        Budget("deploy_s", 1.0, "bench.toml:5", hazard="backup"),
        Budget("deploy_s", 1e6, "bench.toml:6"),
        Budget("error_share", 0.1, "bench.toml:7"),
    )
    runs = [at(scale, budgets) for scale in SCALES]
    deploy, hold, never = first_breaks(budgets, all_series(runs), Target(1.6, {"deals": 160_000}))
    assert deploy.scale == pytest.approx(3.0, rel=0.05)
    assert (deploy.at or {})["deals"] == pytest.approx(300_000, rel=0.05)
    assert (deploy.earliest_scale or 9) < (deploy.scale or 0) < (deploy.latest_scale or 0)
    assert hold.scale == pytest.approx(2.0, rel=0.05)
    assert (never.place, never.scale) == ("bench.toml:6", None)
    assert never.known_to_scale == pytest.approx(30 * SCALES[-1])


def test_a_forecast_reads_the_same_on_the_terminal_the_page_and_in_markdown() -> None:
    runs = [at(scale, (Budget("deploy_s", 30.0, "bench.toml:2"),)) for scale in SCALES]
    target = Target(1.6, {"deals": 160_000}, probed(), calibration_s=0.005)
    document = forecast_document(runs, target)
    tables = tables_of(*forecast(document))
    assert [*tables][:3] == ["Forecast at 160 k deals", "Capacity", "Budgets"]
    assert all(len(row) == len(table.columns) for table in tables.values() for row in table.rows)
    section = markdown.render(forecast(document), 2)
    assert "2.00" in section.split("###")[0]
    assert "### Capacity" in section
    assert "1.6 M deals" in section
    assert forecast(None) == ()


def test_settings_hold_from_set_to_reset_and_local_ones_to_the_end_of_the_transaction() -> None:
    def said(text: str) -> dict[str, object]:
        return {"text": text, "kind": text.split()[0]}

    statements = [
        replace(a_statement(), **said(text))
        for text in (
            "SET work_mem = '8MB'",
            "SET LOCAL maintenance_work_mem TO '1GB'",
            "RESET work_mem",
            "COMMIT",
        )
    ]
    server = {"work_mem": "4MB", "maintenance_work_mem": "64MB"}
    after = [settings_after(server, statements[:count]) for count in range(5)]
    assert [each["work_mem"] for each in after] == ["4MB", "8MB", "8MB", "4MB", "4MB"]
    assert [each["maintenance_work_mem"] for each in after] == ["64MB", "64MB", "1GB", "1GB", "64MB"]


@pytest.mark.parametrize("seconds", [-0.0427, 0.0])
def test_real_suite_02_a_time_that_cannot_be_is_not_used(seconds: float) -> None:
    text = f'{{"probe": 1, "tables": {{}}, "calibration_s": {seconds}}}'
    assert read_production(text, "probe.json").calibration_s is None
