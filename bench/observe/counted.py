"""How often each text ran inside a statement and how long it took, as pg_stat_statements counts it."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow, class_row

from bench.pg.catalog import load_query


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
