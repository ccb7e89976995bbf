"""Numbers as text, in one unit and with three significant digits. What is not known is ``–``.

Times: ms below 1 s, s below 2 min, min from there. Counts: in full below 10,000, then k, M, G.
Sizes: B, KiB, MiB, GiB, TiB. Nothing else in the program writes a measured number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.stats import Spread

UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's symbol and its size in the base unit."""

    symbol: str
    size: float
    below: float
    """Values that round to this many base units or more take the next unit."""


_TIME = (Unit("ms", 1e-3, 1.0), Unit("s", 1.0, 120.0), Unit("min", 60.0, float("inf")))
_COLUMN_DECIMALS = {"ms": 1, "s": 3, "min": 2}
_COUNT = (
    Unit("", 1.0, 1e4),
    Unit("k", 1e3, 1e6),
    Unit("M", 1e6, 1e9),
    Unit("G", 1e9, float("inf")),
)
_SIZE = (
    Unit("B", 1.0, 1024.0),
    Unit("KiB", 1024.0, 1024.0**2),
    Unit("MiB", 1024.0**2, 1024.0**3),
    Unit("GiB", 1024.0**3, 1024.0**4),
    Unit("TiB", 1024.0**4, float("inf")),
)


def seconds(value_s: float | None) -> str:
    """A time: ``31.0 ms``, ``18.4 s``, ``2.50 min``; above 0 but below 1 µs ``< 0.001 ms``."""
    if value_s is None:
        return UNKNOWN
    if value_s == 0:
        return "0 ms"
    unit = _unit(value_s, _TIME)
    return f"{_fixed(value_s / unit.size, _decimals(value_s / unit.size))} {unit.symbol}"


def count(value: float | None) -> str:
    """A number of things: ``8,412``, ``125 k``, ``40 M``."""
    return _short(value, _COUNT)


def other_requests(kinds: int) -> str:
    """How many kinds of requests are meant beside one that is named: ``1 other kind of requests``."""
    return f"{count(kinds)} other kind{'' if kinds == 1 else 's'} of requests"


def size(value_bytes: float | None) -> str:
    """Bytes: ``512 B``, ``41 KiB``, ``1.21 GiB``."""
    return _short(value_bytes, _SIZE)


def spread_seconds(spread: Spread | None) -> str:
    """The median with n and the extremes, in the median's unit: ``18.4 s (n=3, 17.9–19.0)``."""
    if spread is None:
        return UNKNOWN
    if spread.n == 1:
        return f"{seconds(spread.median)} (n=1)"
    unit = _unit(spread.median, _TIME)
    decimals = _decimals(spread.median / unit.size)
    low, high = (_fixed(value / unit.size, decimals) for value in (spread.low, spread.high))
    return f"{seconds(spread.median)} (n={spread.n}, {low}–{high})"


def bounds_seconds(bounds: tuple[float, float] | None) -> str:
    """What a hold lies between, in the upper bound's unit: ``744–754 ms``; ``≤ 10.0 ms`` from 0 on."""
    if bounds is None:
        return UNKNOWN
    low, high = bounds
    if low <= 0 < high:
        return f"≤ {seconds(high)}"
    unit = _unit(high, _TIME)
    text = _fixed(low / unit.size, _decimals(high / unit.size))
    return seconds(high) if low == 0 or seconds(high).startswith(f"{text} ") else f"{text}–{seconds(high)}"


def seconds_column(values_s: Sequence[float | None]) -> tuple[str, list[str]]:
    """One unit for all, and each value in it: that of the largest, with as many decimals as it bears.

    A value above 0 that the decimals cannot show is ``< 0.1`` and the like. The unit is ``s`` where
    no value is known.
    """
    largest = max((value for value in values_s if value is not None), default=None)
    if largest is None:
        return "s", [UNKNOWN] * len(values_s)
    unit = _unit(largest, _TIME)
    decimals = max(_decimals(largest / unit.size), _COLUMN_DECIMALS[unit.symbol])
    return unit.symbol, [
        UNKNOWN if value is None else _fixed(value / unit.size, decimals) for value in values_s
    ]


def size_column(values_bytes: Sequence[float | None]) -> tuple[str, list[str]]:
    """One unit for all sizes, that of the largest amount, and each value in it with one decimal."""
    largest = max((abs(value) for value in values_bytes if value is not None), default=0.0)
    unit = _unit(largest, _SIZE)
    decimals = 0 if unit.symbol == "B" else 1
    return unit.symbol, [
        UNKNOWN if value is None else _fixed(value / unit.size, decimals) for value in values_bytes
    ]


def ratio(value: float | None) -> str:
    """A quotient: ``1.10×``, ``26.0×``."""
    return UNKNOWN if value is None else f"{_fixed(value, _decimals(value))}×"


def _unit(value: float, units: Sequence[Unit]) -> Unit:
    """The first unit in which the value, rounded, stays below the next one's range."""
    for unit in units:
        scaled = abs(value) / unit.size
        if round(scaled, _decimals(scaled)) * unit.size < unit.below:
            return unit
    return units[-1]


def _decimals(value: float) -> int:
    """Decimals that leave three significant digits, and at most three of them."""
    magnitude = abs(value)
    for decimals, bound in ((3, 1), (2, 10), (1, 100)):
        if round(magnitude, decimals) < bound:
            return decimals
    return 0


def _fixed(value: float, decimals: int) -> str:
    smallest = 10.0**-decimals
    if value != 0 and round(value, decimals) == 0:
        sign = "> -" if value < 0 else "< "
        return f"{sign}{smallest:.{decimals}f}"
    return f"{value:,.{decimals}f}"


def _short(value: float | None, units: Sequence[Unit]) -> str:
    if value is None:
        return UNKNOWN
    unit = _unit(value, units)
    scaled = value / unit.size
    text = _fixed(scaled, 0 if unit.size == 1.0 else _decimals(scaled))
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} {unit.symbol}".rstrip()
