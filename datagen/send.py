"""One shard over one connection: the next blocks are generated while the server takes the last one."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TypeAlias

import psycopg
from psycopg import sql

from bench.errors import Interrupted, ServerError
from datagen.blocks import Shard, binary_block, blocks, count_dirt
from datagen.catalog import qualified
from datagen.encode import HEADER, TRAILER, Buffer
from datagen.ledger import ShardResult, claim, record
from datagen.parallel import Connection, connect
from datagen.spec import Plan
from datagen.tables import TABLES

_BUFFERS = 3
"""One that is sent, one that is filled, and one between them."""
_MESSAGE_BYTES = 256 * 1024
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class _Encoded:
    rows: int
    data: memoryview
    buffer: Buffer
    """What holds the data, to be filled again."""
    dirt: dict[str, int]


_Item: TypeAlias = _Encoded | BaseException | None
_Ready: TypeAlias = Queue[_Item]
_Free: TypeAlias = Queue[Buffer]


_SPARE: _Free = Queue()


def load_shard(conninfo: str, plan: Plan, shard: Shard) -> ShardResult:
    """COPY a shard over a connection of its own: all that an executor of any kind has to call.

    May be tried again at any time, by anyone: the ledger, which must exist, keeps it from being loaded twice.
    """
    with connect(conninfo) as conn:
        return send_shard(conn, plan, shard, lambda rows, size: None, threading.Event())


def send_shard(
    conn: Connection, plan: Plan, shard: Shard, report: Callable[[int, int], None], stop: threading.Event
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
            result = _copy(conn, plan, tally, report, stop)
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
    conn: Connection, plan: Plan, tally: _Tally, report: Callable[[int, int], None], stop: threading.Event
) -> ShardResult:
    ready: _Ready = Queue()
    free: _Free = Queue()
    for _ in range(_BUFFERS):
        free.put(_spare_buffer())
    done = threading.Event()
    generator = threading.Thread(target=_generate, args=(plan, tally.shard, free, ready, done), daemon=True)
    generator.start()
    dirt: Counter[str] = Counter()
    try:
        with conn.cursor() as cursor:
            frozen = tally.shard.count == plan.rows[tally.shard.table]
            if frozen:
                # The rows need no vacuum where nobody else can have seen the table's file.
                cursor.execute(sql.SQL("TRUNCATE {}").format(qualified(tally.shard.table)))
            with cursor.copy(copy_statement(tally.shard.table, frozen=frozen)) as copy:
                copy.write(HEADER)
                while encoded := _next(ready, stop):
                    for start in range(0, len(encoded.data), _MESSAGE_BYTES):
                        copy.write(encoded.data[start : start + _MESSAGE_BYTES])
                    tally.bytes += len(encoded.data)
                    dirt.update(encoded.dirt)
                    report(encoded.rows, len(encoded.data))
                    free.put(encoded.buffer)
                copy.write(TRAILER)
            return ShardResult(tally.shard, cursor.rowcount, tally.bytes, dict(dirt))
    finally:
        done.set()
        generator.join()
        with suppress(Empty):
            while True:
                _SPARE.put(free.get_nowait())


def _spare_buffer() -> Buffer:
    """One that an earlier shard has left, or a new one."""
    try:
        return _SPARE.get_nowait()
    except Empty:
        return Buffer()


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


def _generate(plan: Plan, shard: Shard, free: _Free, ready: _Ready, done: threading.Event) -> None:
    """Fill one buffer after another, then a None; what goes wrong is handed to the sender."""
    try:
        for block in blocks(plan, shard):
            buffer = _buffer(free, done)
            if buffer is None:
                return
            data = binary_block(block, buffer)
            ready.put(_Encoded(len(block.rows), data, buffer, count_dirt(block)))
        ready.put(None)
    except BaseException as error:  # raised again in the sender
        ready.put(error)


def _buffer(free: _Free, done: threading.Event) -> Buffer | None:
    """A buffer whose bytes have been sent; None once nobody sends any more."""
    while not done.is_set():
        with suppress(Empty):
            return free.get(timeout=_POLL_S)
    return None


def _next(queue: _Ready, stop: threading.Event) -> _Encoded | None:
    while not stop.is_set():
        try:
            item = queue.get(timeout=_POLL_S)
        except Empty:
            continue
        if isinstance(item, BaseException):
            raise item
        return item
    raise Interrupted("the load was stopped")
