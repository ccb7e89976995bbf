"""Samples become intervals whose bounds always contain the truth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.observe.intervals import IntervalBuilder, LockRow, SeenInterval

SHARE = "ShareLock"
ROW = LockRow(1, SHARE, True, None)


def test_an_interval_lies_between_the_samples_around_it() -> None:
    builder = IntervalBuilder(0.0)
    builder.observe(1.0, 1.1, [])
    builder.observe(2.0, 2.1, [ROW])
    builder.observe(3.0, 3.1, [ROW])
    builder.observe(4.0, 4.1, [])
    (seen,) = builder.finish(9.0)
    assert (seen.not_before, seen.first, seen.last, seen.gone) == (1.0, (2.0, 2.1), (3.0, 3.1), (4.0, 4.1))
    assert seen.longest_s == pytest.approx(3.1)


def test_a_lock_seen_once_may_have_been_as_short_as_nothing() -> None:
    builder = IntervalBuilder(0.0)
    builder.observe(1.0, 1.1, [ROW])
    builder.observe(2.0, 2.1, [])
    (seen,) = builder.finish(9.0)
    assert seen.last[0] <= seen.first[1]
    assert seen.longest_s == pytest.approx(2.1)


def test_a_new_epoch_ends_the_interval_of_the_old_one() -> None:
    builder = IntervalBuilder(0.0)
    builder.observe(1.0, 1.1, [ROW], epoch=0)
    builder.observe(2.0, 2.1, [ROW], epoch=1)
    first, second = builder.finish(3.0)
    assert (first.epoch, second.epoch) == (0, 1)
    assert second.not_before == 1.0


def test_a_lock_seen_once_may_go_before_its_sample_is_answered() -> None:
    builder = IntervalBuilder(0.0)
    builder.observe(1.0, 1.9, [ROW])
    builder.observe(2.0, 2.1, [])
    (seen,) = builder.finish(9.0)
    assert seen.last == (1.0, 1.9)


@pytest.mark.parametrize(("by_transaction", "pieces"), [(True, 2), (False, 1)])
def test_a_new_transaction_ends_an_interval_where_it_is_told_to(by_transaction: bool, pieces: int) -> None:
    builder = IntervalBuilder(0.0)
    for moment, transaction in ((1.0, "3/7"), (2.0, "3/8")):
        row = LockRow(1, SHARE, True, None, transaction)
        builder.observe(moment, moment, [row], by_transaction=by_transaction)
    assert len(builder.finish(3.0)) == pieces


def test_a_transaction_that_ends_loses_its_number_before_its_locks() -> None:
    builder = IntervalBuilder(0.0)
    for moment, transaction in ((1.0, "3/7"), (2.0, "3/0"), (3.0, "3/8")):
        row = LockRow(1, SHARE, True, None, transaction)
        builder.observe(moment, moment, [row], by_transaction=True)
    assert [seen.last for seen in builder.finish(4.0)] == [(2.0, 2.0), (3.0, 3.0)]


def test_a_wait_began_when_every_sample_of_it_says_so() -> None:
    builder = IntervalBuilder(0.0)
    for sent, received, waiting_s in ((1.0, 1.2, None), (2.0, 2.2, 1.5), (3.0, 3.1, 2.5)):
        builder.observe(sent, received, [LockRow(1, SHARE, False, waiting_s)])
    (seen,) = builder.finish(4.0)
    assert not seen.granted
    assert seen.began == (pytest.approx(0.5), pytest.approx(0.6))


def test_two_waits_between_which_no_sample_fell_are_two() -> None:
    builder = IntervalBuilder(0.0)
    for sent, waiting_s in ((1.0, 0.4), (2.0, 0.1)):
        builder.observe(sent, sent + 0.01, [LockRow(1, SHARE, False, waiting_s)])
    assert [seen.began for seen in builder.finish(4.0)] == [
        (pytest.approx(0.6), pytest.approx(0.61)),
        (pytest.approx(1.9), pytest.approx(1.91)),
    ]


def test_changes_are_told() -> None:
    builder = IntervalBuilder(0.0)
    assert builder.observe(1.0, 1.0, [ROW])
    assert not builder.observe(2.0, 2.0, [ROW])
    assert builder.held == {(1, SHARE)}
    assert builder.observe(3.0, 3.0, [])
    assert builder.held == frozenset()


Truth = list[tuple[float, float]]


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    """Holds of one lock, in order and apart."""
    edges = draw(st.lists(st.integers(1, 500), min_size=2, max_size=12, unique=True))
    edges = sorted(edges)[: len(edges) // 2 * 2]
    return [(float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def sample(truth: Truth, moments: list[float], read: float) -> list[SeenInterval]:
    """What a sampler sees that looks in the middle of each read."""
    builder = IntervalBuilder(0.0)
    for moment in moments:
        looked = moment + read / 2
        held = any(begin <= looked < end for begin, end in truth)
        builder.observe(moment, moment + read, [ROW] if held else [])
    return list(builder.finish(moments[-1] + 1000))


@given(truths(), st.integers(2, 60), st.floats(0.01, 0.9))
def test_the_bounds_contain_the_hold(truth: Truth, period: int, read: float) -> None:
    moments = [float(moment) for moment in range(1, 520, period)]
    for seen in sample(truth, moments, read):
        covered = [hold for hold in truth if hold[0] < seen.gone[1] and hold[1] > seen.not_before]
        assert covered, "an interval without any hold"
        assert seen.not_before <= seen.first[1] <= seen.gone[1]
        if len(covered) == 1:
            begin, end = covered[0]
            assert seen.not_before <= begin <= seen.first[1]
            assert seen.last[0] <= end <= seen.gone[1]
            assert end - begin <= seen.longest_s + 1e-9


@given(truths(), st.integers(2, 20), st.integers(2, 5))
def test_finer_sampling_never_widens_the_bounds(truth: Truth, period: int, factor: int) -> None:
    """One hold alone, so that both samplers speak of the same one."""
    only = truth[:1]
    coarse = sample(only, [float(m) for m in range(0, 520, period * factor)], 0.01)
    fine = sample(only, [float(m) for m in range(0, 520, period)], 0.01)
    if coarse and fine:
        assert fine[0].longest_s <= coarse[0].longest_s + 1e-9
