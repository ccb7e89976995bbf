"""What statements cost, read from pg_stat_statements and the size of the database."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow, class_row

from bench.model.metric import Counters
from bench.pg.catalog import load_query


@dataclass(frozen=True, slots=True)
class CounterReading:
    """Running totals of one database."""

    wal_bytes: int
    wal_records: int
    wal_fpi: int
    blocks_hit: int
    blocks_read: int
    blocks_dirtied: int
    temp_bytes: int


class CounterReader:
    """Reads the totals of one database from a connection to another one.

    pg_stat_statements counts for the whole server, so its functions need not be in the database that the
    migrations change: nothing is added to that.
    """

    def __init__(self, conn: psycopg.Connection[TupleRow], dbname: str, *, statements: bool) -> None:
        """``statements`` False: this server cannot say what statements cost, only how large things are."""
        self._conn = conn
        self._cursor = conn.cursor(row_factory=class_row(CounterReading))
        self._sql = load_query("statement_counters", conn.info.server_version)
        self._statements = statements
        row = conn.execute("SELECT oid FROM pg_database WHERE datname = %s", (dbname,)).fetchone()
        assert row is not None, dbname
        self._oid: int = row[0]

    def read(self) -> CounterReading | None:
        """Totals so far; None where they cannot be read."""
        if not self._statements:
            return None
        return self._cursor.execute(self._sql, {"database_oid": self._oid}).fetchone()

    def size_bytes(self) -> int:
        """Bytes of the database on disk; looks at files alone, so it waits for no lock."""
        row = self._conn.execute("SELECT pg_database_size(%s::oid)", (self._oid,)).fetchone()
        assert row is not None
        size: int = row[0]
        return size


def difference(
    before: CounterReading | None, after: CounterReading | None, size_delta_bytes: int | None
) -> Counters:
    """What came between two readings.

    All None but the size where a reading is missing, or where totals fell because the server dropped
    entries of its statistics.
    """
    if before is None or after is None or after.blocks_hit < before.blocks_hit:
        return Counters(size_delta_bytes=size_delta_bytes)
    return Counters(
        wal_bytes=after.wal_bytes - before.wal_bytes,
        wal_records=after.wal_records - before.wal_records,
        wal_fpi=after.wal_fpi - before.wal_fpi,
        blocks_hit=after.blocks_hit - before.blocks_hit,
        blocks_read=after.blocks_read - before.blocks_read,
        blocks_dirtied=after.blocks_dirtied - before.blocks_dirtied,
        temp_bytes=after.temp_bytes - before.temp_bytes,
        size_delta_bytes=size_delta_bytes,
    )
