"""Which lock_timeout was in force."""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow


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
