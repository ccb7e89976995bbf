"""A copy of a running cluster's data directory: a low-level base backup, with the WAL that it needs.

https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

_EMPTIED = frozenset(
    (
        "pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial",
        "pg_snapshots", "pg_stat_tmp", "pg_subtrans", "pg_wal",
    )
)  # fmt: skip
"""Directories whose contents belong to the running server, and are made anew."""
_LEFT_OUT = frozenset(
    ("postmaster.pid", "postmaster.opts", "pg_internal.init", "backup_label", "current_logfiles")
)
_START = {
    True: "SELECT pg_walfile_name(pg_backup_start('pgrehearse', true))",
    False: "SELECT pg_walfile_name(pg_start_backup('pgrehearse', true, false))",
}
_STOP = {
    True: "SELECT labelfile, pg_walfile_name(lsn) FROM pg_backup_stop(false)",
    False: "SELECT labelfile, pg_walfile_name(lsn) FROM pg_stop_backup(false, false)",
}
"""By whether the server is 15 or newer, which renamed both."""


def back_up(
    conn: psycopg.Connection[TupleRow], target: Path, copy: Callable[[list[tuple[Path, Path]]], None]
) -> None:
    """Copy the data directory of a server on this machine to a directory; ``copy`` copies (from, to) files.

    A server that starts on the copy recovers from the backup's label first. Tablespaces are not followed,
    and unlogged tables come up empty. Raises psycopg.Error where the role may not, OSError from ``copy``.
    """
    newer = conn.info.server_version >= 150000
    data = Path(_row(conn, "SHOW data_directory")[0])
    first = _row(conn, _START[newer])[0]
    files = []
    for path, is_directory in _walk(data, Path()):
        if is_directory:
            (target / path).mkdir()
        else:
            files.append((data / path, target / path))
    copy(files)
    label, last = _row(conn, _STOP[newer])
    segments = [path for path in (data / "pg_wal").iterdir() if len(path.name) == len(first)]
    copy([(path, target / "pg_wal" / path.name) for path in segments if first <= path.name <= last])
    (target / "pg_wal" / "archive_status").mkdir()
    (target / "backup_label").write_text(label, encoding="utf-8")


def _walk(data: Path, below: Path) -> Iterator[tuple[Path, bool]]:
    """Paths below the data directory, and whether each is a directory; parents first."""
    for entry in sorted((data / below).iterdir()):
        path = below / entry.name
        if entry.name.startswith("pgsql_tmp") or entry.name in _LEFT_OUT:
            continue
        if not entry.is_dir():
            yield path, False
            continue
        yield path, True
        if str(path) not in _EMPTIED:
            yield from _walk(data, path)


def _row(conn: psycopg.Connection[TupleRow], query: str) -> TupleRow:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row
