"""``bench forecast`` as a user runs it: names and numbers of its JSON, and what it refuses to begin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from command_line import bench

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


def test_a_forecast_answers_or_says_why_not_for_every_statement(tmp_path: Path) -> None:
    ran = bench(
        *("forecast", str(a_suite(tmp_path)), "--at", "deals=2k", "--scales", "0.00125,0.0025,0.005"),
        *("--repeats", "1", "--json", "-", "--quiet", "--out", "out"),
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    forecasts = json.loads(ran.stdout)["forecasts"]
    assert all(set(each) >= NAMES and each["at"] == {"deals": 2000} for each in forecasts)
    for each in forecasts:
        if each["refused"] is None:
            assert each["low"] <= each["value"] <= each["high"]
        else:
            assert each["value"] is None
            assert each["refused"]["reason"]
            assert each["refused"]["cure"]
    run = load(str(tmp_path / "out"))
    statements = {
        f"statement:{m.id}#{s.index}" for m in run.passes[0].repeats[0].migrations for s in m.statements
    }
    timed = {each["subject"] for each in forecasts if each["quantity"] == "duration_s"}
    assert statements < timed
    assert {"all", *(f"migration:{each.id}" for each in run.suite.migrations)} < timed
    assert run.forecast is not None
    assert run.forecast["forecasts"] == forecasts
    assert "Capacity" in ran.stderr


def test_what_cannot_be_forecast_is_said_before_any_work(tmp_path: Path) -> None:
    for arguments, said in (
        (("--at", "dealz=2k"), "no table 'dealz'"),
        (("--at", "deal_stages=6"), "sets no scale"),
        (("--at", "deals=2k", "--scales", "0.1,0.2"), "fewer than 3 scales"),
        ((), "--at"),
    ):
        ran = bench("forecast", str(CRM), *arguments, cwd=tmp_path)
        assert ran.returncode == 2
        assert said in ran.stderr
