"""Columns → Parquet, with the types that PostgreSQL's have there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from datagen.blocks import Shard, blocks
from datagen.spec import Plan
from datagen.streams import Mask
from datagen.tables import TABLES
from datagen.text import text_column
from datagen.values import Booleans, Dates, Integers, Numerics, Texts, Timestamps, Uuids, Values

GROUP_ROWS = 65_536

_DAYS_TO_2000 = 10_957
"""From Arrow's origin, 1970."""
_MICROSECONDS_TO_2000 = _DAYS_TO_2000 * 86_400_000_000
_INTEGERS = {2: (np.int16, pa.int16()), 4: (np.int32, pa.int32()), 8: (np.int64, pa.int64())}


def write_parquet(file: BinaryIO, plan: Plan, table: str) -> Iterator[int]:
    """Write a table, one row group per GROUP_ROWS rows; yields the rows of each."""
    columns = TABLES[table].columns
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
