"""Exponents from two sizes: counted work first, time where it is above the noise, else nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.model.plan import AtSize
from bench.run.solo.inside import growth


def sizes(
    time_s: tuple[float, float],
    work: tuple[float | None, float | None] = (None, None),
    rows: tuple[int, int] = (25_000, 100_000),
) -> tuple[AtSize, AtSize]:
    return AtSize(rows[0], time_s[0], 1, work[0]), AtSize(rows[1], time_s[1], 1, work[1])


@pytest.mark.parametrize(("factor", "power"), [(4, 1.0), (16, 2.0), (64, 3.0), (1, 0.0)])
def test_the_power_is_found(factor: int, power: float) -> None:
    assert growth(sizes((0.1, 0.1 * factor))) == (pytest.approx(power), "time")
    assert growth(sizes((0.0001, 0.0001), (50_000, 50_000 * factor))) == (pytest.approx(power), "work")


def test_work_counts_before_time() -> None:
    assert growth(sizes((0.1, 0.4), (10_000, 160_000))) == (pytest.approx(2.0), "work")


def test_little_work_and_short_times_say_nothing() -> None:
    assert growth(sizes((0.0019, 0.9))) == (None, None)
    assert growth(sizes((0.01, 0.049))) == (None, None)
    assert growth(sizes((0.0001, 0.01), (10, 160))) == (None, None)
    assert growth(sizes((0.1, 1.6), (10, 40))) == (pytest.approx(2.0), "time")


def test_plans_of_two_shapes_are_not_compared() -> None:
    small, full = sizes((0.1, 1.6), (10_000, 160_000))
    same = replace(small, shape="a"), replace(full, shape="a")
    assert growth(same) == (pytest.approx(2.0), "work")
    assert growth((small, replace(full, shape="a"))) == (pytest.approx(2.0), "work")
    assert growth((replace(small, shape="b"), replace(full, shape="a"))) == (None, None)


def test_sizes_that_hardly_differ_say_nothing() -> None:
    assert growth(sizes((0.1, 1.6), rows=(90_000, 100_000))) == (None, None)
    assert growth(sizes((0.1, 1.6), rows=(0, 100_000))) == (None, None)
    assert growth(()) == (None, None)
    assert growth(sizes((0.1, 1.6))[:1]) == (None, None)
