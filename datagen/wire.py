"""Fields written into the rows of a block, column by column: each row has a cursor that moves on.

``length`` is that of a row's field in bytes, -1 where it is NULL. An empty mask masks nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from datagen.compiled import compiled, copy_bytes
from datagen.streams import Hashes, Ints, Mask

Octets = NDArray[np.uint8]


@compiled
def begin_rows(out: Octets, cursor: Ints, fields: int) -> None:
    """Write the number of fields."""
    for row in range(len(cursor)):
        out[cursor[row]], out[cursor[row] + 1] = fields >> 8, fields & 255
        cursor[row] += 2


@compiled
def measure_words(length: Ints, index: Ints, offsets: Ints, null: Mask) -> None:
    """Add the bytes of each row's element."""
    for row in range(len(index)):
        if null.size and null[row]:
            length[row] = -1
        else:
            length[row] += offsets[index[row] + 1] - offsets[index[row]]


@compiled
def measure_digits(length: Ints, width: int, blank: Mask, null: Mask) -> None:
    """Add ``width`` bytes where there are digits."""
    for row in range(len(length)):
        if null.size and null[row]:
            length[row] = -1
        elif not (blank.size and blank[row]):
            length[row] += width


@compiled
def add_fields(sizes: Ints, length: Ints) -> None:
    """Add a column's fields, with their lengths before them, to the sizes of the rows."""
    for row in range(len(length)):
        sizes[row] += 4 + max(length[row], 0)


@compiled
def put_words(out: Octets, cursor: Ints, index: Ints, offsets: Ints, data: Octets, length: Ints) -> None:
    """Copy each row's element of a pool, except into a NULL."""
    for row in range(len(index)):
        if length[row] >= 0:
            start = offsets[index[row]]
            count = offsets[index[row] + 1] - start
            copy_bytes(out, cursor[row], data, start, count)
            cursor[row] += count


@compiled
def put_digits(
    out: Octets, cursor: Ints, data: Hashes | Ints, width: int, base: int, blank: Mask, length: Ints
) -> None:
    """Write the last ``width`` digits of each number, in base 10 or 16."""
    for row in range(len(data)):
        if length[row] < 0 or (blank.size and blank[row]):
            continue
        rest, start = np.uint64(data[row]), cursor[row]
        if base == 10:  # a division by a constant is none
            for place in range(width - 1, -1, -1):
                out[start + place] = np.uint64(48) + rest % np.uint64(10)
                rest //= np.uint64(10)
        else:
            for place in range(width - 1, -1, -1):
                digit = rest & np.uint64(15)
                out[start + place] = digit + np.uint64(48 if digit < 10 else 87)
                rest >>= np.uint64(4)
        cursor[row] = start + width


@compiled
def put_lengths(out: Octets, cursor: Ints, length: Ints) -> None:
    """Write what goes before each field."""
    for row in range(len(length)):
        start, value = cursor[row], np.uint64(length[row])
        for place in range(4):
            out[start + place] = value >> np.uint64(24 - 8 * place) & np.uint64(255)
        cursor[row] = start + 4


@compiled
def put_numbers(out: Octets, cursor: Ints, data: Ints, width: int, null: Mask) -> None:
    """Write whole fields: two's complement in ``width`` bytes, 1, 2, 4 or 8."""
    for row in range(len(data)):
        start = cursor[row]
        if null.size and null[row]:
            for place in range(4):
                out[start + place] = 255
            cursor[row] = start + 4
            continue
        out[start] = out[start + 1] = out[start + 2] = 0
        out[start + 3] = width
        value = np.uint64(data[row])
        if width == 8:
            for place in range(8):
                out[start + 4 + place] = value >> np.uint64(56 - 8 * place) & np.uint64(255)
        elif width == 4:
            for place in range(4):
                out[start + 4 + place] = value >> np.uint64(24 - 8 * place) & np.uint64(255)
        else:
            for place in range(width):
                out[start + 4 + place] = value >> np.uint64(8 * (width - 1 - place)) & np.uint64(255)
        cursor[row] = start + 4 + width


@compiled
def put_pairs(out: Octets, cursor: Ints, high: Hashes, low: Hashes, null: Mask) -> None:
    """Write whole fields of two times eight bytes."""
    for row in range(len(high)):
        start = cursor[row]
        if null.size and null[row]:
            for place in range(4):
                out[start + place] = 255
            cursor[row] = start + 4
            continue
        out[start] = out[start + 1] = out[start + 2] = 0
        out[start + 3] = 16
        first, second = high[row], low[row]
        for place in range(8):
            out[start + 4 + place] = first >> np.uint64(56 - 8 * place) & np.uint64(255)
        for place in range(8):
            out[start + 12 + place] = second >> np.uint64(56 - 8 * place) & np.uint64(255)
        cursor[row] = start + 20


@compiled
def split_numerics(data: Ints, scale: int, null: Mask, groups: Ints, length: Ints) -> None:
    """Base-10000 digits of each number in units of 10 ** -scale, last first, without outer zeros.

    ``groups`` (rows × 8) gets at 0 to 5 the digits, at 6 their number, at 7 the weight of the first one.
    """
    unit = 10**scale
    for row in range(len(data)):
        if null.size and null[row]:
            length[row] = -1
            continue
        rest = abs(data[row])
        # Digits after the point fill one group, padded to the right.
        part = (rest % unit) * 10 ** (4 - scale)
        rest //= unit
        count, weight = 0, -1
        if part:
            groups[row, 0] = part
            count = 1
        while rest:
            digit = rest % 10_000
            rest //= 10_000
            weight += 1
            if count or digit:
                groups[row, count] = digit
                count += 1
        groups[row, 6] = count
        groups[row, 7] = weight if count else 0
        length[row] = 8 + 2 * count


@compiled
def put_numerics(out: Octets, cursor: Ints, data: Ints, scale: int, groups: Ints, length: Ints) -> None:
    """Write numeric's payload: number of digits, weight, sign, display scale, digits."""
    for row in range(len(data)):
        if length[row] < 0:
            continue
        start, count, weight = cursor[row], groups[row, 6], groups[row, 7]
        out[start] = 0
        out[start + 1] = count
        out[start + 2] = weight >> 8 & 255
        out[start + 3] = weight & 255
        out[start + 4] = 0x40 if data[row] < 0 else 0
        out[start + 5] = out[start + 6] = 0
        out[start + 7] = scale
        start += 8
        for place in range(count - 1, -1, -1):
            out[start] = groups[row, place] >> 8
            out[start + 1] = groups[row, place] & 255
            start += 2
        cursor[row] = start
