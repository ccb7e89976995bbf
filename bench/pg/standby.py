"""A hot standby of a cluster of ours: a base backup that streams from it, in a directory of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import ServerError
from bench.pg.account import server_account
from bench.pg.binaries import Installation
from bench.pg.cluster import (
    await_connection,
    data_root,
    new_layout,
    remove,
    start_postmaster,
    stop_started,
)
from bench.pg.endpoint import Endpoint
from bench.pg.initialise import last_lines, program_environment
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
