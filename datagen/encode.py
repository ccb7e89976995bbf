"""Columns → bytes of COPY's binary format.

https://www.postgresql.org/docs/current/sql-copy.html ("Binary Format"); the payloads are those of the types'
receive functions. Neighbouring columns of fixed width become one byte matrix; Arrow joins matrix and variable
fields row by row, so that a row costs copying and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

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


def encode_rows(columns: Sequence[Values]) -> memoryview:
    """The rows of one block, without header and trailer; every column has one value per row."""
    parts: list[Any] = []
    fixed: list[Octets] = [_big_endian(np.full(_row_count(columns), len(columns), dtype=np.int64), 2)]
    for column in columns:
        if isinstance(column, Texts):
            parts += [fixed_binary(np.hstack(fixed))] if fixed else []
            fixed = []
            parts += _text_fields(column)
        elif isinstance(column, Numerics) or column.null is not None:
            parts += [fixed_binary(np.hstack(fixed))] if fixed else []
            fixed = []
            parts.append(
                _numeric_fields(column) if isinstance(column, Numerics) else _nullable_fields(column)
            )
        else:
            fixed.append(_fixed_fields(column))
    parts += [fixed_binary(np.hstack(fixed))] if fixed else []
    joined = pc.binary_join_element_wise(*parts, _NOTHING) if len(parts) > 1 else parts[0]
    offsets = np.frombuffer(joined.buffers()[1], dtype=np.int32)
    return memoryview(joined.buffers()[2])[: int(offsets[len(joined)])]


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


def _big_endian(data: Ints, width: int) -> Octets:
    return data.astype(f">i{width}").view(np.uint8).reshape(-1, width)


def _with_length(payload: Octets) -> Octets:
    field = np.empty((len(payload), payload.shape[1] + 4), dtype=np.uint8)
    field[:, :4] = np.frombuffer(payload.shape[1].to_bytes(4, "big"), dtype=np.uint8)
    field[:, 4:] = payload
    return field


def _fixed_fields(column: Uuids | Integers | Booleans | Timestamps | Dates) -> Octets:
    match column:
        case Uuids():
            halves = np.stack([column.high, column.low], axis=1).astype(">u8")
            return _with_length(halves.view(np.uint8).reshape(-1, 16))
        case Integers():
            return _with_length(_big_endian(column.data, column.width))
        case Booleans():
            return _with_length(column.data.astype(np.uint8).reshape(-1, 1))
        case Timestamps():
            return _with_length(_big_endian(column.data, 8))
        case Dates():
            return _with_length(_big_endian(column.data, 4))


def fixed_binary(matrix: Octets) -> Any:
    """A byte matrix as an Arrow array with one element per row, without copying."""
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * np.int32(matrix.shape[1])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix))]
    return pa.Array.from_buffers(pa.binary(), len(matrix), buffers)


def _ragged(matrix: Octets, keep: Mask) -> Any:
    """The kept bytes of each row of a matrix as an Arrow array."""
    offsets = np.zeros(len(matrix) + 1, dtype=np.int32)
    np.cumsum(keep.sum(axis=1), out=offsets[1:])
    return pa.Array.from_buffers(
        pa.binary(), len(matrix), [None, pa.py_buffer(offsets), pa.py_buffer(matrix[keep])]
    )


def _nullable_fields(column: Uuids | Integers | Booleans | Timestamps | Dates) -> Any:
    fields = _fixed_fields(column)
    assert column.null is not None
    fields[column.null, :4] = 0xFF
    keep = np.ones(fields.shape, dtype=np.bool_)
    keep[column.null, 4:] = False
    return _ragged(fields, keep)


def _numeric_fields(column: Numerics) -> Any:
    """numeric: base-10000 digits without leading and trailing zeros, then weight, sign and display scale."""
    magnitude = np.abs(column.data)
    whole, part = np.divmod(magnitude, 10**column.scale)
    groups = max(1, (len(str(int(whole.max(initial=0)))) + 3) // 4)
    digits = [whole // 10 ** (4 * power) % 10000 for power in range(groups - 1, -1, -1)]
    if column.scale:
        digits.append(part * 10 ** (4 - column.scale))
    stacked = np.stack(digits, axis=1)
    used = stacked != 0
    zero = ~used.any(axis=1)
    first = np.where(zero, 0, used.argmax(axis=1))
    last = np.where(zero, -1, stacked.shape[1] - 1 - used[:, ::-1].argmax(axis=1))
    count = last - first + 1

    fields = np.empty((len(magnitude), 12 + 2 * stacked.shape[1]), dtype=np.uint8)
    fields[:, :4] = _big_endian(8 + 2 * count, 4)
    fields[:, 4:6] = _big_endian(count, 2)
    fields[:, 6:8] = _big_endian(np.where(zero, 0, groups - 1 - first), 2)
    fields[:, 8:10] = _big_endian(np.where(column.data < 0, 0x4000, 0), 2)
    fields[:, 10:12] = (0, column.scale)
    fields[:, 12:] = _big_endian(stacked.reshape(-1), 2).reshape(len(magnitude), -1)
    position = np.repeat(np.arange(stacked.shape[1]), 2)
    keep = np.ones(fields.shape, dtype=np.bool_)
    keep[:, 12:] = (position >= first[:, None]) & (position <= last[:, None])
    if column.null is not None:
        fields[column.null, :4] = 0xFF
        keep[column.null, 4:] = False
    return _ragged(fields, keep)


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
        fixed_binary(_big_endian(length, 4)),
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
    return _ragged(piece.characters, np.broadcast_to(~absent[:, None], piece.characters.shape))


def _piece_lengths(piece: Piece) -> Ints | int:
    if isinstance(piece, Words):
        return piece.pool.lengths[piece.index].astype(np.int64)
    width = piece.characters.shape[1]
    return width if piece.blank is None else np.where(piece.blank, 0, width)


def _take(words: Words, null: Mask | None, form: Literal["raw", "wire", "quoted"]) -> Any:
    index = words.index if null is None else np.where(null, words.pool.end, words.index)
    places = pa.Array.from_buffers(pa.int32(), len(index), [None, pa.py_buffer(index.astype(np.int32))])
    return getattr(words.pool, form).take(places)
