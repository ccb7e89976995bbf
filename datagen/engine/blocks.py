"""Shards, the unit of work: a stretch of one table's rows, generated block by block."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from datagen.engine.columns import Block, columns_of, dirt, fields
from datagen.engine.encode import Buffer, encode_rows
from datagen.engine.plan import Plan

BLOCK_ROWS = 8192
"""About what is generated in the time in which the server takes what a Unix socket holds."""
LONG_BLOCK_ROWS = 4 * BLOCK_ROWS
"""Less time per row, where the core has other work while the server waits."""
SHARD_ROWS = 256 * 1024
WHOLE_ROWS = 16 * SHARD_ROWS


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows ``first`` to ``first + count - 1`` of a table."""

    table: str
    first: int
    count: int


def shards(plan: Plan, rows: int = SHARD_ROWS, whole: Collection[str] = ()) -> list[Shard]:
    """The whole plan in shards of at most ``rows`` rows, those with most columns to fill first.

    The tables ``whole`` are one shard each.
    """
    parts = [
        Shard(table, first, min(size, count - first))
        for table, count in plan.rows.items()
        for size in (max(count, 1) if table in whole else rows,)
        for first in range(0, count, size)
    ]
    return sorted(parts, key=lambda shard: -_weight(plan, shard))


def shards_of(plan: Plan, streams: int, whole: Collection[str] = ()) -> list[Shard]:
    """Enough shards that the streams end together, and not so many that transactions count."""
    return shards(plan, min(max(plan.total_rows // (streams * 12), BLOCK_ROWS), SHARD_ROWS), whole)


def block_rows(streams: int) -> int:
    """How long the blocks of so many streams are best, on the cores of this machine."""
    return BLOCK_ROWS if streams < (os.cpu_count() or 1) else LONG_BLOCK_ROWS


def whole_tables(plan: Plan, streams: int) -> set[str]:
    """Tables that one stream can load while the others load the rest: their rows can be frozen as they come.

    Not the largest ones, of which too much would have to be loaded again after an interruption.
    """
    weights = {table: _weight(plan, Shard(table, 0, count)) for table, count in plan.rows.items()}
    share = sum(weights.values()) / streams
    return {table for table, count in plan.rows.items() if weights[table] <= share and count <= WHOLE_ROWS}


def _weight(plan: Plan, shard: Shard) -> int:
    return shard.count * len(columns_of(plan, shard.table))


def uncovered(wanted: Sequence[Shard], done: Sequence[Shard]) -> list[Shard]:
    """What is left of the wanted shards once others, perhaps of another size, are in their tables."""
    left: list[Shard] = []
    for shard in wanted:
        first, end = shard.first, shard.first + shard.count
        for other in sorted(
            (other for other in done if other.table == shard.table), key=lambda other: other.first
        ):
            if other.first < end and other.first + other.count > first:
                if other.first > first:
                    left.append(Shard(shard.table, first, other.first - first))
                first = min(other.first + other.count, end)
        if first < end:
            left.append(Shard(shard.table, first, end - first))
    return left


def blocks(plan: Plan, shard: Shard, rows: int = BLOCK_ROWS) -> Iterator[Block]:
    """The shard's rows, at most ``rows`` at a time."""
    for first in range(shard.first, shard.first + shard.count, rows):
        last = min(first + rows, shard.first + shard.count)
        yield Block(plan, shard.table, np.arange(first, last, dtype=np.int64))


def binary_block(block: Block, buffer: Buffer | None = None) -> Iterator[memoryview]:
    """The block's rows in COPY's binary format, without header and trailer, in pieces; see encode_rows."""
    return encode_rows(fields(block), buffer)


def count_dirt(block: Block) -> dict[str, int]:
    """Dirty rows of the block by ``table.kind``."""
    kinds = block.plan.data.dirt.get(block.table, ())
    counts = np.bincount(dirt(block)[1], minlength=len(kinds))
    name = block.table.removeprefix("public.")
    return {f"{name}.{kind}": int(count) for kind, count in zip(kinds, counts, strict=True) if count}
