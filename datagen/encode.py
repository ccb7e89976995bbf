"""Columns → bytes of COPY's binary format.

https://www.postgresql.org/docs/current/sql-copy.html ("Binary Format"); the payloads are those of the types'
receive functions. Neighbouring columns of fixed width become one byte matrix; Arrow joins matrix and variable
fields row by row, so that a row costs copying and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datagen.streams import Ints, Mask
from datagen.values import (
    Booleans,
    Dates,
    Integers,
    Numerics,
    Piece,
    Pool,
    Texts,
    Timestamps,
    Uuids,
    Values,
    Words,
    binary_scalar,
)

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

Octets = NDArray[np.uint8]
_Field: TypeAlias = tuple[str, Any]
"""A number of a record: NumPy's type, one value or one per row."""


def encode_rows(columns: Sequence[Values]) -> memoryview:
    """The rows of one block, without header and trailer; every column has one value per row."""
    rows = _row_count(columns)
    parts: list[Any] = []
    fixed: list[_Field] = [(">i2", len(columns))]
    for column in columns:
        if isinstance(column, Texts | Numerics) or column.null is not None:
            parts += [fixed_binary(_records(rows, fixed))] if fixed else []
            fixed = []
            parts += _ragged_fields(column)
        else:
            fixed += _fixed_fields(column)
    parts += [fixed_binary(_records(rows, fixed))] if fixed else []
    joined = pc.binary_join_element_wise(*parts, _NOTHING) if len(parts) > 1 else parts[0]
    offsets = np.frombuffer(joined.buffers()[1], dtype=np.int32)
    return memoryview(joined.buffers()[2])[: int(offsets[len(joined)])]


def _ragged_fields(column: Values) -> list[Any]:
    match column:
        case Texts():
            return _text_fields(column)
        case Numerics():
            return [_numeric_fields(column)]
        case _:
            return [_nullable_fields(column)]


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


_NOTHING = binary_scalar(b"")
_TEXT_OID = (25).to_bytes(4, "big")


def _row_count(columns: Sequence[Values]) -> int:
    first = columns[0]
    match first:
        case Uuids():
            return len(first.high)
        case Texts():
            piece = first.pieces[0]
            return len(piece.index if isinstance(piece, Words) else piece.characters)
        case _:
            return len(first.data)


def _records(rows: int, fields: Sequence[_Field]) -> Octets:
    """One record of big-endian numbers per row, nothing between them."""
    layout = np.dtype([(f"f{position}", kind) for position, (kind, _) in enumerate(fields)])
    records = np.empty(rows, dtype=layout)
    for position, (_, data) in enumerate(fields):
        records[f"f{position}"] = data
    return records.view(np.uint8).reshape(rows, layout.itemsize)


def _fixed_fields(column: Uuids | Integers | Booleans | Timestamps | Dates) -> list[_Field]:
    """A field's length and its payload, as numbers."""
    match column:
        case Uuids():
            return [(">i4", 16), (">u8", column.high), (">u8", column.low)]
        case Integers():
            return [(">i4", column.width), (f">i{column.width}", column.data)]
        case Booleans():
            return [(">i4", 1), ("u1", column.data)]
        case Timestamps():
            return [(">i4", 8), (">i8", column.data)]
        case Dates():
            return [(">i4", 4), (">i4", column.data)]


def fixed_binary(matrix: Octets) -> Any:
    """A byte matrix as an Arrow array with one element per row, without copying."""
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * np.int32(matrix.shape[1])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix))]
    return pa.Array.from_buffers(pa.binary(), len(matrix), buffers)


def _ragged(data: NDArray[Any], lengths: Ints) -> Any:
    """Packed elements of the given lengths in bytes, one after another, as an Arrow array."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.Array.from_buffers(pa.binary(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _nullable_fields(column: Uuids | Integers | Booleans | Timestamps | Dates) -> Any:
    null = column.null
    assert null is not None
    fields = _records(len(null), _fixed_fields(column))
    fields[null, :4] = 0xFF
    lengths = np.where(null, 4, fields.shape[1])
    # Packed by words where every field is made of them: a quarter of the work.
    words = fields.view(np.uint32) if fields.shape[1] % 4 == 0 else fields
    keep = np.empty(words.shape, dtype=np.bool_)
    header = 4 // words.itemsize
    keep[:, :header] = True
    keep[:, header:] = ~null[:, None]
    return _ragged(words[keep], lengths)


def _numeric_fields(column: Numerics) -> Any:
    """numeric: base-10000 digits without leading and trailing zeros, then weight, sign and display scale."""
    magnitude = np.abs(column.data)
    rest = magnitude
    digits: list[Ints] = []
    if column.scale:
        rest, part = np.divmod(magnitude, 10**column.scale)
        digits.append(part * 10 ** (4 - column.scale))
    groups = max(1, (len(str(int(rest.max(initial=0)))) + 3) // 4)
    for _ in range(groups - 1):
        rest, part = np.divmod(rest, 10_000)
        digits.append(part)
    digits.append(rest)
    digits.reverse()
    width = len(digits)
    # First and last group that is not zero; an empty stretch where all are.
    first, last = np.full(len(magnitude), width), np.full(len(magnitude), -1)
    for position in range(width):
        used = digits[position] != 0
        last[used] = position
        used = digits[width - 1 - position] != 0
        first[used] = width - 1 - position
    zero = last < 0
    first[zero] = 0
    count = last - first + 1
    head: list[_Field] = [
        (">i4", 8 + 2 * count),
        (">i2", count),
        (">i2", np.where(zero, 0, groups - 1 - first)),
        (">u2", np.where(column.data < 0, 0x4000, 0)),
        (">i2", column.scale),
    ]
    fields = _records(len(magnitude), [*head, *((">i2", group) for group in digits)]).view(np.uint16)
    keep = np.ones(fields.shape, dtype=np.bool_)
    for position in range(width):
        keep[:, 6 + position] = (first <= position) & (position <= last)
    lengths = 12 + 2 * count
    if column.null is not None:
        fields[column.null, :2] = 0xFFFF
        keep[column.null, 2:] = False
        lengths[column.null] = 4
    return _ragged(fields[keep], lengths)


def _text_fields(column: Texts) -> list[Any]:
    pieces = column.pieces
    if len(pieces) == 1 and isinstance(pieces[0], Words):
        return [_take(pieces[0], column.null, "wire")]
    length = np.zeros(_row_count([column]), dtype=np.int64)
    for piece in pieces:
        length += _piece_lengths(piece)
    if column.null is not None:
        length[column.null] = -1
    return [
        fixed_binary(_records(len(length), [(">i4", length)])),
        *(piece_bytes(piece, column.null, "raw") for piece in pieces),
    ]


def piece_bytes(piece: Piece, null: Mask | None, form: Literal["raw", "quoted"]) -> Any:
    """One piece of text per row as an Arrow array, empty where the row is NULL."""
    if isinstance(piece, Words):
        return _take(piece, null, form)
    if null is None and piece.blank is None:
        return fixed_binary(piece.characters)
    absent = np.zeros(len(piece.characters), dtype=np.bool_)
    for mask in (null, piece.blank):
        absent = absent if mask is None else absent | mask
    return _ragged(piece.characters[~absent], np.where(absent, 0, piece.characters.shape[1]))


def _piece_lengths(piece: Piece) -> Ints | int:
    if isinstance(piece, Words):
        return piece.pool.lengths[piece.index].astype(np.int64)
    width = piece.characters.shape[1]
    return width if piece.blank is None else np.where(piece.blank, 0, width)


def _take(words: Words, null: Mask | None, form: Literal["raw", "wire", "quoted"]) -> Any:
    index = words.index if null is None else np.where(null, words.pool.end, words.index)
    places = pa.Array.from_buffers(pa.int32(), len(index), [None, pa.py_buffer(index.astype(np.int32))])
    return getattr(words.pool, form).take(places)
