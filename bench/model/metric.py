"""Counters of one statement, read from the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counters:
    """What a statement cost besides time; each is None where the server could not say.

    Blocks are 8 KiB pages. All but ``size_delta_bytes`` come from pg_stat_statements.
    """

    wal_bytes: int | None = None
    wal_records: int | None = None
    wal_fpi: int | None = None
    """Full-page images written to WAL."""
    blocks_hit: int | None = None
    blocks_read: int | None = None
    blocks_dirtied: int | None = None
    temp_bytes: int | None = None
    """Bytes written to temporary files: more than 0 means a sort or hash did not fit work_mem."""
    size_delta_bytes: int | None = None
    """Growth of the database on disk."""
