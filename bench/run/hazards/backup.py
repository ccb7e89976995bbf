"""A real pg_dump of the database that is being migrated."""

from __future__ import annotations

import fcntl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg
from psycopg.rows import TupleRow

from bench.pg.binaries import find_installations, read_installation
from bench.pg.server import Server
from bench.run.hazards.scene import (
    GRACE_S,
    NotThereError,
    Scene,
    Setting,
    await_seen,
    clock,
    first_line,
    locked_tables,
)

SMALL_PIPE_BYTES = 4096
READ_BYTES = 1 << 20


def program(server: Server, name: str) -> Path | None:
    """A client program as new as the server; the server's own where it runs on this machine."""
    major = server.info.version_num // 10000
    bindirs = [installation.bindir for installation in find_installations() if installation.major >= major]
    if server.managed and server.superuser:
        with server.connect() as conn:
            row = conn.execute("SELECT setting FROM pg_config() WHERE name = 'BINDIR'").fetchone()
        own = read_installation(Path(row[0])) if row else None
        if own is not None and own.major == major:
            bindirs.insert(0, own.bindir)
    return next((bindir / name for bindir in bindirs if (bindir / name).is_file()), None)


def refusal(server: Server) -> str | None:
    """Why there can be no backup: no program, or one older than the server, which it would refuse."""
    if program(server, "pg_dump") is not None:
        return None
    major = server.info.version_num // 10000
    return f"there is no pg_dump of PostgreSQL {major} or newer on this machine"


@contextmanager
def backup(server: Server, dbname: str, setting: Setting) -> Iterator[Scene]:
    """pg_dump with its output thrown away; it is held at its first bytes until the deploy begins.

    It then lasts as long as it takes: ``length_s`` does not count.
    """
    pg_dump = program(server, "pg_dump")
    if pg_dump is None:
        raise NotThereError(refusal(server) or "there is no pg_dump")
    with server.connect(dbname, application_name="pgrehearse observer") as observer:
        scene = Scene("pg_dump of the whole database, from before the first statement to its end", None)
        with _dumping(pg_dump, server, dbname) as process:
            tables = await_seen(lambda: _locks(observer, process), "the locks of pg_dump")
            scene.evidence = {"mode": "AccessShareLock", "tables": tables}
            stop = threading.Event()
            reader = threading.Thread(target=_drain, args=(process, scene, stop), name="backup", daemon=True)
            reader.start()
            try:
                yield scene
                scene.over = clock()
            finally:
                reader.join(GRACE_S)
                stop.set()
                process.terminate()
                reader.join()


@contextmanager
def _dumping(pg_dump: Path, server: Server, dbname: str) -> Iterator[subprocess.Popen[bytes]]:
    """A pg_dump whose output nobody reads yet, into a pipe that is soon full."""
    import os

    process = subprocess.Popen(
        [pg_dump, "--no-password"],
        env=os.environ | server.environ(dbname),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, SMALL_PIPE_BYTES)
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _locks(observer: psycopg.Connection[TupleRow], process: subprocess.Popen[bytes]) -> list[str] | None:
    """The tables that pg_dump has locked, once it has locked them all and writes."""
    if process.poll() is not None:
        raise NotThereError(f"pg_dump ended before it was seen: {_said(process.stderr)}")
    row = observer.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_dump' AND datname = current_database()"
    ).fetchone()
    tables = locked_tables(observer, row[0], "AccessShareLock") if row else None
    count = observer.execute(
        "SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE "
        "c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    ).fetchone()
    return tables if tables is not None and count is not None and len(tables) >= count[0] else None


def _drain(process: subprocess.Popen[bytes], scene: Scene, stop: threading.Event) -> None:
    assert process.stdout is not None
    size_bytes = 0
    while part := process.stdout.read(READ_BYTES):
        size_bytes += len(part)
    code = process.wait()
    if stop.is_set():
        scene.evidence |= {"bytes": size_bytes, "exit_code": None}
        return
    scene.ended_at = clock()
    scene.evidence |= {"bytes": size_bytes, "exit_code": code}
    if code != 0:
        scene.error = _said(process.stderr)


def _said(stream: IO[bytes] | None) -> str:
    return first_line(stream.read().decode(errors="replace")) if stream is not None else ""
