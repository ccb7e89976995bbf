"""The values worth trying on a column: at, just inside and just outside of what its type and checks allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Literal

from datagen.anyschema.catalog import Column
from datagen.anyschema.checks import Limits

INTEGERS = {"int2": 16, "int4": 32, "int8": 64}
FLOATS = frozenset({"float4", "float8"})
TEXTS = frozenset({"text", "varchar", "bpchar", "citext"})
NO_SUCH = "no such value"
DOCUMENTS = ("{}", "[]", '"text"', "1", "null")
ARRAYS = ("{}", "{NULL}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One value to try, and whether it should be accepted."""

    value: str | None
    """None for NULL."""
    about: Literal["check", "type", "not null"]
    expected: bool | None


@dataclass(frozen=True, slots=True)
class _Number:
    """The numbers that a type holds: from ``-largest`` (integers one less) to ``largest``, ``step`` apart."""

    smallest: Decimal | None
    largest: Decimal | None
    step: Decimal


def candidates(column: Column, limits: Limits, *, unique: bool) -> Iterator[Candidate]:
    """Values for one column, each once. ``unique``: other rows may have them already.

    Where a check is there that is not understood, nobody knows what should be accepted.
    """
    unsure = unique or bool(limits.opaque) or limits.above is not None
    seen: set[str | None] = set()
    for candidate in _all(column, limits):
        if candidate.value not in seen:
            seen.add(candidate.value)
            yield replace(candidate, expected=None) if candidate.expected and unsure else candidate


def _all(column: Column, limits: Limits) -> Iterator[Candidate]:
    yield Candidate(None, "not null", not column.required and not limits.required)
    if column.array:
        yield from (Candidate(value, "type", None) for value in ARRAYS)
    elif column.labels is not None:
        yield from (Candidate(label, "type", True) for label in column.labels)
        yield Candidate(NO_SUCH, "type", False)
    elif limits.values is not None:
        yield from _listed(column, limits.values)
    elif (number := _number(column)) is not None:
        yield from _numbers(number, limits)
    elif column.type in TEXTS:
        yield from _lengths(column, limits)
    elif column.type in ("json", "jsonb"):
        yield from (Candidate(document, "type", None) for document in DOCUMENTS)
        yield Candidate("no json", "type", False)


def _listed(column: Column, values: list[str]) -> Iterator[Candidate]:
    yield from (Candidate(value, "check", True) for value in values)
    others = [NO_SUCH, "", values[0].upper(), values[0] + " "] if column.type in TEXTS else []
    if column.type == "bpchar":
        others = [NO_SUCH]  # blanks at its end mean nothing
    yield from (Candidate(other, "check", False) for other in others if other not in values)


def _number(column: Column) -> _Number | None:
    if bits := INTEGERS.get(column.type):
        largest = Decimal(2 ** (bits - 1) - 1)
        return _Number(-largest - 1, largest, Decimal(1))
    if column.type in FLOATS:
        return _Number(None, None, Decimal("0.01"))
    if column.type != "numeric":
        return None
    if column.modifier < 0:
        return _Number(None, None, Decimal("0.01"))
    precision, scale = numeric_shape(column.modifier)
    step = Decimal(1).scaleb(-scale)
    largest = Decimal(1).scaleb(precision - scale) - step
    return _Number(-largest, largest, step)


def numeric_shape(modifier: int) -> tuple[int, int]:
    """Precision and scale of ``numeric(p, s)``, as ``pg_attribute.atttypmod`` packs them (numeric.c)."""
    packed = modifier - 4
    scale = packed & 0x7FF
    return packed >> 16 & 0xFFFF, scale - 0x800 if scale & 0x400 else scale


def _numbers(number: _Number, limits: Limits) -> Iterator[Candidate]:
    try:
        low = None if limits.low is None else Decimal(limits.low)
        high = None if limits.high is None else Decimal(limits.high)
    except InvalidOperation:
        return
    for bound, outward, is_open in ((low, -1, limits.low_open), (high, 1, limits.high_open)):
        if bound is not None:
            yield Candidate(_text(bound), "check", not is_open)
            yield Candidate(_text(bound + outward * number.step), "check", False)
    for bound, outward in ((number.smallest, -1), (number.largest, 1)):
        if bound is not None:
            inside = _inside(bound, low, high, limits)
            yield Candidate(_text(bound), "type" if inside else "check", inside)
            yield Candidate(_text(bound + outward * number.step), "type", False)
    if number.step < 1 and number.largest is not None:
        middle = low if low is not None and abs(low) < number.largest else Decimal(0)
        rounded = middle + number.step
        allowed = rounded <= number.largest and _inside(rounded, low, high, limits)
        yield Candidate(_text(middle + number.step / 2), "type", allowed or None)


def _inside(value: Decimal, low: Decimal | None, high: Decimal | None, limits: Limits) -> bool:
    below = low is not None and (value <= low if limits.low_open else value < low)
    beyond = high is not None and (value >= high if limits.high_open else value > high)
    return not below and not beyond


def _text(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _lengths(column: Column, limits: Limits) -> Iterator[Candidate]:
    most = column.modifier - 4 if column.type in ("varchar", "bpchar") and column.modifier > 4 else None
    bounded = limits.shortest > 0 or limits.longest is not None
    if limits.shortest:
        yield Candidate("x" * limits.shortest, "check", True)
        yield Candidate("x" * (limits.shortest - 1), "check", False)
    if limits.longest is not None:
        yield Candidate("x" * limits.longest, "check", True)
        yield Candidate("x" * (limits.longest + 1), "check", False)
    if most is not None:
        yield Candidate("x" * most, "type", None if bounded else True)
        yield Candidate("x" * (most + 1), "type", False)
