"""The table of ``bench harden``: one row for each figure, both versions beside each other."""

from __future__ import annotations

from factories import empty_run, hazard_run, loaded_run, rich_run

from bench.analyse.conclude import conclude
from bench.cli.proposal import figures


def test_a_pass_that_one_version_does_not_have_is_not_measured_there() -> None:
    rows = {
        name: (before, after) for name, before, after in figures(conclude(hazard_run()), conclude(rich_run()))
    }
    assert rows["Longest wait beside long-reader"][1] == "not measured"
    assert rows["Longest wait beside long-reader, with retries"][0] != "not measured"
    assert rows["Requests that waited"][1] == "not measured"


def test_without_traffic_there_are_no_rows_of_requests() -> None:
    names = [name for name, *_ in figures(conclude(rich_run()), conclude(empty_run()))]
    assert "Longest wait of writes" in names
    assert not [name for name in names if "equests" in name]


def test_what_nobody_waits_for_is_none_and_not_zero() -> None:
    rows = {
        name: (before, after)
        for name, before, after in figures(conclude(empty_run()), conclude(loaded_run()))
    }
    assert rows["Longest lock that stops writes"][0] == "none"
