"""Runs side by side: one clock, one scale, and what they do not have in common is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from factories import a_class, a_workload, empty_run, hazard_run, loaded_run, rich_run

from bench.cli import main
from bench.model.run import Run
from bench.report.sidebyside import of_row, pass_words, row_name, side_by_side
from bench.store.codec import encode


def named(run: Run, suite: str) -> Run:
    return replace(run, suite=replace(run.suite, name=suite), run_id=f"20260102T030405Z-{suite}-1a2b3c")


def a_calm_run() -> Run:
    calm = a_class(worst_blocked_s=0.0, blocked_s=0.0, blocked=(), blocked_by=(), errors=())
    slow = replace(a_workload(calm, wait_count=0), offered_per_s=40.0)
    return named(loaded_run(slow), "calm")


def test_runs_share_their_axes_and_keep_their_order() -> None:
    found = side_by_side([a_calm_run(), named(hazard_run(), "stalled"), named(rich_run(), "idle")])
    assert [side.name for side in found.sides] == ["calm", "stalled", "idle"]
    assert (found.low_s, found.high_s) == (-3.0, 7.0)
    assert found.rows == ((None, False), ("long-reader", False), ("long-reader", True))
    calm, stalled, idle = found.sides
    assert {column.begin_s for column in calm.columns} == {column.begin_s for column in stalled.columns}
    assert stalled.blocked == ((0.0, pytest.approx(1.2)),)
    assert calm.blocked == ()
    assert idle.columns == ()
    assert idle.facts[-1] == "no loaded pass"
    assert found.differ == ("rate (40/s, 80/s, none)",)


def test_a_pass_is_told_in_a_few_words() -> None:
    calm, stalled = side_by_side([a_calm_run(), named(hazard_run(), "stalled")]).sides
    assert pass_words(of_row(calm, (None, False))) == "no wait seen"
    assert pass_words(of_row(stalled, (None, False))) == "1.20 s (1.20 s)"
    assert pass_words(of_row(stalled, ("long-reader", True))) == "2.00 s (2.00 s), 15 tries"
    assert pass_words(of_row(calm, ("long-reader", True))) == "not measured"
    assert row_name((None, True)) == "nothing in its way, with retries"


def test_two_runs_of_one_suite_are_told_apart_by_their_ids() -> None:
    first = named(hazard_run(), "crm")
    second = replace(first, run_id="20260102T030405Z-crm-ffffff")
    assert [side.name for side in side_by_side([first, second]).sides] == [first.run_id, second.run_id]


def with_hazard(run: Run, hazard: str) -> Run:
    passes = tuple(replace(each, hazard=hazard) if each.hazard else each for each in run.passes)
    return replace(run, passes=passes, run_id=f"{run.run_id}-{hazard}")


def test_parts_of_one_measurement_that_met_different_hazards_are_one_side() -> None:
    first = hazard_run()
    second = with_hazard(first, "backup")
    (side,) = side_by_side([first, second]).sides
    assert side.quiet is not None
    assert side.quiet.n == 2
    assert [(each.hazard, each.retried, each.n) for each in side.passes] == [
        (None, False, 2), ("long-reader", False, 1), ("long-reader", True, 1),
        ("backup", False, 1), ("backup", True, 1),
    ]  # fmt: skip


def test_runs_that_can_be_compared_stay_apart() -> None:
    first = hazard_run()
    file = replace(first.suite.migrations[0], sha256="cd" * 32)
    changed = replace(first, suite=replace(first.suite, migrations=(file,)))
    assert first.dataset is not None
    larger = replace(first, dataset=replace(first.dataset, scale=10.0))
    for other in (first, with_hazard(changed, "backup"), with_hazard(larger, "backup")):
        assert len(side_by_side([first, other]).sides) == 2
    assert len(side_by_side([loaded_run(), loaded_run()]).sides) == 2


def test_the_command_writes_the_picture_and_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for run in (a_calm_run(), named(hazard_run(), "stalled"), empty_run()):
        path = tmp_path / run.suite.name / "run.json"
        path.parent.mkdir()
        path.write_bytes(encode(run))
        paths.append(str(path))
    target = tmp_path / "out"
    arguments = ["report", *paths, "--side-by-side", "--out", str(target), "--json", str(tmp_path / "x.json")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "2.00 s (2.00 s), 15 tries" in " ".join(printed.split())
    assert str(target / "side-by-side.png") in printed
    assert (target / "side-by-side.png").read_bytes().startswith(b"\x89PNG")
    assert b"stalled" in (target / "side-by-side.svg").read_bytes()
    document = json.loads((tmp_path / "x.json").read_text())
    assert [each["name"] for each in document["runs"]] == ["calm", "stalled", "crm"]
    retried = document["runs"][1]["passes"][2]
    assert (retried["worst_blocked_s"], retried["timeouts"], retried["applied"]) == (2.0, 14, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a", "b"], "--side-by-side"),
        (["a", "--side-by-side"], "two runs or more"),
        (["a", "b", "--side-by-side", "--json", "/nowhere/x.json"], "cannot be written"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *arguments]) == 2
    assert said in capsys.readouterr().err
