"""Hazards, retries and budgets through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import bench

QUICK = ("--server", "embedded", "--repeats", "1", "--no-explain", "--no-probe", "--rate", "50")
BASE = """\
CREATE TABLE orders (id int PRIMARY KEY, note text);
INSERT INTO orders SELECT n, 'x' FROM generate_series(1, 5000) AS n;
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A directory in which ``bench run shop`` has a suite."""
    suite = tmp_path / "shop"
    suite.mkdir()
    (suite / "base.sql").write_text(BASE)
    (suite / "001_state.sql").write_text("ALTER TABLE orders ADD COLUMN state text;\n")
    return tmp_path


def run_file(done_in: Path) -> Any:
    return json.loads((done_in / "out" / "run.json").read_text())


def test_behind_a_reader_the_deploy_waits_and_with_retries_it_gives_way(shop: Path) -> None:
    (shop / "shop" / "bench.toml").write_text("[budget.hazard]\nlongest_blocked_read_s = 0.0001\n")
    done = bench(
        "run", "shop", *QUICK, "--hazard", "long-reader", "--hazard-length", "1", "--lock-timeout", "200ms",
        "--retries", "9", "--out", "out", cwd=shop,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "2 passes under traffic to come" in done.stderr
    assert "retries left" in done.stderr
    assert "over its budget of" in " ".join(done.stdout.split())
    run = run_file(shop)
    loaded = [each for each in run["passes"] if each["kind"] == "loaded"]
    kinds = [(each["hazard"], each["lock_timeout_s"], each["retries"]) for each in loaded]
    assert kinds == [(None, None, None), ("long-reader", None, None), ("long-reader", 0.2, 9)]
    quiet, waiting, tried = (each["repeats"][0] for each in loaded)
    assert quiet["hazard"] is None
    assert waiting["hazard"]["name"] == "long-reader"
    assert waiting["tries"] == []
    outcomes = [each["outcome"] for each in tried["tries"]]
    assert len(outcomes) > 1
    assert outcomes == ["lock_timeout"] * (len(outcomes) - 1) + ["applied"]
    assert all(each["workload"]["offered_per_s"] == 50.0 for each in (quiet, waiting, tried))
    (check,) = run["budgets"]
    assert (check["hazard"], check["lock_timeout_s"], check["broken"]) == ("long-reader", 0.2, True)
    assert run["verdict"]["status"] == "not_ready"


def test_an_unusable_budget_is_refused_before_anything_runs(shop: Path) -> None:
    (shop / "bench.toml").write_text("[budget]\nlongest_blocked_reads_s = 1\n")
    done = bench("run", "shop", *QUICK, cwd=shop)
    assert done.returncode == 2
    assert 'bench.toml:2: unknown key "longest_blocked_reads_s"' in done.stderr
    assert 'did you mean "longest_blocked_read_s"?' in done.stderr
    assert not (shop / "results").exists()
