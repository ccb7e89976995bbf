"""The loop that writes rows: for each of them, a program of steps that add a field or a piece of one.

A step is :data:`WIDTH` whole numbers: its kind, then addresses of columns and constants, as the kinds say. A
mask at the address 0 masks nothing. Copies go beyond what is wanted, into what the next step writes: sources
and target have :data:`datagen.compiled.AT_ONCE` bytes to spare.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from datagen.compiled import (
    AT_ONCE,
    byte_at,
    compiled,
    copy_at_once,
    copy_bytes,
    number_at,
    put_8,
    put_16,
    put_32,
    put_64,
)

Octets = NDArray[np.uint8]

WIDTH = 5

WORD = 0
"""A piece that is an element of a pool: index, the pool's offsets, its bytes."""
BEGIN = 1
"""A field of several pieces begins: null, step after its end."""
END = 2
"""It ends."""
DIGITS = 3
"""A piece that is a number's last digits: data, how many (of base 10, at most 16), base (10 or 16), blank."""
FIELD = 4
"""A field that is an element of a pool: index, offsets, bytes, null."""
PAIR = 5
"""A field of two times eight bytes: data, data, null."""
INT8 = 6
"""data, null; as the next ones."""
INT4 = 7
INT2 = 8
BOOLEAN = 9
NUMERIC = 10
"""Whole numbers of 10 ** -scale: data, scale, 10 ** scale, null."""

_EIGHT_DIGITS = np.uint64(10**8)


@compiled
def write_rows(
    program: int, steps: int, row: int, rows: int, out: int, capacity: int, longest: int
) -> tuple[int, int]:
    """Write rows from ``row`` on into the ``capacity`` bytes at ``out``.

    Stops where a row, of at most ``longest`` bytes, might not fit; returns the next row and the bytes.
    """
    at = out
    begun = at
    while row < rows and at + longest <= out + capacity:
        step = 0
        # The row's number of fields is the program's first number.
        put_16(at, number_at(program, 0))
        at += 2
        while step < steps:
            line = 1 + step * WIDTH
            kind = number_at(program, line)
            first, second = number_at(program, line + 1), number_at(program, line + 2)
            third, fourth = number_at(program, line + 3), number_at(program, line + 4)
            step += 1
            if kind == WORD:
                at = _put_word(at, first, second, third, row)
            elif kind == BEGIN:
                begun = at
                at += 4
                if _is_set(first, row):
                    put_32(begun, -1)
                    step = second
            elif kind == END:
                put_32(begun, at - begun - 4)
            elif kind == DIGITS:
                if not _is_set(fourth, row):
                    _put_digits(at, np.uint64(number_at(first, row)), second, third)
                    at += second
            elif kind == FIELD:
                if _is_set(fourth, row):
                    put_32(at, -1)
                    at += 4
                else:
                    end = _put_word(at + 4, first, second, third, row)
                    put_32(at, end - at - 4)
                    at = end
            else:
                at = _put_fixed(at, kind, first, second, third, fourth, row)
        row += 1
    return row, at - out


@compiled
def _put_word(at: int, index: int, offsets: int, data: int, row: int) -> int:
    element = number_at(index, row)
    start = number_at(offsets, element)
    count: int = number_at(offsets, element + 1) - start
    if count <= AT_ONCE:
        copy_at_once(at, data + start)
    else:
        copy_bytes(at, data + start, count)
    return at + count


@compiled
def _put_fixed(at: int, kind: int, first: int, second: int, third: int, fourth: int, row: int) -> int:
    null = third if kind == PAIR else fourth if kind == NUMERIC else second
    if _is_set(null, row):
        put_32(at, -1)
        return at + 4
    if kind == PAIR:
        put_32(at, 16)
        put_64(at + 4, number_at(first, row))
        put_64(at + 12, number_at(second, row))
        return at + 20
    if kind == INT8:
        put_32(at, 8)
        put_64(at + 4, number_at(first, row))
        return at + 12
    if kind == INT4:
        put_32(at, 4)
        put_32(at + 4, number_at(first, row))
        return at + 8
    if kind == INT2:
        put_32(at, 2)
        put_16(at + 4, number_at(first, row))
        return at + 6
    if kind == BOOLEAN:
        put_32(at, 1)
        put_8(at + 4, byte_at(first, row))
        return at + 5
    return _put_numeric(at, number_at(first, row), second, third)


@compiled
def _is_set(mask: int, row: int) -> bool:
    return bool(mask != 0 and byte_at(mask, row) != 0)


@compiled
def _put_digits(at: int, value: np.uint64, width: int, base: int) -> None:
    if base == 16:
        for place in range(width - 1, -1, -1):
            digit = np.int64(value & np.uint64(15))
            put_8(at + place, digit + (48 if digit < 10 else 87))
            value >>= np.uint64(4)
        return
    last = value % _EIGHT_DIGITS
    if width > 8:
        _put_last(at, value // _EIGHT_DIGITS % _EIGHT_DIGITS, width - 8)
        at += width - 8
        width = 8
    _put_last(at, last, width)


@compiled
def _put_last(at: int, value: np.uint64, width: int) -> None:
    """The last 1 to 8 digits of a number below 10 ** 8, and bytes that the next step writes over."""
    put_64(at, np.int64(_eight(value) << np.uint64(64 - 8 * width)))


@compiled
def _eight(value: np.uint64) -> np.uint64:
    """Eight ASCII digits of a number below 10 ** 8, the first in the highest byte.

    Four, two and one of them at a time, side by side in one register; multiplying by 10486 / 2 ** 20 and by
    103 / 2 ** 10 divides by 100 and by 10 what is below 10,000 and below 100.
    """
    high = value // np.uint64(10_000)
    fours = high << np.uint64(32) | value - high * np.uint64(10_000)
    hundreds = fours * np.uint64(10486) >> np.uint64(20) & np.uint64(0x0000007F0000007F)
    twos = hundreds << np.uint64(16) | fours - hundreds * np.uint64(100)
    tens = twos * np.uint64(103) >> np.uint64(10) & np.uint64(0x000F000F000F000F)
    ones = twos - tens * np.uint64(10)
    return (tens << np.uint64(8) | ones) + np.uint64(0x3030303030303030)


@compiled
def _put_numeric(at: int, value: int, scale: int, unit: int) -> int:
    """Length, number of base-10000 digits, weight of the first, sign, scale; digits without outer zeros."""
    rest = abs(value)
    part = rest % unit * (10_000 // unit)
    rest //= unit
    weight = -1
    if not part:
        while rest and rest % 10_000 == 0:
            rest //= 10_000
            weight += 1
    count = 1 if part else 0
    left = rest
    while left:
        left //= 10_000
        weight += 1
        count += 1
    put_32(at, 8 + 2 * count)
    put_16(at + 4, count)
    put_16(at + 6, weight if count else 0)
    put_16(at + 8, 0x4000 if value < 0 else 0)
    put_16(at + 10, scale)
    end = place = at + 12 + 2 * count
    if part:
        place -= 2
        put_16(place, part)
    while rest:
        place -= 2
        put_16(place, rest % 10_000)
        rest //= 10_000
    return end
