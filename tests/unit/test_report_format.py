"""Numbers as text: true within the rounding, in order, in one unit, and never a made-up zero."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analyse.stats import Spread
from bench.report.format import (
    UNKNOWN,
    bounds_seconds,
    count,
    ratio,
    seconds,
    seconds_column,
    shortened,
    size,
    size_column,
    spread_seconds,
    spread_size,
)

UNITS = {
    "ms": 1e-3, "s": 1.0, "min": 60.0, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9,
    "B": 1.0, "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3, "TiB": 1024.0**4, "×": 1.0,
}  # fmt: skip

times = st.floats(0, 1e6)
sizes = st.floats(0, 1e15)


def read(text: str, unit: str = "") -> float:
    """The number back in its base unit; ``< x`` reads as the middle of 0 and x."""
    found = re.fullmatch(r"(< )?(-?[\d,]+(?:\.\d+)?) ?([a-zA-Z×]*)", text)
    assert found, text
    value = float(found[2].replace(",", "")) * UNITS[found[3] or unit]
    return value / 2 if found[1] else value


@given(times)
def test_time_reads_back_within_half_a_percent(value: float) -> None:
    assert read(seconds(value)) == pytest.approx(value, rel=0.0051, abs=0.00000051)


@given(st.integers(0, 10**13))
def test_count_reads_back_within_half_a_percent(value: int) -> None:
    assert read(count(value)) == pytest.approx(value, rel=0.0051)


@given(sizes)
def test_size_reads_back_within_half_a_percent_or_half_a_byte(value: float) -> None:
    assert read(size(value)) == pytest.approx(value, rel=0.0051, abs=0.51)


@pytest.mark.parametrize("write", [seconds, size, count])
@given(one=times, other=times)
def test_a_larger_number_never_reads_smaller(write: Callable[[float], str], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert read(write(low)) <= read(write(high))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ms"), (1e-9, "< 0.001 ms"), (4e-7, "< 0.001 ms"), (6e-7, "0.001 ms"), (0.0004, "0.400 ms"),
        (0.031, "31.0 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (1, "1.00 s"), (18.44, "18.4 s"),
        (119.4, "119 s"), (119.6, "1.99 min"), (120, "2.00 min"), (7200, "120 min"), (None, UNKNOWN),
    ],
)  # fmt: skip
def test_time_in_milliseconds_seconds_and_minutes(value: float | None, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (8412, "8,412"), (9999, "9,999"), (10_000, "10 k"), (125_000, "125 k"), (999_999, "1 M"),
     (40_000_000, "40 M"), (1_250_000_000, "1.25 G"), (None, UNKNOWN)],
)  # fmt: skip
def test_count_in_full_and_with_si_prefixes(value: int | None, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1 KiB"), (41_000, "40 KiB"), (1_048_575, "1 MiB"),
     (1.2 * 1024**3, "1.2 GiB"), (-3 * 1024**2, "-3 MiB"), (None, UNKNOWN)],
)  # fmt: skip
def test_size_with_iec_prefixes(value: float | None, text: str) -> None:
    assert size(value) == text


def test_spread_has_n_and_the_extremes_in_the_unit_of_the_median() -> None:
    assert spread_seconds(Spread((18.4, 17.93, 19.02))) == "18.4 s (n=3, 17.9–19.0)"
    assert spread_seconds(Spread((0.9, 1.1, 1.2))) == "1.10 s (n=3, 0.90–1.20)"
    assert spread_seconds(Spread((2.0,))) == "2.00 s (n=1)"
    assert spread_seconds(None) == UNKNOWN
    assert spread_seconds(Spread((0.0, 0.0))) == "0 ms (n=2, 0.000–0.000)"


def test_sizes_show_their_extremes_only_where_they_differ() -> None:
    assert spread_size(Spread((1024.0, 1024.0))) == "1 KiB"
    assert spread_size(Spread((1024.0, 3072.0, 2048.0))) == "2 KiB (1 KiB–3 KiB)"
    assert spread_size(None) == UNKNOWN


@given(st.lists(st.none() | times, max_size=8))
def test_a_column_has_one_unit_in_which_every_value_is_true_and_unknown_stays_unknown(
    values: list[float | None],
) -> None:
    unit, texts = seconds_column(values)
    assert len(texts) == len(values)
    decimals = {len(text.partition(".")[2]) for text in texts if text != UNKNOWN}
    assert len(decimals) <= 1
    step = UNITS[unit] / 10 ** max(decimals, default=0)
    for value, text in zip(values, texts, strict=True):
        assert (text == UNKNOWN) == (value is None)
        if value is not None:
            assert read(text, unit) == pytest.approx(value, rel=0.0051, abs=step)


def test_a_column_shows_small_beside_large() -> None:
    assert seconds_column([6.42, 0.0031, 0.00005, None]) == ("s", ["6.420", "0.003", "< 0.001", UNKNOWN])
    assert seconds_column([]) == ("s", [])
    assert size_column([41 * 1024**2, 34, None, 0]) == ("MiB", ["41.0", "< 0.1", UNKNOWN, "0.0"])
    assert size_column([-41 * 1024**2, -34]) == ("MiB", ["-41.0", "> -0.1"])


@pytest.mark.parametrize(
    ("bounds", "text"),
    [((0.744, 0.754), "744–754 ms"), ((0.0, 0.01), "≤ 10.0 ms"), ((0.0, 0.0), "0 ms"), ((5.0, 5.0), "5.00 s"),
     (None, UNKNOWN)],
)  # fmt: skip
def test_bounds_are_one_range_in_one_unit(bounds: tuple[float, float] | None, text: str) -> None:
    assert bounds_seconds(bounds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1.1, "1.10×"), (26, "26.0×"), (0.0384, "0.038×"), (None, UNKNOWN)]
)
def test_ratio(value: float | None, text: str) -> None:
    assert ratio(value) == text


@given(st.text(), st.integers(2, 40))
def test_shortened_text_fits_on_one_line(text: str, width: int) -> None:
    line = shortened(text, width)
    assert len(line) <= width
    assert len(line.splitlines()) <= 1
    whole = " ".join(text.split())
    assert line == whole or (line.endswith("…") and whole.startswith(line[:-1]))
