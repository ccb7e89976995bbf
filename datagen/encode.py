"""Columns → bytes of COPY's binary format.

https://www.postgresql.org/docs/current/sql-copy.html ("Binary Format"); the payloads are those of the types'
receive functions. The rows are measured first, then written column by column, straight into their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from datagen import wire
from datagen.streams import Ints, Mask
from datagen.values import (
    Booleans,
    Dates,
    Integers,
    Numerics,
    Packed,
    Pool,
    Texts,
    Timestamps,
    Uuids,
    Values,
    Words,
)

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

_NO_MASK: Mask = np.zeros(0, dtype=np.bool_)
_NO_LENGTH: Ints = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Measured:
    """A column of fields of different lengths, -1 for NULL; a numeric's digits, see wire.split_numerics."""

    length: Ints
    groups: Ints


@dataclass(slots=True)
class Buffer:
    """Memory that is used again for the next block: fresh memory costs as much as filling it."""

    octets: wire.Octets = field(default_factory=lambda: np.empty(0, dtype=np.uint8))

    def take(self, size: int) -> wire.Octets:
        """So many bytes, whatever is in them."""
        if len(self.octets) < size:
            self.octets = np.empty(size + size // 8, dtype=np.uint8)
        return self.octets[:size]


def encode_rows(columns: Sequence[Values], buffer: Buffer | None = None) -> memoryview:
    """The rows of one block, without header and trailer; every column has one value per row.

    They are in ``buffer`` until it is used again.
    """
    rows = _row_count(columns)
    sizes = np.full(rows, 2 + sum(_fixed_size(column) for column in columns), dtype=np.int64)
    measured = [_measure(column, sizes) for column in columns]
    ends = np.cumsum(sizes)
    out = (buffer or Buffer()).take(int(ends[-1]) if rows else 0)
    cursor = ends - sizes
    wire.begin_rows(out, cursor, len(columns))
    for column, fields in zip(columns, measured, strict=True):
        _put(column, fields, out, cursor)
    return out.data


def text_array(items: Sequence[str]) -> bytes:
    """Payload of a text[]; an empty array has no dimension."""
    if not items:
        return bytes(8) + _TEXT_OID
    fields = b"".join(len(item.encode()).to_bytes(4, "big") + item.encode() for item in items)
    return b"\0\0\0\1" + bytes(4) + _TEXT_OID + len(items).to_bytes(4, "big") + b"\0\0\0\1" + fields


def text_array_pool(lists: Sequence[Sequence[str]]) -> Pool:
    """A pool of whole text[] values."""

    def literal(item: str) -> str:
        return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'

    texts = tuple("{" + ",".join(literal(item) for item in items) + "}" for items in lists)
    return Pool(texts, tuple(text_array(items) for items in lists))


def jsonb_pool(documents: Sequence[str]) -> Pool:
    """A pool of whole jsonb values, given as JSON text; the payload starts with the format's version, 1."""
    return Pool(tuple(documents), tuple(b"\x01" + document.encode() for document in documents))


_TEXT_OID = (25).to_bytes(4, "big")


def _row_count(columns: Sequence[Values]) -> int:
    first = columns[0]
    match first:
        case Uuids():
            return len(first.high)
        case Texts():
            piece = first.pieces[0]
            return len(piece.index if isinstance(piece, Words) else piece.data)
        case _:
            return len(first.data)


def _width(column: Uuids | Integers | Booleans | Timestamps | Dates) -> int:
    match column:
        case Uuids():
            return 16
        case Integers():
            return column.width
        case Booleans():
            return 1
        case Timestamps():
            return 8
        case Dates():
            return 4


def _fixed_size(column: Values) -> int:
    """Bytes that the column adds to every row; those of NULLs are taken off again."""
    return 0 if isinstance(column, Texts | Numerics) else 4 + _width(column)


def _measure(column: Values, sizes: Ints) -> _Measured | None:
    """Add the column's fields to the rows' sizes."""
    null = _NO_MASK if column.null is None else column.null
    match column:
        case Texts():
            length = np.zeros(len(sizes), dtype=np.int64)
            for piece in column.pieces:
                if isinstance(piece, Words):
                    wire.measure_words(length, piece.index, _elements(column, piece).offsets, null)
                else:
                    wire.measure_digits(length, piece.width, _mask(piece.blank), null)
            wire.add_fields(sizes, length)
            return _Measured(length, _NO_LENGTH)
        case Numerics():
            length = np.empty(len(sizes), dtype=np.int64)
            groups = np.empty((len(sizes), 8), dtype=np.int64)
            wire.split_numerics(column.data, column.scale, null, groups, length)
            wire.add_fields(sizes, length)
            return _Measured(length, groups)
        case _:
            if column.null is not None:
                sizes -= column.null * np.int64(_width(column))
            return None


def _elements(column: Texts, words: Words) -> Packed:
    """The payloads of a field that is one element of a pool, or else UTF-8."""
    return words.pool.wire if len(column.pieces) == 1 else words.pool.raw


def _mask(mask: Mask | None) -> Mask:
    return _NO_MASK if mask is None else mask


def _put(column: Values, fields: _Measured | None, out: wire.Octets, cursor: Ints) -> None:
    match column:
        case Uuids():
            wire.put_pairs(out, cursor, column.high, column.low, _mask(column.null))
        case Texts():
            assert fields is not None
            _put_text(column, fields.length, out, cursor)
        case Numerics():
            assert fields is not None
            wire.put_lengths(out, cursor, fields.length)
            wire.put_numerics(out, cursor, column.data, column.scale, fields.groups, fields.length)
        case _:
            data = column.data.astype(np.int64, copy=False)
            wire.put_numbers(out, cursor, data, _width(column), _mask(column.null))


def _put_text(column: Texts, length: Ints, out: wire.Octets, cursor: Ints) -> None:
    wire.put_lengths(out, cursor, length)
    for piece in column.pieces:
        if isinstance(piece, Words):
            elements = _elements(column, piece)
            wire.put_words(out, cursor, piece.index, elements.offsets, elements.data, length)
        else:
            wire.put_digits(out, cursor, piece.data, piece.width, piece.base, _mask(piece.blank), length)
