"""A suite's history: its lines, what can be compared, where it changed, and its picture."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from factories import rich_run

from bench.analyse.compare.record import record
from bench.analyse.trend import Entry, change_points, exact_steps, trend
from bench.cli import main
from bench.report.figures.trend import draw_trend
from bench.store.codec import encode
from bench.store.history import append, entry, read


def entries(*levels: float, noise: float = 0.05, seed: int = 2) -> list[Entry]:
    """A run for each level of the duration, with noise on top."""
    rng = random.Random(seed)
    first = entry(record(rich_run(3)))
    return [
        replace(first, run_id=f"run{at:02}", started_at=f"2026-01-01T00:{at:02}:00",
                durations_s=(level * rng.lognormvariate(0, noise),))
        for at, level in enumerate(levels)
    ]  # fmt: skip


def test_a_step_is_found_where_it_is_and_noise_is_none() -> None:
    found = trend("shop", entries(*[1.0] * 12, *[1.4] * 10))
    assert [(each.measure, each.run_id) for each in found.changes] == [("duration_s", "run12")]
    assert found.changes[0].ratio == pytest.approx(1.4, rel=0.05)
    alarms = sum(bool(trend("shop", entries(*[1.0] * 20, seed=seed)).changes) for seed in range(100))
    assert alarms <= 3


def test_two_steps_are_two_changes_and_few_runs_are_none() -> None:
    assert change_points([0.0] * 12 + [1.0] * 12 + [0.0] * 12) == [12, 24]
    assert change_points([0.0, 0.0, 1.0, 1.0]) == []


def test_a_counter_changes_at_once() -> None:
    assert exact_steps([1.0, 1.0, 1.005, 1.1, 1.1]) == [3]
    first, then = entries(1.0, 1.0, noise=0)
    changed = [replace(first, wal_bytes=1e6), replace(then, wal_bytes=2e6)]
    assert [each.measure for each in trend("shop", changed).changes] == ["wal_bytes"]


def test_other_data_or_machines_are_left_out_and_an_accepted_run_is_one() -> None:
    old, run, newest = entries(1.0, 1.0, 1.0)
    accepted = replace(run, because="right")
    found = trend("shop", [replace(old, key="other"), run, accepted, newest])
    assert [(each.run_id, each.because) for each in found.entries] == [("run01", "right"), ("run02", None)]
    assert found.others == 1


def test_lines_are_read_back_and_one_that_was_cut_off_costs_itself_alone(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    side = record(rich_run(3))
    append(side, file)
    append(replace(side, suite="other"), file)
    with file.open("ab") as lines:
        lines.write(b'{"suite": "cr')
    append(replace(side, run_id="second"), file)
    append(replace(side, run_id="third"), file)
    stored = read(side.suite, [file, tmp_path / "none"])
    assert [entry.run_id for entry in stored.entries] == [side.run_id, "second", "third"]
    (passed_over,) = stored.passed_over
    assert passed_over.startswith(f"{file}:3: ")


def test_the_command_lists_changes_and_draws_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = rich_run(3)
    assert main(["history", run.suite.name]) == 2
    (tmp_path / "results/runs/one").mkdir(parents=True)
    (tmp_path / "results/runs/one/run.json").write_bytes(encode(run))
    assert main(["baseline", "accept", "one", "--because", "measured twice"]) == 0
    assert main(["history", run.suite.name]) == 0
    assert "measured twice" in capsys.readouterr().out
    svg = (tmp_path / f"results/history/history-{run.suite.name}.svg").read_text()
    assert "Blocks touched" in svg


def test_the_picture_marks_a_change_with_its_ratio() -> None:
    found = trend("shop", entries(*[1.0] * 12, *[1.4] * 10, noise=0.01))
    assert "1.40×" in draw_trend(found).svg.decode()
