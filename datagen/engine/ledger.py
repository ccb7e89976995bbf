"""The ledger of a load, in the target database: what was planned, what was taken away, which shards are in.

A shard's row is written in the transaction of its COPY, so that a shard is in its table exactly once, however
often it is tried. The ledger goes when the load is complete; one that is found is of a load that broke off.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import psycopg
from psycopg.rows import TupleRow

from datagen import GENERATOR_VERSION
from datagen.engine.blocks import Shard
from datagen.engine.catalog import Key, Trigger
from datagen.engine.parallel import APPLICATION, Connection
from datagen.engine.plan import Plan
from datagen.engine.words import faker_version
from datagen.errors import ServerError, UsageError

_LOCK = 0x70677265_68656172
"""Advisory lock of the one load that a database can have at a time."""
_ORPHANS_DEADLINE_S = 30

_CREATE = """
CREATE SCHEMA pgrehearse_ledger;
CREATE TABLE pgrehearse_ledger.load (plan jsonb NOT NULL, keys jsonb NOT NULL, triggers jsonb NOT NULL);
CREATE TABLE pgrehearse_ledger.shards (
    "table" text, first int8, count int8 NOT NULL, rows int8, bytes int8, dirt jsonb,
    PRIMARY KEY ("table", first)
)
"""
_CLAIM = """
INSERT INTO pgrehearse_ledger.shards ("table", first, count) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""
_RECORD = """
UPDATE pgrehearse_ledger.shards SET rows = %s, bytes = %s, dirt = %s
WHERE "table" = %s AND first = %s
"""
_READ = 'SELECT "table", first, count, rows, bytes, dirt FROM pgrehearse_ledger.shards'
_DROP = """
DROP TABLE pgrehearse_ledger.shards, pgrehearse_ledger.load;
DROP SCHEMA pgrehearse_ledger
"""


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What one shard put into its table."""

    shard: Shard
    rows: int
    bytes: int
    """Bytes sent."""
    dirt: dict[str, int]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What an unfinished load has left to the next one."""

    keys: tuple[Key, ...]
    """Keys as they were before the load."""
    triggers: tuple[Trigger, ...]
    done: tuple[ShardResult, ...]


def lock_load(conn: Connection) -> None:
    """Be the only load of this database until the connection ends, and end what a dead one left running.

    Raises UsageError while another load is at work, ServerError where its leftovers do not end.
    """
    if conn.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone() != (True,):
        raise UsageError(
            f"another load is at work in database {conn.info.dbname}", "wait for it, or end its process"
        )
    ended = conn.execute(
        "SELECT bool_and(pg_terminate_backend(pid, %s)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = current_user AND application_name = %s"
        " AND pid <> pg_backend_pid()",
        [_ORPHANS_DEADLINE_S * 1000, APPLICATION],
    ).fetchone()
    if ended == (False,):
        raise ServerError(
            f"sessions of a load that broke off did not end within {_ORPHANS_DEADLINE_S} s",
            f"look for application_name {APPLICATION!r} in pg_stat_activity",
        )


def create_ledger(conn: Connection, plan: Plan, keys: Sequence[Key], triggers: Sequence[Trigger]) -> None:
    """Begin a load; to be called in the transaction that takes the keys away."""
    conn.execute(_CREATE)
    conn.execute(
        "INSERT INTO pgrehearse_ledger.load VALUES (%s, %s, %s)",
        [
            _described(plan),
            json.dumps([asdict(key) for key in keys]),
            json.dumps([asdict(trigger) for trigger in triggers]),
        ],
    )


def read_ledger(conn: Connection, plan: Plan) -> Ledger | None:
    """What a load of the same plan left unfinished, None where there was none.

    Raises UsageError where the unfinished load was of another plan.
    """
    if conn.execute("SELECT to_regclass('pgrehearse_ledger.load')").fetchone() == (None,):
        return None
    found = conn.execute(
        "SELECT plan = %s::jsonb, plan::text, keys, triggers FROM pgrehearse_ledger.load", [_described(plan)]
    ).fetchone()
    assert found is not None
    same, other, keys, triggers = found
    if not same:
        raise UsageError(
            f"database {conn.info.dbname} holds an unfinished load of another plan: {other}",
            "repeat that load with the same options to complete it, or create the schema again",
        )
    return Ledger(
        tuple(Key(**key) for key in keys),
        tuple(Trigger(**trigger) for trigger in triggers),
        tuple(_result(row) for row in conn.execute(_READ).fetchall()),
    )


def drop_ledger(conn: Connection) -> None:
    """The load is complete, or undone."""
    conn.execute(_DROP)


def claim(conn: Connection, shard: Shard) -> ShardResult | None:
    """Take a shard for the present transaction; what it holds already where somebody has loaded it.

    Waits for another transaction that has claimed the same shard, and takes it over if that one fails.
    """
    if conn.execute(_CLAIM, [shard.table, shard.first, shard.count]).rowcount:
        return None
    row = conn.execute(_READ + ' WHERE "table" = %s AND first = %s', [shard.table, shard.first]).fetchone()
    return _result(row)


def record(conn: Connection, result: ShardResult) -> None:
    """Complete a claimed shard's row."""
    where = [result.shard.table, result.shard.first]
    conn.execute(_RECORD, [result.rows, result.bytes, json.dumps(result.dirt), *where])


def _result(row: TupleRow | None) -> ShardResult:
    if row is None:
        raise psycopg.errors.NoDataFound("a shard has vanished from the ledger")
    table, first, count, *rest = row
    return ShardResult(Shard(table, first, count), *rest)


def _described(plan: Plan) -> str:
    return json.dumps(plan.described() | {"generator": GENERATOR_VERSION, "faker": faker_version()})
