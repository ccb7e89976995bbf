"""``bench forecast`` as a user runs it: names and numbers of its JSON, and what it refuses to begin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command_line import bench

from bench.pg.catalog import load_query
from bench.store.results import load

CRM = Path(__file__).parents[2] / "migrations" / "crm"
NAMES = {"subject", "quantity", "at", "value", "low", "high", "growth", "exponent", "refused"}


def a_suite(directory: Path) -> Path:
    """Two statements on the CRM's data: one that does not grow with them, one that does."""
    suite = directory / "small"
    suite.mkdir()
    shutil.copy(CRM / "base.sql", suite)
    (suite / "suite.toml").write_text('base = "base.sql"\ndata = "crm"\n', encoding="utf-8")
    (suite / "001_value.sql").write_text(
        "ALTER TABLE deals ADD COLUMN tripled numeric;\nUPDATE deals SET tripled = 3 * value;\n",
        encoding="utf-8",
    )
    return suite


Forecast = tuple[Path, dict[str, Any], str]
"""Directory, JSON, and what was printed."""


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> Forecast:
    """A forecast for what the probe said: its directory, its JSON, and what it printed."""
    directory = tmp_path_factory.mktemp("forecast")
    probed = {
        "probe": 1,
        "calibration_s": 60.0,
        "settings": {"work_mem": "4MB"},
        "tables": {"public.deals": {"rows": 2000, "bytes": 1}, "public.tasks": {"rows": 900, "bytes": 1}},
    }
    (directory / "probe.json").write_text(json.dumps(probed), encoding="utf-8")
    ran = bench(
        *("forecast", str(a_suite(directory)), "--like", "probe.json", "--scales", "0.00125,0.0025,0.005"),
        *("--repeats", "1", "--json", "-", "--quiet", "--out", "out"),
        cwd=directory,
    )
    assert ran.returncode == 0, ran.stderr
    return directory / "out", json.loads(ran.stdout), ran.stderr


def test_a_forecast_answers_or_says_why_not_for_every_statement(forecast: Forecast) -> None:
    out, document, printed = forecast
    forecasts = document["forecasts"]
    assert all(set(each) >= NAMES and each["at"] == {"deals": 2000, "tasks": 900} for each in forecasts)
    for each in forecasts:
        if each["refused"] is None:
            assert each["low"] <= each["value"] <= each["high"]
        else:
            assert each["value"] is None
            assert each["refused"]["reason"]
            assert each["refused"]["cure"]
    run = load(str(out))
    statements = {
        f"statement:{m.id}#{s.index}" for m in run.passes[0].repeats[0].migrations for s in m.statements
    }
    timed = {each["subject"] for each in forecasts if each["quantity"] == "duration_s"}
    assert statements < timed
    assert {"all", *(f"migration:{each.id}" for each in run.suite.migrations)} < timed
    assert run.forecast is not None
    assert json.loads(msgspec.json.encode(run.forecast))["forecasts"] == forecasts
    assert "Capacity" in printed


def test_times_are_set_against_productions_machine_and_the_report_says_so(forecast: Forecast) -> None:
    out, document, _ = forecast
    assert document["machine"]["ratio"] > 100
    for file in ("report.md", "report.html"):
        text = (out / file).read_text(encoding="utf-8")
        assert "At a larger size" in text
        assert "set against production" in text


def test_the_probe_is_printed(tmp_path: Path) -> None:
    printed = bench("forecast", "--production-sql", cwd=tmp_path)
    assert printed.returncode == 0
    assert printed.stdout == load_query("production", 180000)


def test_what_cannot_be_forecast_is_said_before_any_work(tmp_path: Path) -> None:
    for arguments, said in (
        (("--at", "dealz=2k"), "no table 'dealz'"),
        (("--at", "deal_stages=6"), "sets no scale"),
        (("--at", "deals=2k", "--scales", "0.1,0.2"), "fewer than 3 scales"),
        ((), "--at"),
        (("--like", "nowhere.json"), "nowhere.json"),
        (("--like", str(CRM / "base.sql")), "not what the probe script prints"),
    ):
        ran = bench("forecast", str(CRM), *arguments, cwd=tmp_path)
        assert ran.returncode == 2
        assert said in ran.stderr
