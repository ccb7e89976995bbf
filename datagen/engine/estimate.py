"""What a plan amounts to, from a short trial on this machine and, where there is one, on the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log

import psycopg
from psycopg import sql

from datagen.engine.blocks import Shard, binary_block, blocks
from datagen.engine.catalog import Key, qualified, read_keys, require_tables
from datagen.engine.encode import HEADER, TRAILER
from datagen.engine.parallel import Connection, connect
from datagen.engine.plan import Plan
from datagen.engine.send import copy_statement, messages
from datagen.engine.warm import warm_up
from datagen.errors import server_error

TRIAL_ROWS = 32 * 1024
_SCHEMA = "pgrehearse_trial"


@dataclass(frozen=True, slots=True)
class TableEstimate:
    """One table of a plan."""

    name: str
    rows: int
    bytes: int
    """Bytes to send, from those of the trial's rows."""
    encode_s: float
    """Seconds to generate them on one core."""
    copy_s: float | None = None
    """Seconds of one stream to load them; None without a server."""
    index_s: float | None = None
    """Seconds of one stream to build the table's keys and indexes; they grow as sorting does."""


def estimate(plan: Plan, conninfo: str | None = None) -> tuple[TableEstimate, ...]:
    """Generate some rows of every table, load them if there is a server, and multiply.

    What is loaded goes into tables like the database's own, in a transaction that is rolled back. Raises
    UsageError where the database has not the tables, ServerError where it refuses.
    """
    warm_up(plan)
    if conninfo is None:
        return tuple(_generated(plan, table) for table in plan.rows)
    with connect(conninfo) as conn:
        require_tables(conn, plan)
        keys = read_keys(conn, list(plan.rows))
        try:
            with conn.transaction(force_rollback=True):
                conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(_SCHEMA)))
                return tuple(_loaded(conn, plan, table, keys) for table in plan.rows)
        except psycopg.Error as error:
            raise server_error(error, "trying the load") from error


def expected(tables: Sequence[TableEstimate], streams: int) -> float:
    """Seconds until the tables are loaded and indexed by so many streams that have a core each."""
    work = sum(t.encode_s + (t.copy_s or 0.0) + (t.index_s or 0.0) for t in tables)
    # One constraint after another is built on a table, by one stream.
    longest = max((t.index_s or 0.0 for t in tables), default=0.0)
    return max(work / streams, longest)


def _trial(plan: Plan, table: str) -> Shard:
    rows = plan.rows[table]
    count = min(rows, TRIAL_ROWS)
    return Shard(table, (rows - count) // 2, count)


def _generated(plan: Plan, table: str) -> TableEstimate:
    shard, rows = _trial(plan, table), plan.rows[table]
    size = 0

    def generate() -> None:
        nonlocal size
        size = sum(len(piece) for block in blocks(plan, shard) for piece in binary_block(block))

    share = rows / shard.count if shard.count else 0
    seconds = _seconds(generate)
    return TableEstimate(table, rows, round(size * share), seconds * share)


def _loaded(conn: Connection, plan: Plan, table: str, keys: list[Key]) -> TableEstimate:
    estimated, shard, rows = _generated(plan, table), _trial(plan, table), plan.rows[table]
    if not shard.count:
        return replace(estimated, copy_s=0.0, index_s=0.0)
    copy = f"{_SCHEMA}.{table.partition('.')[2]}"
    like = "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING GENERATED)"
    conn.execute(sql.SQL(like).format(qualified(copy), qualified(table)))
    pieces = (piece for block in blocks(plan, shard) for piece in binary_block(block))
    data = [bytes(message) for piece in pieces for message in messages(piece)]

    def send() -> None:
        with conn.cursor() as cursor, cursor.copy(copy_statement(plan, table, into=copy)) as sink:
            for message in (HEADER, *data, TRAILER):
                sink.write(message)

    share = rows / shard.count
    copy_s = _seconds(send) * share
    statements = [_moved(key, copy) for key in keys if key.table == table and not key.is_foreign]

    def build() -> None:
        for statement in statements:
            conn.execute(statement)

    growth = log(max(rows, 2)) / log(max(shard.count, 2))
    return replace(estimated, copy_s=copy_s, index_s=_seconds(build) * share * growth)


def _moved(key: Key, table: str) -> sql.Composed:
    """The key's definition on another table."""
    if key.kind == "i":
        _, _, use = key.definition.partition(" USING ")
        unique = "UNIQUE " if key.definition.startswith("CREATE UNIQUE ") else ""
        return sql.SQL(f"CREATE {unique}INDEX ON {{}} USING {use}").format(qualified(table))
    return sql.SQL(f"ALTER TABLE {{}} ADD {key.definition}").format(qualified(table))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
