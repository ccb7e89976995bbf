"""A hot standby of a cluster of ours: a base backup that streams from it, in a directory of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from bench.errors import ServerError
from bench.pg.account import server_account
from bench.pg.binaries import Installation
from bench.pg.cluster import (
    await_connection,
    data_root,
    last_lines,
    new_layout,
    program_environment,
    remove,
    start_postmaster,
    stop_started,
)
from bench.pg.endpoint import Endpoint
from bench.pg.lease import end_lease, write_lease
from bench.pg.settings import format_settings

BACKUP_TIMEOUT_S = 600.0


@contextmanager
def running_standby(installation: Installation, primary: Endpoint) -> Iterator[Endpoint]:
    """Copy the primary, start the copy as its standby, and stop and remove it at the end.

    ServerError where the backup or the start fails; the server's or the program's last lines say why.
    """
    account = server_account()
    layout = new_layout(data_root(account, durable=True))
    lease = write_lease("cluster", {"root": str(layout.root), "socket": str(layout.socket)})
    try:
        for directory in {layout.root, layout.socket}:
            directory.mkdir(mode=0o700)
            account.own(directory)
        parameters = primary.parameters
        done = subprocess.run(
            [
                installation.bindir / "pg_basebackup",
                f"--pgdata={layout.data}",
                f"--host={parameters['host']}",
                f"--port={parameters.get('port', '5432')}",
                f"--username={parameters['user']}",
                "--no-password",
                "--checkpoint=fast",
                "--wal-method=stream",
                "--no-sync",
                "--no-manifest",
                "--write-recovery-conf",
            ],
            cwd="/",
            env=program_environment(),
            capture_output=True,
            text=True,
            timeout=BACKUP_TIMEOUT_S,
            check=False,
            start_new_session=True,
            **account.process(),
        )
        if done.returncode != 0:
            raise ServerError(
                f"pg_basebackup failed: {last_lines(done.stderr)}",
                f"check that {layout.root.parent} has room for a second copy of the server",
            )
        own = {"unix_socket_directories": str(layout.socket), "hot_standby": "on"}
        with (layout.data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.write(format_settings(own))
        endpoint = Endpoint(dict(parameters) | {"host": str(layout.socket)})
        process = start_postmaster(installation, account, layout)
        try:
            await_connection(process, endpoint, layout)
            yield endpoint
        finally:
            stop_started(process)
    finally:
        if remove(layout):
            end_lease(lease)


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
