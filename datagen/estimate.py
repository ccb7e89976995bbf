"""What a plan amounts to, from a short trial on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from datagen.blocks import BLOCK_ROWS, Shard, binary_block, blocks, warm_up
from datagen.spec import Plan


@dataclass(frozen=True, slots=True)
class TableEstimate:
    """One table of a plan."""

    name: str
    rows: int
    bytes: int
    """Bytes to send, from those of the trial's rows."""
    encode_s: float
    """Seconds to generate them on one core."""


def estimate(plan: Plan) -> tuple[TableEstimate, ...]:
    """Generate one block of every table and multiply."""
    warm_up(plan)
    return tuple(_trial(plan, table, rows) for table, rows in plan.rows.items())


def _trial(plan: Plan, table: str, rows: int) -> TableEstimate:
    count = min(rows, BLOCK_ROWS)
    shard = Shard(table, (rows - count) // 2, count)
    started = time.perf_counter()
    size = sum(len(binary_block(block)) for block in blocks(plan, shard))
    elapsed = time.perf_counter() - started
    share = rows / count if count else 0
    return TableEstimate(table, rows, round(size * share), elapsed * share)
