"""Distinct values by number, as the text that COPY takes: value k of a column is a function of k alone."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

ENDLESS = 2**62
EPOCH = datetime.datetime(2020, 1, 1)  # noqa: DTZ001 - printed without a zone, or with +00
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Values:
    """``capacity`` distinct values."""

    capacity: int
    at: Callable[[int], str]
    """The value of a number from 0 to ``capacity`` - 1."""
    scale: Scale | None = None
    """Where the values are ordered numbers behind their text."""
    spread: int = 0
    """How many of them to draw from where they need not be distinct; 0 for all."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Ordered values: ``low``, ``low + step`` … as whole numbers, and their text."""

    low: int
    high: int
    step: int
    text: Callable[[int], str]

    def values(self, spread: int = 0) -> Values:
        """The values from low to high."""
        capacity = max((self.high - self.low) // self.step + 1, 0)
        return Values(capacity, lambda k: self.text(self.low + k * self.step), self, spread)


def chosen(values: Sequence[str]) -> Values:
    """Exactly these."""
    return Values(len(values), lambda k: values[k])


def worded(pool: Sequence[str], longest: int | None, shortest: int = 0) -> Values:
    """Texts of a pool, then the same with a number; cut to ``longest`` characters, and never equal."""
    longest = ENDLESS if longest is None else longest
    if longest < 12:
        return _coded(longest)
    usable = list(dict.fromkeys(text[: longest - 12].rstrip().ljust(shortest, "x") for text in pool))

    def at(k: int) -> str:
        turn, position = divmod(k, len(usable))
        return usable[position] if turn == 0 else f"{usable[position]} {based(turn)}"

    return Values(min(ENDLESS, len(usable) * 36**10), at, spread=len(usable))


def addressed(pool: Sequence[str], longest: int | None) -> Values:
    """E-mail addresses."""
    if longest is not None and longest < 30:
        return worded(pool, longest)
    names = list(dict.fromkeys(text[:10] for text in pool))
    return Values(
        ENDLESS, lambda k: f"{names[k % len(names)]}.{based(k)}@example.com", spread=50 * len(names)
    )


def _coded(width: int) -> Values:
    """Codes of exactly so many characters."""
    return Values(36**width, lambda k: based(k).rjust(width, "0"))


def based(k: int) -> str:
    """A number in base 36."""
    text = ""
    while True:
        k, digit = divmod(k, 36)
        text = _DIGITS[digit] + text
        if k == 0:
            return text


def identifiers(key: int) -> Values:
    """UUIDs of version 4, scattered by ``key``."""

    def at(k: int) -> str:
        mixed = (k * 0x9E3779B97F4A7C15F39CC0605CEDC835 + key) % 2**128  # odd, so a bijection of 128 bits
        fixed = mixed & ~(0xF << 76) & ~(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
        return str(uuid.UUID(int=fixed & ~((1 << 40) - 1) | k & ((1 << 40) - 1)))

    return Values(2**40, at)


def whole(low: int, high: int, spread: int = 0) -> Values:
    """Whole numbers."""
    return Scale(low, high, 1, str).values(spread)


def decimals(low: Decimal, high: Decimal, digits: int, spread: int = 0) -> Values:
    """Numbers with so many digits after the point."""
    unit = Decimal(1).scaleb(-digits)

    def text(number: int) -> str:
        return str((number * unit).quantize(unit)) if digits > 0 else str(number)

    return Scale(_ceil(low / unit), int((high / unit).to_integral_value("ROUND_FLOOR")), 1, text).values(
        spread
    )


def _ceil(number: Decimal) -> int:
    return int(number.to_integral_value("ROUND_CEILING"))


def dates(low: int, high: int) -> Values:
    """Dates, by days since 2020."""
    return Scale(low, high, 1, lambda days: (EPOCH + datetime.timedelta(days)).date().isoformat()).values()


def moments(low: int, high: int, zone: str) -> Values:
    """Times of day and date, by seconds since 2020."""

    def text(second: int) -> str:
        return (EPOCH + datetime.timedelta(seconds=second)).isoformat(" ") + zone

    return Scale(low, high, 1, text).values()


def arrays(of: Values) -> Values:
    """Arrays of one or two elements, the first of which tells them apart."""

    def quoted(k: int) -> str:
        return '"' + of.at(k).replace("\\", "\\\\").replace('"', '\\"') + '"'

    def at(k: int) -> str:
        more = f",{quoted((k * 7 + 1) % of.capacity)}" if k % 3 else ""
        return "{" + quoted(k) + more + "}"

    return Values(of.capacity, at, spread=of.spread)
