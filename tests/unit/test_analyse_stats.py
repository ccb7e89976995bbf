"""A spread says what the repeats measured, no more."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analyse.stats import Spread

numbers = st.floats(-1e12, 1e12)


@given(st.lists(numbers, min_size=1, max_size=30))
def test_order_of_the_repeats_changes_nothing_but_the_order(values: list[float]) -> None:
    shuffled = sorted(values)
    one, other = Spread(tuple(values)), Spread(tuple(shuffled))
    assert (one.n, one.median, one.low, one.high) == (other.n, other.median, other.low, other.high)
    assert one.values == tuple(values)


@given(st.lists(numbers, min_size=1, max_size=30))
def test_median_lies_between_the_extremes_and_halves_the_values(values: list[float]) -> None:
    spread = Spread(tuple(values))
    assert spread.low <= spread.median <= spread.high
    assert sum(value < spread.median for value in values) <= spread.n / 2
    assert sum(value > spread.median for value in values) <= spread.n / 2


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1), st.sampled_from([2.0, 0.5, 1024.0]))
def test_a_change_of_unit_changes_the_figures_alike(values: list[int], factor: float) -> None:
    one, scaled = Spread(tuple(values)), Spread(tuple(value * factor for value in values))
    assert scaled.median == one.median * factor
    assert (scaled.low, scaled.high) == (one.low * factor, one.high * factor)


def test_unknown_values_are_left_out_and_counted_out() -> None:
    spread = Spread.of([None, 3.0, None, 1.0])
    assert spread is not None
    assert (spread.n, spread.values) == (2, (3.0, 1.0))


def test_nothing_known_is_no_spread() -> None:
    assert Spread.of([]) is None
    assert Spread.of([None, None]) is None


def test_zero_is_a_value() -> None:
    assert Spread.of([0.0, None]) == Spread((0.0,))


def test_equal_only_where_all_repeats_agree() -> None:
    assert Spread((5, 5, 5)).equal
    assert not Spread((5, 5, 6)).equal


@pytest.mark.parametrize("values", [(), (math.nan,), (1.0, math.inf)])
def test_no_spread_of_nothing_or_of_what_is_no_number(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"at least one value|not a finite number"):
        Spread(values)
