"""Columns → Arrow, for files: lines of CSV, and Parquet with the types that PostgreSQL's have there.

CSV is as COPY (FORMAT csv) reads it: NULL is nothing, an empty text is quoted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from datagen.engine.blocks import Shard, blocks
from datagen.engine.columns import Block, columns_of, fields
from datagen.engine.plan import Plan
from datagen.engine.streams import Ints, Mask
from datagen.engine.values import (
    Booleans,
    Dates,
    Digits,
    Integers,
    Literal,
    Numerics,
    Piece,
    Texts,
    Timestamps,
    Uuids,
    Values,
    Words,
)

_UUID_PARTS = (slice(0, 8), slice(8, 12), slice(12, 16), slice(16, 20), slice(20, 32))

GROUP_ROWS = 65_536

_DAYS_TO_2000 = 10_957
"""From Arrow's origin, 1970."""
_MICROSECONDS_TO_2000 = _DAYS_TO_2000 * 86_400_000_000
_INTEGERS = {2: (np.int16, pa.int16()), 4: (np.int32, pa.int32()), 8: (np.int64, pa.int64())}


def csv_block(block: Block) -> memoryview:
    """The block's rows as CSV, without a header line."""
    return csv_rows(fields(block))


def csv_rows(columns: Sequence[Values]) -> memoryview:
    """The rows of one block, one line each."""
    lines = pc.binary_join_element_wise(*(_field(column) for column in columns), b",")
    ended = pc.binary_join_element_wise(lines, b"\n", b"")
    size = np.frombuffer(ended.buffers()[1], dtype=np.int32)[len(ended)]
    return memoryview(ended.buffers()[2])[: int(size)]


def _field(column: Values) -> Any:
    match column:
        case Texts():
            quote = pa.scalar(b'"', pa.binary())
            pieces = (_piece(piece, quoted=True) for piece in column.pieces)
            text = pc.binary_join_element_wise(quote, *pieces, quote, b"")
        case Uuids():
            octets = np.hstack([Digits(half, 16, 16).characters for half in (column.high, column.low)])
            parts = (_matrix(np.ascontiguousarray(octets[:, part])) for part in _UUID_PARTS)
            text = pc.binary_join_element_wise(*parts, b"-")
        case Integers():
            text = _decimal(column.data)
        case Booleans():
            text = pc.if_else(pa.array(column.data), pa.scalar(b"t"), pa.scalar(b"f"))
        case Timestamps():
            moments = column.data.astype("timedelta64[us]") + np.datetime64("2000-01-01", "us")
            text = pa.array([stamp + "Z" for stamp in np.datetime_as_string(moments).tolist()]).cast(
                pa.binary()
            )
        case Dates():
            dates = column.data.astype("timedelta64[D]") + np.datetime64("2000-01-01", "D")
            text = pa.array(np.datetime_as_string(dates).tolist()).cast(pa.binary())
        case Numerics():
            text = _numeric(column)
    return _or_nothing(text, column.null)


def text_column(column: Texts) -> Any:
    """The column's UTF-8 bytes, null where it is NULL."""
    pieces = (_piece(piece, quoted=False) for piece in column.pieces)
    text = pc.binary_join_element_wise(*pieces, b"")
    return text if column.null is None else pc.if_else(pa.array(column.null), None, text)


def _numeric(column: Numerics) -> Any:
    whole, part = np.divmod(np.abs(column.data), 10**column.scale)
    sign = pc.if_else(pa.array(column.data < 0), pa.scalar(b"-"), pa.scalar(b""))
    if not column.scale:
        return pc.binary_join_element_wise(sign, _decimal(whole), b"")
    places = _matrix(Digits(part, column.scale).characters)
    return pc.binary_join_element_wise(sign, _decimal(whole), pa.scalar(b"."), places, b"")


def _decimal(data: Ints) -> Any:
    return pa.array(data).cast(pa.string()).cast(pa.binary())


def _or_nothing(text: Any, null: Mask | None) -> Any:
    return text if null is None else pc.if_else(pa.array(null), pa.scalar(b""), text)


def _piece(piece: Piece, *, quoted: bool) -> Any:
    """One piece of text per row, with its quotes doubled where it is to be ``quoted``."""
    if isinstance(piece, Words):
        elements = piece.pool.quoted if quoted else piece.pool.raw
        offsets = pa.py_buffer(elements.offsets.astype(np.int32))
        count = len(elements.offsets) - 1
        array = pa.Array.from_buffers(pa.binary(), count, [None, offsets, pa.py_buffer(elements.data)])
        return array.take(pa.array(piece.index))
    if isinstance(piece, Literal):
        elements = piece.pool.quoted if quoted else piece.pool.raw
        return pa.scalar(elements.data[: elements.offsets[1]].tobytes())
    return _or_nothing(_matrix(piece.characters), piece.blank)


def _matrix(matrix: NDArray[np.uint8]) -> Any:
    """A byte matrix as an array with one element per row."""
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * np.int32(matrix.shape[1])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix))]
    return pa.Array.from_buffers(pa.binary(), len(matrix), buffers)


def write_parquet(file: BinaryIO, plan: Plan, table: str) -> Iterator[int]:
    """Write a table, one row group per GROUP_ROWS rows; yields the rows of each."""
    columns = columns_of(plan, table)
    names = [column.name for column in columns]
    count = plan.rows[table]
    # A row of the next table's size tells the types of an empty one as well.
    sample = next(blocks(plan, Shard(table, 0, 1)))
    schema = pa.schema([(column.name, arrow_column(column.values(sample)).type) for column in columns])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for block in blocks(plan, Shard(table, 0, count), GROUP_ROWS):
            data = [arrow_column(column.values(block)) for column in columns]
            writer.write_table(pa.Table.from_arrays(data, names=names))
            yield len(block.rows)


def arrow_column(column: Values) -> Any:
    """The column as an Arrow array: uuid, string, decimal128(18), timestamp in UTC, date32 and so on."""
    null = column.null
    match column:
        case Texts():
            return text_column(column).cast(pa.string())
        case Uuids():
            octets = np.stack([column.high, column.low], axis=1).astype(">u8")
            storage = _array(pa.binary(16), octets, null)
            return pa.ExtensionArray.from_storage(pa.uuid(), storage)
        case Booleans():
            return pa.array(column.data, mask=null)
        case Integers():
            numbers, kind = _INTEGERS[column.width]
            return _array(kind, column.data.astype(numbers), null)
        case Timestamps():
            return _array(pa.timestamp("us", "UTC"), column.data + _MICROSECONDS_TO_2000, null)
        case Dates():
            return _array(pa.date32(), (column.data + _DAYS_TO_2000).astype(np.int32), null)
        case Numerics():
            # 128 bits, the lower half first; the sign fills the upper one.
            halves = np.stack([column.data, column.data >> 63], axis=1)
            return _array(pa.decimal128(18, column.scale), halves, null)


def _array(kind: Any, data: NDArray[Any], null: Mask | None) -> Any:
    """An Arrow array from its buffers: pyarrow.array() imports pandas to look at a list."""
    valid = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.Array.from_buffers(kind, len(data), [valid, pa.py_buffer(np.ascontiguousarray(data))])
