"""A fixed piece of work whose time says how fast the machine is at the moment."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
from psycopg.rows import TupleRow

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
