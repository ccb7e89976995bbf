"""What statements cost, as the server counts it; how fast the machine is; which lock_timeout was in force."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow, class_row

from bench.model.statement import Counters
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


CALIBRATION_SQL = "SELECT sum(i % 7) FROM generate_series(1, 5000) AS g (i)"
EVERY_S = 0.1


class Calibrator:
    """Runs the calibration query, at most once in :data:`EVERY_S`, so that it costs little itself."""

    def __init__(
        self, conn: psycopg.Connection[TupleRow], source: Callable[[], float] = time.perf_counter
    ) -> None:
        self._conn = conn
        self._source = source
        self._last_at = float("-inf")
        self.readings: list[float] = []

    def reading_s(self) -> float:
        """Seconds that the query took: measured now, or a moment ago."""
        if self._source() - self._last_at >= EVERY_S:
            begin = self._source()
            self._conn.execute(CALIBRATION_SQL)
            self._last_at = self._source()
            self.readings.append(self._last_at - begin)
        return self.readings[-1]


@dataclass(frozen=True, slots=True)
class Counted:
    """One text as pg_stat_statements has it."""

    text: str
    calls: int
    duration_s: float
    rows: int


class CountReader:
    """Reads from another database what pg_stat_statements counted in ``dbname`` since :meth:`reset`."""

    def __init__(self, conn: psycopg.Connection[TupleRow], dbname: str) -> None:
        self._conn = conn
        self._sql = load_query("hidden_statements", conn.info.server_version)
        row = conn.execute("SELECT oid FROM pg_database WHERE datname = %s", (dbname,)).fetchone()
        assert row is not None, dbname
        self._oid: int = row[0]

    def reset(self) -> None:
        """Forget what was counted in this database."""
        self._conn.execute("SELECT pg_stat_statements_reset(0, %s::oid, 0)", (self._oid,))

    def read(self) -> list[Counted]:
        with self._conn.cursor(row_factory=class_row(Counted)) as cursor:
            return cursor.execute(self._sql, {"database_oid": self._oid}).fetchall()


class LockTimeoutReader:
    """Reads lock_timeout on the migration's own connection; its source only when its value changed."""

    def __init__(self, conn: psycopg.Connection[TupleRow]) -> None:
        self._conn = conn
        self._text: str | None = None
        self._known = (0.0, "default")

    def read(self) -> tuple[float, str]:
        """Seconds, 0.0 for none, and the source as pg_settings names it: default, session, database, …"""
        row = self._conn.execute("SELECT current_setting('lock_timeout')").fetchone()
        if row is not None and row[0] != self._text:
            self._text = row[0]
            found = self._conn.execute(
                "SELECT setting::bigint, source FROM pg_settings WHERE name = 'lock_timeout'"
            ).fetchone()
            assert found is not None
            self._known = (found[0] / 1000, found[1])
        return self._known
