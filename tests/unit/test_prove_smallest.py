"""Delta debugging leaves what is needed to fail, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bench.run.prove.shrink import smallest


@given(size=st.integers(1, 60), data=st.data())
def test_what_is_left_is_what_it_takes(size: int, data: st.DataObject) -> None:
    items = list(range(size))
    needed = data.draw(st.sets(st.sampled_from(items), max_size=4))
    assert smallest(items, lambda some: needed <= set(some)) == sorted(needed)


@given(st.integers(2, 60), st.integers(1, 5))
def test_of_several_causes_one_is_left(size: int, least: int) -> None:
    needed = min(least, size)
    found = smallest(list(range(size)), lambda some: len(some) >= needed)
    assert len(found) == needed


def test_it_stops_when_told_with_a_set_that_fails() -> None:
    tried = 0

    def fails(some: Sequence[int]) -> bool:
        nonlocal tried
        tried += 1
        return 3 in some

    found = smallest(list(range(100)), fails, lambda: tried < 4)
    assert tried == 4
    assert 3 in found
    assert len(found) < 100
