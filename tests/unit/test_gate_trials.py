"""The gate on recorded repeats: what it finds, and that it does not cry wolf. No clock is read here."""

from __future__ import annotations

import random

import pytest
from gate_suite import REGRESSIONS
from gate_trials import ALL, gates, in_turn, joined, recorded, same, scores

from bench.analyse.compare.learn import count
from bench.model.record import Record

DRAWS = 100
FOUND_BY = {
    "an added index": ("E1", "added-work"),
    "a lost CONCURRENTLY": ("E0", "lock"),
    "a VALIDATE merged into the ADD": ("E1", "counter"),
    "a backfill of 10 % more rows": ("E0", "rows"),
    "a view that scans the table": ("E0", "plan"),
    "a stronger lock for 1 ms": ("E0", "lock"),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_is_found_beside_hogs_whichever_repeats_are_drawn(name: str) -> None:
    stem = name.replace(" ", "-").replace("%", "percent")
    base, head = recorded(f"{stem}.base"), recorded(stem)
    rng = random.Random(3)
    for _ in range(DRAWS):
        at = rng.sample(range(min(count(base), count(head))), ALL)
        accused = {
            (g.level, g.code) for g in gates(in_turn(base, head, at, at), "E0", "E1") if g.outcome == "fail"
        }
        assert FOUND_BY[name] in accused


@pytest.fixture(scope="module")
def alike() -> Record:
    """The suite without a regression, all its repeats beside hogs."""
    return joined([f"{name.replace(' ', '-').replace('%', 'percent')}.base" for name in REGRESSIONS])


def test_of_two_hundred_identical_suites_beside_hogs_two_at_most_fail_and_none_in_kind_or_counters(
    alike: Record,
) -> None:
    rng, failed = random.Random(4), 0
    for _ in range(2 * DRAWS):
        decided = in_turn(alike, alike, *same(alike, rng))
        assert not [each for each in gates(decided, "E0", "E1") if each.outcome == "fail"]
        failed += decided.outcome == "fail"
    assert failed <= 2


def test_others_alarm_more_or_find_less_beside_hogs(alike: Record) -> None:
    ours, *others = scores(alike, DRAWS).values()
    assert all(each.alarms > ours.alarms or each.found <= 1.1 * ours.found for each in others)
    assert ours.alarms <= 1


@pytest.mark.parametrize("name", ["crm", "crm-beside-hogs"])
def test_of_a_whole_suite_a_statement_half_as_slow_again_is_found_and_identical_ones_pass(name: str) -> None:
    (ours,) = scores(recorded(name), DRAWS, rules={}).values()
    assert ours.found >= 0.99 * DRAWS
    assert ours.alarms <= 0.01 * DRAWS


@pytest.mark.parametrize("name", ["crm", "crm-beside-hogs"])
def test_a_whole_suite_is_not_worse_than_itself(name: str) -> None:
    side, rng = recorded(name), random.Random(5)
    for _ in range(DRAWS // 4):
        decided = gates(in_turn(side, side, *same(side, rng)), "E0", "E1", "W")
        assert not [each for each in decided if each.outcome == "fail"]
