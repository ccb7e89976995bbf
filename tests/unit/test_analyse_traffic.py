"""Findings of the loaded pass: who waited under traffic, and what broke."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import a_class, a_workload, loaded_run

from bench.analyse.findings import find_dangers
from bench.model.finding import Finding
from bench.model.load import BlockedBy, Cause, ClassLoad, RequestErrors
from bench.model.run import Run

GONE = RequestErrors("42703", 70, 0, 10, 60, "column deals.stage does not exist", 3.4)


def found(run: Run, *codes: str) -> list[Finding]:
    return [each for each in find_dangers(run) if each.code in codes]


def blocked(worst_s: float, access: str = "read", relation: str | None = "public.deals") -> ClassLoad:
    cause = Cause("001_first", 0, relation, "AccessExclusiveLock", True, "AccessShareLock")
    by = (BlockedBy(cause, 9, worst_s, worst_s),)
    return a_class(access=access, blocked_by=by, blocked_s=worst_s, worst_blocked_s=worst_s, errors=())


@pytest.mark.parametrize(
    ("worst_s", "severities"), [(0.05, []), (0.4, ["info"]), (1.2, ["warning"]), (14.0, ["error"])]
)
def test_a_wait_under_traffic_is_as_grave_as_it_is_long(worst_s: float, severities: list[str]) -> None:
    run = loaded_run(a_workload(blocked(worst_s)))
    waits = [each for each in found(run, "blocks-reads") if "under traffic" in each.message]
    assert [each.severity for each in waits] == severities
    for each in waits:
        assert (each.migration, each.statement, each.relation) == ("001_first", 0, "public.deals")
        assert each.evidence["worst_blocked_s"] == worst_s


def test_writers_of_changed_rows_are_told_apart() -> None:
    run = loaded_run(a_workload(blocked(2.0, "write", relation=None)))
    (wait,) = [each for each in found(run, "blocks-writes") if "under traffic" in each.message]
    assert "rows that it has changed" in wait.message
    assert wait.fix == "Change fewer rows in each transaction."


def test_a_class_that_fails_only_since_the_migrations_is_broken() -> None:
    run = loaded_run(a_workload(a_class(errors=(GONE,), sent_after=62)))
    (broken,) = found(run, "broken-query")
    assert broken.severity == "error"
    assert broken.migration == "001_first"
    assert "column deals.stage does not exist (42703)" in broken.message


@pytest.mark.parametrize(
    "error",
    [replace(GONE, before=3), replace(GONE, sqlstate="40P01")],
    ids=["before, too", "a deadlock"],
)
def test_other_failures_are_no_broken_query(error: RequestErrors) -> None:
    assert found(loaded_run(a_workload(a_class(errors=(error,), sent_after=62))), "broken-query") == []


def test_a_class_that_fails_for_a_while_is_a_condition() -> None:
    run = loaded_run(a_workload(a_class(errors=(replace(GONE, during=70, after=0),), sent_after=62)))
    (broken,) = found(run, "broken-query")
    assert broken.severity == "warning"
    assert "fails for a while" in broken.message
