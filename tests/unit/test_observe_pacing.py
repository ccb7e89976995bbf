"""How often the sampler looks: finely after a change, coarsely later, and within its purse."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from bench.observe.sampler import (
    COARSE_PERIOD_S,
    FINE_PERIOD_S,
    LATE,
    LONGEST_FINE_S,
    LOOKS_PER_S,
    PURSE,
    Pace,
)


def looks(duration_s: float, change_every_s: float | None = None) -> list[float]:
    """Moments at which a sampler looks on a machine that is never late."""
    pace, now, changed = Pace(0.0), 0.0, 0.0
    moments = []
    while now < duration_s:
        moments.append(now)
        pace.looked(now)
        if change_every_s is not None and now - changed >= change_every_s:
            changed = now
            pace.changed(now)
        now += pace.period_s(now)
    return moments


def test_the_period_is_fine_after_a_change_and_backs_off() -> None:
    pace = Pace(0.0)
    assert pace.period_s(0.0) == FINE_PERIOD_S
    assert pace.period_s(0.04) == pytest.approx(0.01)
    assert pace.period_s(60.0) == COARSE_PERIOD_S
    pace.changed(60.0)
    assert pace.period_s(60.0) == FINE_PERIOD_S


@pytest.mark.parametrize("change_every_s", [None, 0.001, 0.01, 0.1, 1.0])
def test_no_more_looks_than_the_purse_pays_for(change_every_s: float | None) -> None:
    assert len(looks(60.0, change_every_s)) <= 60 * LOOKS_PER_S + PURSE + 1


def test_an_event_after_a_quiet_second_is_seen_finely() -> None:
    gaps = [later - earlier for earlier, later in pairwise(looks(3.9, change_every_s=2.0)) if earlier > 1.0]
    assert gaps[0] == pytest.approx(COARSE_PERIOD_S)
    assert sum(gap < 0.003 for gap in gaps) >= 3


@pytest.mark.parametrize("late_s", [0.001, 0.010, 0.030])
def test_few_gaps_are_late_whatever_the_machine(late_s: float) -> None:
    """Lateness is exponential: on a busy machine the finest period grows until few gaps are late."""
    randomness = random.Random(7)
    pace, late, count = Pace(0.0), 0, 20_000
    now = 0.0
    for _ in range(count):
        period_s = pace.period_s(now)
        gap_s = period_s + randomness.expovariate(1 / late_s) / 5
        late += gap_s > LATE * period_s
        now += gap_s
        pace.judge(gap_s, period_s)
        pace.changed(now)
    assert late / count <= 0.01


def periods_after(judge: Callable[[Pace], None], times: int) -> float:
    pace = Pace(0.0)
    for _ in range(times):
        judge(pace)
    return pace.period_s(0.0)


def test_the_finest_period_stays_within_its_bounds() -> None:
    assert periods_after(lambda pace: pace.judge(1.0, 0.002), 100) == LONGEST_FINE_S
    assert periods_after(lambda pace: pace.judge(0.002, 0.002), 100) == FINE_PERIOD_S
