"""The loops that write rows: a program of steps that add a field, or a piece of one, to some rows at a time.

A step is :data:`WIDTH` whole numbers: its kind, then addresses of columns and constants, as the kinds say. A
mask at the address 0 masks nothing; what it masks must be valid. Copies go beyond what is wanted, into what
the next step writes: sources and target have :data:`datagen.engine.compiled.AT_ONCE` bytes to spare.

One step at a time for as many rows as a core's cache holds, so that it is told from the others once for all
of them (Boncz, Zukowski, Nes 2005, "MonetDB/X100: Hyper-Pipelining Query Execution"). So each row has a place
of its own that holds the longest one, and is moved to the others once it is complete. NULLs are computed, not
branched on: no processor could guess them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from datagen.engine.compiled import (
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
from datagen.engine.streams import Hashes, Ints

Octets = NDArray[np.uint8]

WIDTH = 5

WORD = 0
"""A piece that is an element of a pool: index, the pool's offsets, its bytes."""
LITERAL = 1
"""A piece that is the same in every row: address, length."""
DIGITS = 2
"""A piece that is a number's last digits: data, how many (of base 10, at most 16), base (10 or 16), blank."""
BEGIN = 3
"""A field of several pieces begins."""
END = 4
"""It ends: null."""
FIELD = 5
"""A field that is an element of a pool: index, offsets, bytes, null."""
PAIR = 6
"""A field of two times eight bytes: data, data, null."""
INTEGER = 7
"""data, its bytes, null."""
BOOLEAN = 8
"""data, null."""
NUMERIC = 9
"""Whole numbers of 10 ** -scale: data, scale, 10 ** scale, null."""

AT_A_TIME = 128
"""Rows; what is written of them fits a core's own cache."""
_EIGHT_DIGITS = np.uint64(10**8)


@compiled
def write_rows(
    program: int, steps: int, row: int, rows: int, out: Octets, places: Octets, longest: int
) -> tuple[int, int]:
    """Write rows from ``row`` on to ``out``, as many at a time as ``places`` has room for.

    Stops where rows of ``longest`` bytes, which is what a row and a copy beyond its end take at most, might
    not fit; returns the next row and the bytes.
    """
    first, begin = np.int64(places.ctypes.data), np.int64(out.ctypes.data)
    at, end = begin, begin + len(out)
    ends = np.empty(min(len(places) // longest, AT_A_TIME, rows - row), dtype=np.int64)
    begun = np.empty(len(ends), dtype=np.int64)
    scratch = np.empty(len(ends), dtype=np.uint64)
    while row < rows and at + min(len(ends), rows - row) * longest <= end:
        ends = ends[: rows - row]
        for place in range(len(ends)):
            # The row's number of fields is the program's first number.
            put_16(first + place * longest, number_at(program, 0))
            ends[place] = first + place * longest + 2
        for step in range(steps):
            _take(program, 1 + step * WIDTH, row, ends, begun, scratch)
        for place in range(len(ends)):
            start = first + place * longest
            size = ends[place] - start
            for done in range(0, size, AT_ONCE):
                copy_at_once(at + done, start + done)
            at += size
        row += len(ends)
    return row, int(at - begin)


@compiled
def _take(program: int, line: int, row: int, ends: Ints, begun: Ints, scratch: Hashes) -> None:
    """One step for all places; ``row`` is that of the first one, ``ends`` is where each has come to."""
    kind = number_at(program, line)
    first, second = number_at(program, line + 1), number_at(program, line + 2)
    third, fourth = number_at(program, line + 3), number_at(program, line + 4)
    if kind == WORD:
        _add_words(row, ends, first, second, third)
    elif kind == LITERAL:
        _add_literal(ends, first, second)
    elif kind == DIGITS:
        _add_digits(row, ends, scratch, first, second, third, fourth)
    elif kind == BEGIN:
        for place in range(len(ends)):
            begun[place] = ends[place]
            ends[place] += 4
    elif kind == END:
        for place in range(len(ends)):
            size = ends[place] - begun[place] - 4
            ends[place] = _finished(begun[place], size, first, row + place)
    elif kind == FIELD:
        _add_fields(row, ends, first, second, third, fourth)
    elif kind == NUMERIC:
        for place in range(len(ends)):
            at = ends[place]
            size = _put_numeric(at + 4, number_at(first, row + place), second, third)
            ends[place] = _finished(at, size, fourth, row + place)
    elif kind == PAIR:
        for place in range(len(ends)):
            at = ends[place]
            put_64(at + 4, number_at(first, row + place))
            put_64(at + 12, number_at(second, row + place))
            ends[place] = _finished(at, 16, third, row + place)
    elif kind == INTEGER:
        for place in range(len(ends)):
            at = ends[place]
            # The highest bytes come first: the next step writes over the others.
            put_64(at + 4, number_at(first, row + place) << (64 - 8 * second))
            ends[place] = _finished(at, second, third, row + place)
    else:
        for place in range(len(ends)):
            at = ends[place]
            put_8(at + 4, byte_at(first, row + place))
            ends[place] = _finished(at, 1, second, row + place)


@compiled
def _finished(at: int, size: int, null: int, row: int) -> int:
    """Write a field's length before it, or that it is NULL; return where the next one begins."""
    shown = -1 if null == 0 else np.int64(byte_at(null, row)) - 1
    put_32(at, size | ~shown)
    return int(at + 4 + (size & shown))


@compiled
def _add_words(row: int, ends: Ints, index: int, offsets: int, data: int) -> None:
    for place in range(len(ends)):
        element = number_at(index, row + place)
        ends[place] += _put_word(ends[place], element, offsets, data)


@compiled
def _put_word(at: int, element: int, offsets: int, data: int) -> int:
    start = number_at(offsets, element)
    size: int = number_at(offsets, element + 1) - start
    copy_at_once(at, data + start)
    if size > AT_ONCE:
        copy_bytes(at, data + start, size)
    return size


@compiled
def _add_literal(ends: Ints, data: int, size: int) -> None:
    for place in range(len(ends)):
        for done in range(0, size, AT_ONCE):
            copy_at_once(ends[place] + done, data + done)
        ends[place] += size


@compiled
def _add_digits(row: int, ends: Ints, scratch: Hashes, data: int, width: int, base: int, blank: int) -> None:
    if base == 16:
        for place in range(len(ends)):
            _put_hexadecimal(ends[place], number_at(data, row + place), width)
            ends[place] += width
    else:
        if width > 8:
            for place in range(len(ends)):
                scratch[place] = np.uint64(number_at(data, row + place)) // _EIGHT_DIGITS % _EIGHT_DIGITS
            _add_last(ends, scratch, width - 8)
        for place in range(len(ends)):
            scratch[place] = np.uint64(number_at(data, row + place)) % _EIGHT_DIGITS
        _add_last(ends, scratch, min(width, 8))
    if blank != 0:
        for place in range(len(ends)):
            ends[place] -= width & -np.int64(byte_at(blank, row + place))


@compiled
def _add_last(ends: Ints, numbers: Hashes, width: int) -> None:
    """The last 1 to 8 digits of numbers below 10 ** 8, and bytes that the next step writes over."""
    # Digits by themselves: they are computed for several rows at once.
    for place in range(len(ends)):
        numbers[place] = _eight(numbers[place]) << np.uint64(64 - 8 * width)
    for place in range(len(ends)):
        put_64(ends[place], np.int64(numbers[place]))
        ends[place] += width


@compiled
def _put_hexadecimal(at: int, value: int, width: int) -> None:
    for place in range(width - 1, -1, -1):
        digit = value & 15
        put_8(at + place, digit + (48 if digit < 10 else 87))
        value >>= 4


@compiled
def _add_fields(row: int, ends: Ints, index: int, offsets: int, data: int, null: int) -> None:
    for place in range(len(ends)):
        element = number_at(index, row + place)
        if null != 0:
            # What is not shown may be long: take the first one instead.
            element &= np.int64(byte_at(null, row + place)) - 1
        at = ends[place]
        ends[place] = _finished(at, _put_word(at + 4, element, offsets, data), null, row + place)


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
    """Number of base-10000 digits, weight of the first, sign, scale; digits without outer zeros.

    Returns the bytes.
    """
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
    put_16(at, count)
    put_16(at + 2, weight if count else 0)
    put_16(at + 4, 0x4000 if value < 0 else 0)
    put_16(at + 6, scale)
    place = at + 8 + 2 * count
    if part:
        place -= 2
        put_16(place, part)
    while rest:
        place -= 2
        put_16(place, rest % 10_000)
        rest //= 10_000
    return 8 + 2 * count
