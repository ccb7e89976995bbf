"""The gate on recorded repeats: what it finds, and that it does not cry wolf. No clock is read here."""

from __future__ import annotations

import random

import pytest
from gate_suite import REGRESSIONS
from gate_trials import ALL, gates, in_turn, recorded

from bench.analyse.compare.draw import count

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


def test_the_small_suite_beside_hogs_is_not_worse_than_itself() -> None:
    base, head = recorded("nothing.base"), recorded("nothing")
    rng = random.Random(4)
    for _ in range(DRAWS):
        at = rng.sample(range(count(base)), ALL)
        decided = gates(in_turn(base, head, at, at), "E0", "E1", "W")
        assert not [each for each in decided if each.outcome == "fail"]
