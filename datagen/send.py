"""One shard over one connection, block by block: a block is generated, then sent.

What the connection holds keeps the server busy while the next block is generated. A thread that generates
beside the one that sends was not faster for certain, with a core to spare or without: in a block's middle,
each turn that somebody else takes leaves the processor's caches full of others' data.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.errors import Interrupted, ServerError
from datagen.blocks import BLOCK_ROWS, Shard, binary_block, blocks, count_dirt
from datagen.catalog import qualified
from datagen.encode import HEADER, TRAILER, Buffer
from datagen.ledger import ShardResult, claim, record
from datagen.parallel import Connection, connect
from datagen.spec import Plan
from datagen.tables import TABLES

_MESSAGE_BYTES = 32 * 1024
"""The server reads a message as a whole before it takes a row from it: one that fits its core's cache."""

_SPARE: deque[Buffer] = deque()
"""Buffers that shards have left."""


def load_shard(conninfo: str, plan: Plan, shard: Shard, block_rows: int = BLOCK_ROWS) -> ShardResult:
    """COPY a shard over a connection of its own: all that an executor of any kind has to call.

    May be tried again at any time, by anyone: the ledger, which must exist, keeps it from being loaded twice.
    """
    with connect(conninfo) as conn:
        return send_shard(conn, plan, shard, lambda rows, size: None, threading.Event(), block_rows)


def send_shard(
    conn: Connection,
    plan: Plan,
    shard: Shard,
    report: Callable[[int, int], None],
    stop: threading.Event,
    block_rows: int = BLOCK_ROWS,
) -> ShardResult:
    """COPY a shard and enter it into the ledger, in one transaction; return the entry if it is there already.

    ``report`` gets rows and bytes of every block, ``stop`` ends it early. Raises ServerError, naming table
    and bytes, where the server refuses the rows.
    """
    tally = _Tally(shard)
    try:
        with conn.transaction():
            loaded = claim(conn, shard)
            if loaded is not None:
                report(loaded.rows, 0)
                return loaded
            with conn.cursor() as cursor:
                result = _copy(cursor, plan, tally, report, stop, block_rows)
            record(conn, result)
            return result
    except psycopg.Error as error:
        doing = f"loading {shard.table} after {tally.bytes / 1e6:.1f} MB of this shard"
        raise server_error(error, doing) from error


@dataclass(slots=True)
class _Tally:
    shard: Shard
    bytes: int = 0


def _copy(
    cursor: psycopg.Cursor[TupleRow],
    plan: Plan,
    tally: _Tally,
    report: Callable[[int, int], None],
    stop: threading.Event,
    block_rows: int,
) -> ShardResult:
    shard = tally.shard
    frozen = shard.count == plan.rows[shard.table]
    if frozen:
        # The rows need no vacuum where nobody else can have seen the table's file.
        cursor.execute(sql.SQL("TRUNCATE {}").format(qualified(shard.table)))
    dirt: Counter[str] = Counter()
    with _spare_buffer() as buffer, cursor.copy(copy_statement(shard.table, frozen=frozen)) as copy:
        copy.write(HEADER)
        for block in blocks(plan, shard, block_rows):
            if stop.is_set():
                raise Interrupted("the load was stopped")
            sent = tally.bytes
            for piece in binary_block(block, buffer):
                for message in messages(piece):
                    copy.write(message)
                tally.bytes += len(piece)
            dirt.update(count_dirt(block))
            report(len(block.rows), tally.bytes - sent)
        copy.write(TRAILER)
    return ShardResult(shard, cursor.rowcount, tally.bytes, dict(dirt))


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


def server_error(error: psycopg.Error, doing: str) -> ServerError:
    """The server's refusal as an error for the user, with what was going on."""
    text = (error.diag.message_primary or str(error)).strip()
    message = f"{doing}: {text}" + (f" ({error.sqlstate})" if error.sqlstate else "")
    if isinstance(error, psycopg.errors.DiskFull):
        return ServerError(message, "free space on the server's disk, or load less: --scale, --rows")
    return ServerError(message, error.diag.message_hint or error.diag.message_detail)


def copy_statement(table: str, *, into: str | None = None, frozen: bool = False) -> sql.Composed:
    """COPY for the rows of a table, into another one of the same columns if one is named."""
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in TABLES[table].columns)
    options = sql.SQL("FORMAT binary, FREEZE" if frozen else "FORMAT binary")
    return sql.SQL("COPY {} ({}) FROM STDIN ({})").format(qualified(into or table), columns, options)
