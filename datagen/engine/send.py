"""Shards over one connection, block by block: a block is generated, then sent.

What the connection holds keeps the server busy while the next block is generated, be it the same shard's or
the next one's. A thread that generates beside the one that sends was not faster for certain, with a core to
spare or without: in a block's middle, each turn that somebody else takes leaves the processor's caches full
of others' data.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import psycopg
from psycopg import sql

from datagen.engine.blocks import BLOCK_ROWS, Shard, binary_block, blocks, count_dirt
from datagen.engine.catalog import qualified
from datagen.engine.columns import Block, columns_of
from datagen.engine.encode import HEADER, TRAILER, Buffer
from datagen.engine.ledger import ShardResult, claim, record
from datagen.engine.parallel import Connection, connect
from datagen.engine.plan import Plan
from datagen.engine.warm import compile_apart
from datagen.errors import Interrupted, server_error

_MESSAGE_BYTES = 32 * 1024
"""The server reads a message as a whole before it takes a row from it: one that fits its core's cache."""

Item = TypeVar("Item")

_SPARE: deque[Buffer] = deque()
"""Buffers that shards have left."""


def load_shard(conninfo: str, plan: Plan, shard: Shard, block_rows: int = BLOCK_ROWS) -> ShardResult:
    """COPY a shard over a connection of its own: all that an executor of any kind has to call.

    May be tried again at any time, by anyone: the ledger, which must exist, keeps it from being loaded twice.
    """
    compile_apart(plan)
    with connect(conninfo) as conn:
        (result,) = send_shards(conn, plan, [shard], lambda rows, size: None, threading.Event(), block_rows)
        return result


def send_shards(
    conn: Connection,
    plan: Plan,
    shards: Iterable[Shard],
    report: Callable[[int, int], None],
    stop: threading.Event,
    block_rows: int = BLOCK_ROWS,
) -> Iterator[ShardResult]:
    """COPY shards and enter them into the ledger, a transaction each; yield the entries, old ones too.

    A shard is asked for as soon as the last rows of the one before are sent. ``report`` gets rows and bytes
    of every block, ``stop`` ends it early. Raises ServerError, naming table and bytes, where the server
    refuses the rows.
    """
    with _spare_buffer() as buffer:
        begun = (_Begun(shard, _generated(plan, shard, block_rows, buffer)) for shard in shards)
        current = next(begun, None)
        while current is not None:
            result, current = _send(conn, plan, current, begun, report, stop)
            yield result


@dataclass(slots=True)
class _Begun:
    """A shard whose first block is generated already."""

    shard: Shard
    blocks: Iterator[tuple[Block, Iterable[memoryview]]]
    sent_bytes: int = 0


def _generated(
    plan: Plan, shard: Shard, block_rows: int, buffer: Buffer
) -> Iterator[tuple[Block, Iterable[memoryview]]]:
    """Blocks and their bytes; the first piece of the next block overwrites the last one of a block."""

    def generate() -> Iterator[tuple[Block, Iterable[memoryview]]]:
        for block in blocks(plan, shard, block_rows):
            yield block, _with_first(binary_block(block, buffer))

    return _with_first(generate())


def _with_first(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, the first of them made now."""
    return chain([next(items)], items)


def _send(
    conn: Connection,
    plan: Plan,
    begun: _Begun,
    following: Iterator[_Begun],
    report: Callable[[int, int], None],
    stop: threading.Event,
) -> tuple[ShardResult, _Begun | None]:
    """One shard's transaction; the next shard is begun while the server takes the last rows of this one."""
    shard = begun.shard
    try:
        with conn.transaction():
            loaded = claim(conn, shard)
            if loaded is not None:
                report(loaded.rows, 0)
                return loaded, next(following, None)
            frozen = shard.count == plan.rows[shard.table]
            if frozen:
                # The rows need no vacuum where nobody else can have seen the table's file.
                conn.execute(sql.SQL("TRUNCATE {}").format(qualified(shard.table)))
            with conn.cursor() as cursor:
                with cursor.copy(copy_statement(plan, shard.table, frozen=frozen)) as copy:
                    dirt = _copy(copy, begun, report, stop)
                    upcoming = next(following, None)
                result = ShardResult(shard, cursor.rowcount, begun.sent_bytes, dirt)
            record(conn, result)
            return result, upcoming
    except psycopg.Error as error:
        doing = f"loading {shard.table} after {begun.sent_bytes / 1e6:.1f} MB of this shard"
        raise server_error(error, doing) from error


def _copy(
    copy: psycopg.Copy, begun: _Begun, report: Callable[[int, int], None], stop: threading.Event
) -> dict[str, int]:
    """Send all rows; return how many are dirty, by kind."""
    dirt: Counter[str] = Counter()
    copy.write(HEADER)
    for block, pieces in begun.blocks:
        if stop.is_set():
            raise Interrupted("the load was stopped")
        before = begun.sent_bytes
        for piece in pieces:
            for message in messages(piece):
                copy.write(message)
            begun.sent_bytes += len(piece)
        dirt.update(count_dirt(block))
        report(len(block.rows), begun.sent_bytes - before)
    copy.write(TRAILER)
    return dict(dirt)


@contextmanager
def _spare_buffer() -> Iterator[Buffer]:
    """One that an earlier shard has left, if there is one: fresh memory costs as much as filling it."""
    try:
        buffer = _SPARE.pop()
    except IndexError:
        buffer = Buffer()
    yield buffer
    _SPARE.append(buffer)


def messages(data: memoryview) -> Iterator[memoryview]:
    """Some bytes in the pieces in which they are best sent."""
    for start in range(0, len(data), _MESSAGE_BYTES):
        yield data[start : start + _MESSAGE_BYTES]


def copy_statement(plan: Plan, table: str, *, into: str | None = None, frozen: bool = False) -> sql.Composed:
    """COPY for the rows of a table, into another one of the same columns if one is named."""
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns_of(plan, table))
    options = sql.SQL("FORMAT binary, FREEZE" if frozen else "FORMAT binary")
    return sql.SQL("COPY {} ({}) FROM STDIN ({})").format(qualified(into or table), columns, options)
