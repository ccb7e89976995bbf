"""The deploy's clock stands still in pauses and never runs backwards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.observe.clock import DeployClock


class Hand:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_pause_does_not_count() -> None:
    hand = Hand()
    clock = DeployClock(hand)
    hand.now += 2
    with clock.paused():
        hand.now += 50
    hand.now += 3
    assert clock.at(hand.now) == pytest.approx(5)
    assert clock.paused_s == pytest.approx(50)


def test_a_reading_within_a_pause_counts_as_its_start() -> None:
    hand = Hand()
    clock = DeployClock(hand)
    hand.now += 2
    with clock.paused():
        hand.now += 10
    assert clock.at(103) == pytest.approx(2)
    assert clock.at(111.5) == pytest.approx(2)
    assert clock.at(113) == pytest.approx(3)


def test_a_pause_ended_by_an_error_is_still_one() -> None:
    hand = Hand()
    clock = DeployClock(hand)

    def broken() -> None:
        with clock.paused():
            hand.now += 7
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised three lines above
        broken()
    assert clock.at(hand.now) == pytest.approx(0)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=20), st.data())
def test_deploy_time_is_monotone_and_never_faster_than_the_wall(
    steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    hand = Hand()
    clock = DeployClock(hand)
    for run, pause in steps:
        hand.now += run
        with clock.paused():
            hand.now += pause
    moments = sorted(data.draw(st.lists(st.floats(100, hand.now), min_size=2, max_size=10)))
    times = [clock.at(moment) for moment in moments]
    for earlier, later, begin, end in zip(times, times[1:], moments, moments[1:], strict=False):
        assert -1e-6 <= later - earlier <= end - begin + 1e-6
    assert clock.at(hand.now) == pytest.approx(sum(run for run, _ in steps))
