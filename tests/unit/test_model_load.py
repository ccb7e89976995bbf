"""The heat of a class: counts by tenth of a second and bucket of latency, as text in the run file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.model.load import HEAT_LOWEST_S, bucket_of, bucket_start_s, decode_heat, encode_heat

cells = st.dictionaries(
    st.tuples(st.integers(0, 10_000), st.integers(0, 50)), st.integers(1, 10**6), max_size=30
)


@given(cells)
def test_counts_survive_and_come_out_in_order(counts: dict[tuple[int, int], int]) -> None:
    heat = [(slot, bucket, count) for (slot, bucket), count in counts.items()]
    assert decode_heat(encode_heat(heat)) == tuple(sorted(heat))


def test_the_text_is_as_the_run_file_describes_it() -> None:
    assert encode_heat([(4, 10, 7), (3, 11, 5), (3, 10, 2)]) == "3 10:2 11:5;4 10:7"
    assert decode_heat("") == ()


@given(st.floats(HEAT_LOWEST_S * 1.0001, 1e5))
def test_a_latency_lies_in_its_bucket(latency_s: float) -> None:
    bucket = bucket_of(latency_s)
    assert bucket_start_s(bucket) <= latency_s * (1 + 1e-9)
    assert latency_s <= bucket_start_s(bucket + 1) * (1 + 1e-9)


def test_what_is_faster_than_the_first_bucket_is_in_it() -> None:
    assert bucket_of(0.0) == bucket_of(HEAT_LOWEST_S / 3) == 0
