"""One shard over one connection: the next blocks are generated while the server takes the last one."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import TypeAlias

import psycopg
from psycopg import sql

from bench.errors import Interrupted, ServerError
from datagen.blocks import Shard, binary_block, blocks, count_dirt
from datagen.encode import HEADER, TRAILER
from datagen.parallel import Connection
from datagen.spec import Plan
from datagen.tables import TABLES

_AHEAD = 3
_MESSAGE_BYTES = 256 * 1024
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What one shard put into its table."""

    shard: Shard
    rows: int
    bytes: int
    """Bytes sent."""
    dirt: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Encoded:
    rows: int
    data: memoryview
    dirt: dict[str, int]


_Item: TypeAlias = _Encoded | BaseException | None
_Queue: TypeAlias = Queue[_Item]


def send_shard(
    conn: Connection, plan: Plan, shard: Shard, report: Callable[[int, int], None], stop: threading.Event
) -> ShardResult:
    """COPY a shard in one transaction; ``report`` gets rows and bytes of every block, ``stop`` ends it early.

    Raises ServerError, naming table and bytes, where the server refuses the rows.
    """
    queue: _Queue = Queue(_AHEAD)
    done = threading.Event()
    generator = threading.Thread(target=_generate, args=(plan, shard, queue, done), daemon=True)
    generator.start()
    sent = 0
    dirt: Counter[str] = Counter()
    try:
        with conn.cursor() as cursor:
            with cursor.copy(_copy_statement(shard.table)) as copy:
                copy.write(HEADER)
                while encoded := _next(queue, stop):
                    for start in range(0, len(encoded.data), _MESSAGE_BYTES):
                        copy.write(encoded.data[start : start + _MESSAGE_BYTES])
                    sent += len(encoded.data)
                    dirt.update(encoded.dirt)
                    report(encoded.rows, len(encoded.data))
                copy.write(TRAILER)
            return ShardResult(shard, cursor.rowcount, sent, dict(dirt))
    except psycopg.Error as error:
        raise server_error(error, f"loading {shard.table} after {sent / 1e6:.1f} MB of this shard") from error
    finally:
        done.set()
        generator.join()


def server_error(error: psycopg.Error, doing: str) -> ServerError:
    """The server's refusal as an error for the user, with what was going on."""
    text = (error.diag.message_primary or str(error)).strip()
    message = f"{doing}: {text}" + (f" ({error.sqlstate})" if error.sqlstate else "")
    if isinstance(error, psycopg.errors.DiskFull):
        return ServerError(message, "free space on the server's disk, or load less: --scale, --rows")
    return ServerError(message, error.diag.message_hint or error.diag.message_detail)


def _copy_statement(table: str) -> sql.Composed:
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in TABLES[table].columns)
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(*table.split(".", 1)), columns
    )


def _generate(plan: Plan, shard: Shard, queue: _Queue, done: threading.Event) -> None:
    """Fill the queue, then a None; what goes wrong is handed to the sender."""
    try:
        for block in blocks(plan, shard):
            if not _put(queue, _Encoded(len(block.rows), binary_block(block), count_dirt(block)), done):
                return
        _put(queue, None, done)
    except BaseException as error:  # raised again in the sender
        _put(queue, error, done)


def _put(
    queue: _Queue,
    item: _Item,
    done: threading.Event,
) -> bool:
    while not done.is_set():
        try:
            queue.put(item, timeout=_POLL_S)
        except Full:
            continue
        return True
    return False


def _next(queue: _Queue, stop: threading.Event) -> _Encoded | None:
    while not stop.is_set():
        try:
            item = queue.get(timeout=_POLL_S)
        except Empty:
            continue
        if isinstance(item, BaseException):
            raise item
        return item
    raise Interrupted("the load was stopped")
