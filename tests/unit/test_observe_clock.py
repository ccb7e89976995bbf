"""The deploy's clock runs only while it is told to, and never backwards."""

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


def run(clock: DeployClock, hand: Hand, seconds: float) -> None:
    with clock.running():
        hand.now += seconds


def test_only_runs_count() -> None:
    hand = Hand()
    clock = DeployClock(hand)
    run(clock, hand, 2)
    hand.now += 50
    run(clock, hand, 3)
    assert clock.total_s == pytest.approx(5)
    assert clock.wall_s == pytest.approx(55)
    assert clock.last_span == (152, 155)


def test_between_two_runs_it_stands_still() -> None:
    hand = Hand()
    clock = DeployClock(hand)
    run(clock, hand, 2)
    hand.now += 10
    run(clock, hand, 3)
    assert [clock.at(wall) for wall in (99, 101, 102, 111.5, 113, 120)] == [0, 1, 2, 2, 3, 5]


def test_a_discarded_run_never_was() -> None:
    hand = Hand()
    clock = DeployClock(hand)
    run(clock, hand, 2)
    run(clock, hand, 30)
    clock.discard_last()
    run(clock, hand, 3)
    assert clock.total_s == pytest.approx(5)
    assert clock.at(133) == pytest.approx(3)


def test_a_run_ended_by_an_error_counts() -> None:
    hand = Hand()
    clock = DeployClock(hand)

    def broken() -> None:
        with clock.running():
            hand.now += 7
            raise LookupError

    with pytest.raises(LookupError):
        broken()
    assert clock.total_s == pytest.approx(7)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=20), st.data())
def test_deploy_time_is_monotone_and_never_faster_than_the_wall(
    steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    hand = Hand()
    clock = DeployClock(hand)
    for seconds, pause in steps:
        run(clock, hand, seconds)
        hand.now += pause
    moments = sorted(data.draw(st.lists(st.floats(100, hand.now), min_size=2, max_size=10)))
    times = [clock.at(moment) for moment in moments]
    for earlier, later, begin, end in zip(times, times[1:], moments, moments[1:], strict=False):
        assert -1e-6 <= later - earlier <= end - begin + 1e-6
    assert clock.at(hand.now) == pytest.approx(clock.total_s)
    assert clock.total_s == pytest.approx(sum(seconds for seconds, _ in steps))
