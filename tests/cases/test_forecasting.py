"""Forecasts: of data of one's own, within reach or refused at once, in one line for each reason."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import bench
from documents import tables_of

from bench.analyse.forecast.deploy import forecast_deploy
from bench.analyse.forecast.document import forecast_document
from bench.analyse.forecast.production import Target
from bench.analyse.forecast.series import DURATION, Point, Series
from bench.cli.forecast import OwnData, own_target
from bench.errors import UsageError
from bench.migrate.suite import find_suite
from bench.model.forecast import WHOLE, ForecastDocument, ForecastFigure, Refusal, Subject
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.report.sections.forecast import forecast
from bench.run.progress import silent
from bench.run.scales import (
    ScaleOptions,
    calibrate_as_probe,
    measure_scales,
    require_budget,
    require_reach,
    sizes,
)
from bench.run.template.options import DataOptions

CASE = Path(__file__).parent / "inputs" / "real-suite" / "04-own-base-growth"
SIZES = (0.001, 0.002, 0.004)


@pytest.fixture(scope="module")
def installed() -> Iterator[Server]:
    """A server of the version that this machine has installed."""
    with open_server(ServerSpec("cluster", durable=False)) as opened:
        yield opened


def test_real_suite_02_the_probes_piece_of_work_takes_time(installed: Server, server: Server) -> None:
    """Its tries differ in a number, or PostgreSQL 14 and newer take all but the first from a cache."""
    for each in (installed, server):
        for _ in range(3):
            seconds = calibrate_as_probe(each)
            assert seconds is not None
            assert 0 < seconds < 10


@pytest.mark.parametrize("fill", [False, True])
def test_real_suite_04_forecast_of_data_of_ones_own(server: Server, tmp_path: Path, fill: bool) -> None:
    base = (CASE / "base.sql").read_text().replace("4000", ":names")
    (tmp_path / "base.sql").write_text(base.partition("INSERT")[0] if fill else base)
    suite = find_suite(str(CASE / "m"), base=tmp_path / "base.sql")
    at = {"names": 1000}
    data = own_target(suite, at, OwnData(fill=fill))
    options = ScaleOptions(data, scales=SIZES, repeats=1)
    nothing: dict[str, Any] = {"run_id": "t", "save": lambda _: None, "progress": silent}
    *_, runs = measure_scales(server, suite, options, **nothing)
    assert [run.dataset.tables[0].rows for run in runs if run.dataset is not None] == [100, 200, 400]
    document = forecast_document(runs, Target(data.scale, at))
    assert document.scales == SIZES
    points = next(series.points for series in document.measured if series.about.kind == "statement")
    assert [point.scale for point in points] == list(SIZES)
    assert document.names["statement:001_twins#0"].startswith("001_twins.sql:1 DO $$")


def test_real_suite_04_what_an_own_base_needs_for_a_forecast(tmp_path: Path) -> None:
    shutil.copytree(CASE, tmp_path, dirs_exist_ok=True)
    done = bench("forecast", "m", "--base", "base.sql", "--at", "names=1k", cwd=tmp_path)
    assert done.returncode == 2
    assert "--fill" in done.stderr
    assert ":names" in done.stderr


def test_newcomer_06_scales_out_of_reach_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = bench("forecast", "crm", "--at", "deals=10M", "--scales", "0.01,0.02,0.04", cwd=Path.cwd())
    assert done.returncode == 2
    assert "2,500 times the largest size" in done.stderr
    assert "--scales 0.21,0.42,0.83,1.7,3.3" in done.stderr
    require_reach(ScaleOptions(DataOptions(scale=100), scales=(0.21, 3.4)))


def test_newcomer_06_a_budget_that_cannot_reach_the_target_ends_after_two_sizes() -> None:
    options = ScaleOptions(DataOptions(scale=100.0), budget_s=90.0)
    with pytest.raises(UsageError) as error:
        require_budget(options, [(0.024, 2.0), (0.049, 3.0)], 20.0)
    assert "at least 1/30 of it to tell, scale 3.3" in error.value.message
    assert "--within" in str(error.value.hint)
    require_budget(replace(options, budget_s=36000.0), [(0.024, 2.0), (0.049, 3.0)], 9000.0)
    require_budget(options, [(0.024, 2.0)], 20.0)
    assert len(list(sizes(ScaleOptions(DataOptions(scale=1.0), budget_s=1e6), silent))) > 1


def series(name: str, at_1: float, exponent: float) -> Series:
    """What grows so, counted by rows that say so."""
    points = []
    for size in (1.0, 2.0, 4.0, 8.0, 16.0):
        seconds = at_1 * size**exponent
        points.append(Point(size, (seconds,) * 3, {"pages": 1e5 * seconds}))
    return Series(Subject.read(f"statement:{name}"), DURATION, tuple(points))


def wild(name: str, seconds: float) -> Series:
    """What no class of growth explains."""
    pages = (10.0, 1e5, 20.0, 3e5, 15.0)
    times = (0.2, 1.0, 0.1, 2.0, 1.0)
    points = [Point(2.0**i, (times[i] * seconds,) * 3, {"pages": count}) for i, count in enumerate(pages)]
    return Series(Subject.read(f"statement:{name}"), DURATION, tuple(points))


def whole(*parts: Series) -> Any:
    return next(each for each in forecast_deploy(parts, 32.0) if each.subject == WHOLE)


def test_newcomer_06_a_small_statement_without_a_forecast_refuses_no_deploy() -> None:
    large = series("001_a#0", 1.0, 1.0)
    assert whole(large).refused is None
    small = wild("002_b#0", 0.03)
    alone = next(each for each in forecast_deploy((large, small), 32.0) if each.subject == small.subject)
    assert alone.refused is not None
    together = whole(large, small)
    assert together.refused is None
    assert together.bounded == (small.subject,)
    assert together.high > whole(large).high
    assert whole(large, wild("002_b#0", 16.0)).refused is not None


def test_newcomer_06_one_line_for_each_reason() -> None:
    refused = Refusal("the target is 256 times the largest size, more than 30", "raise --within")
    figure = ForecastFigure("all", "duration_s", {"deals": 10}, None, None, None, None, None, refused)
    statements = [Subject("statement", "001_a", n).key for n in range(348)]
    document = ForecastDocument(
        at={"deals": 10},
        scale=1.0,
        scales=(1.0,),
        forecasts=(
            *(replace(figure, subject=key) for key in statements),
            replace(figure, refused=replace(refused, blamed=statements[7])),
        ),
        names={key: f"001_a.sql:{n + 1} UPDATE t" for n, key in enumerate(statements)},
    )
    table = tables_of(*forecast(document))["Without a forecast"]
    assert table.rows == (
        (
            "the deploy; 001_a.sql:348 UPDATE t; 001_a.sql:347 UPDATE t; and 346 more",
            refused.reason,
            refused.cure,
        ),
    )
