"""Streams are functions of the row alone: no state, no floats, whole ranges."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.engine.calendar import NOW, later, moments
from datagen.engine.streams import (
    below,
    chance,
    chance_of_rows,
    hash_rows,
    long_tailed,
    permute,
    pick,
    stream_key,
    zipf_ranks,
)

UNHURRIED = settings(deadline=None)
"""The first call of a loop compiles it."""
keys = st.integers(0, 2**64 - 1).map(np.uint64)
rows = st.lists(st.integers(0, 2**40), min_size=1, max_size=50).map(lambda r: np.array(r, dtype=np.uint64))


def hashes(count: int, column: str = "c") -> np.ndarray:
    return hash_rows(stream_key(1, "t", column), np.arange(count, dtype=np.uint64))


def test_hash_is_splitmix64() -> None:
    # First outputs of the reference generator for the seed 1234567 (its state advances before the first).
    found = hash_rows(np.uint64(1234567), np.arange(1, 4, dtype=np.uint64))
    assert found.tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@UNHURRIED
@given(keys, rows)
def test_value_of_a_row_does_not_depend_on_its_neighbours(key: np.uint64, numbers: np.ndarray) -> None:
    alone = [hash_rows(key, numbers[i : i + 1])[0] for i in range(len(numbers))]
    assert hash_rows(key, numbers).tolist() == alone


def test_every_address_has_its_own_key() -> None:
    names = {stream_key(seed, t, c) for seed in (1, 2) for t in ("a", "b") for c in ("x", "y")}
    assert len(names) == 8
    assert len(np.unique(hashes(100_000))) == 100_000


@UNHURRIED
@given(st.integers(1, 2**32))
def test_below_stays_below(bound: int) -> None:
    found = below(hashes(200), bound)
    assert found.min() >= 0
    assert found.max() < bound


@UNHURRIED
@given(keys, rows, st.floats(0, 1))
def test_a_chance_of_rows_is_that_of_their_hashes(key: np.uint64, numbers: np.ndarray, share: float) -> None:
    assert (chance_of_rows(key, numbers, share) == chance(hash_rows(key, numbers), share)).all()


def test_draws_are_even() -> None:
    counts = np.bincount(below(hashes(100_000), 10), minlength=10)
    assert abs(counts - 10_000).max() < 500
    assert abs(chance(hashes(100_000), 0.3).mean() - 0.3) < 0.01
    assert chance(hashes(1000), 0).sum() == 0
    assert chance(hashes(1000), 1).sum() == 1000


def test_pick_follows_the_weights() -> None:
    counts = np.bincount(pick(hashes(100_000), (1, 0, 3)), minlength=3)
    assert counts[1] == 0
    assert abs(counts[2] / counts[0] - 3) < 0.2


@UNHURRIED
@given(st.integers(1, 3000), keys)
def test_permutation_is_a_bijection(n: int, key: np.uint64) -> None:
    assert sorted(permute(np.arange(n), n, key).tolist()) == list(range(n))


def test_permutation_depends_on_its_key_and_mixes() -> None:
    first = permute(np.arange(1000), 1000, np.uint64(1))
    second = permute(np.arange(1000), 1000, np.uint64(2))
    assert (first != second).mean() > 0.9
    assert abs(np.corrcoef(np.arange(1000), first)[0, 1]) < 0.2


@pytest.mark.parametrize("exponent", [60, 100, 120])
@pytest.mark.parametrize("n", [1, 2, 999, 10**9])
def test_zipf_ranks_stay_in_range(n: int, exponent: int) -> None:
    found = zipf_ranks(hashes(50), n, exponent)
    assert found.min() >= 0
    assert found.max() < n


def test_zipf_prefers_low_ranks() -> None:
    counts = np.bincount(zipf_ranks(hashes(200_000), 1000, 100), minlength=1000)
    # Rank r gets 1 / (r + 1) of rank 0, up to the discretisation of the continuous law.
    assert counts[0] > 1.3 * counts[1] > 1.3 * counts[2]
    assert counts[:10].sum() > 5 * counts[500:510].sum()
    assert (counts > 0).mean() > 0.9


def test_long_tail_has_its_median_and_bounds() -> None:
    found = long_tailed(1000, 50, 10, 20_000).draw(hashes(100_000))
    assert abs(np.median(found) - 1000) < 30
    assert found.min() >= 10
    assert found.max() <= 20_000
    assert 0.08 < (found > 3000).mean() < 0.12
    assert (np.diff(long_tailed(1000, 50, 10, 20_000).knots) >= 0).all()


def test_moments_rise_with_the_row_and_avoid_weekends() -> None:
    found = moments(np.arange(50_000), 50_000, hashes(50_000))
    days = found // 86_400_000_000
    assert (np.diff(days) >= 0).all()
    assert found.max() < NOW
    weekday = (days + 5) % 7  # 2000-01-01 was a Saturday
    share = np.bincount(weekday, minlength=7) / len(days)
    assert share[5] + share[6] < 0.06
    origin = datetime(2000, 1, 1)  # noqa: DTZ001 - dates only
    years = [(origin + timedelta(days=int(day))).year for day in (days[0], days[-1])]
    assert years == [2020, 2025]


@UNHURRIED
@given(st.lists(st.integers(0, NOW + 10**15), min_size=1, max_size=20))
def test_later_is_after_and_never_in_the_future(moments_us: list[int]) -> None:
    since = np.array(moments_us, dtype=np.int64)
    found = later(since, hashes(len(since)))
    assert (found >= since).all()
    assert (found[since <= NOW] <= NOW).all()
    assert (found[since > NOW] == since[since > NOW]).all()
