"""A real hot standby with a reader on it: how far replay falls behind, and what it does to the reader.

https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-CONFLICT
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.errors import ServerError
from bench.pg.account import server_account
from bench.pg.binaries import Installation, read_installation
from bench.pg.cluster import data_root
from bench.pg.endpoint import Endpoint
from bench.pg.server import Server
from bench.pg.standby import running_standby
from bench.run.hazards.scene import (
    GRACE_S,
    NotThereError,
    Scene,
    Setting,
    Table,
    await_seen,
    clock,
    first_line,
    session_state,
    tables_for,
)

SAMPLE_EVERY_S = 0.1
WAL_ROOM_BYTES = 2**30
CATCH_UP_S = 60.0
"""How long the standby is waited for after the deploy."""


def refusal(server: Server) -> str | None:
    """Only a server that we start on this machine lets in a standby of ours."""
    if server.kind not in ("embedded", "cluster"):
        return f"a {server.kind} server has no standby that could be started beside it; --server embedded has"
    if _installation(server) is None:
        return "there is no pg_basebackup beside the server's programs"
    root = data_root(server_account(), durable=True)
    free_bytes, needed_bytes = shutil.disk_usage(root).free, copy_bytes(server)
    if free_bytes < needed_bytes:
        return (
            f"a second copy of the server may take {needed_bytes / 2**20:,.0f} MiB, and {root} has "
            f"{free_bytes / 2**20:,.0f} MiB left"
        )
    return None


def copy_bytes(server: Server) -> int:
    """What a second copy of the server takes: its databases, and room for the WAL that streams meanwhile."""
    with server.connect() as conn:
        row = conn.execute("SELECT sum(pg_database_size(oid))::bigint FROM pg_database").fetchone()
    return WAL_ROOM_BYTES + (int(row[0]) if row else 0)


def _installation(server: Server) -> Installation | None:
    with server.connect() as conn:
        row = conn.execute("SELECT setting FROM pg_config() WHERE name = 'BINDIR'").fetchone()
    installation = read_installation(Path(row[0])) if row else None
    return (
        installation
        if installation is not None and (installation.bindir / "pg_basebackup").is_file()
        else None
    )


@contextmanager
def replica(server: Server, dbname: str, setting: Setting) -> Iterator[Scene]:
    """A standby on which a report of ``length_s`` runs; it is made before, and follows until the end."""
    installation = _installation(server)
    if installation is None:
        raise NotThereError(refusal(server) or "there is no pg_basebackup")
    scene = Scene(
        f"a streaming standby, and on it a SELECT over the tables, open for {setting.length_s:g} s",
        setting.length_s,
    )
    with (
        running_standby(installation, server.endpoint) as standby,
        server.connect(dbname, application_name="pgrehearse observer") as observer,
    ):
        tables = tables_for(observer, setting)
        await_seen(lambda: _streaming(observer), "the standby's WAL receiver")
        with _reading(standby, dbname, tables, scene, setting), _following(server, standby, dbname, scene):
            yield scene


def _streaming(conn: psycopg.Connection[TupleRow]) -> bool | None:
    row = conn.execute("SELECT FROM pg_stat_replication WHERE state = 'streaming'").fetchone()
    return True if row is not None else None


@contextmanager
def _reading(
    standby: Endpoint, dbname: str, tables: list[Table], scene: Scene, setting: Setting
) -> Iterator[None]:
    """A report on the standby, in a thread; it may be cancelled by replay, which is recorded."""
    parts = [
        sql.SQL("(SELECT count(*) FROM (SELECT FROM {} LIMIT 1) AS t)").format(t.identifier) for t in tables
    ]
    query = sql.SQL("SELECT pg_sleep({}), {}").format(
        sql.Literal(setting.length_s), sql.SQL(", ").join(parts)
    )
    stop = threading.Event()
    with (
        standby.connect(dbname, application_name="pgrehearse observer") as observer,
        standby.connect(dbname, application_name="pgrehearse hazard") as conn,
    ):
        pid = conn.info.backend_pid

        def run() -> None:
            begin = clock()
            try:
                conn.execute(query)
            except psycopg.Error as error:
                if not stop.is_set():
                    scene.evidence |= {
                        "reader_cancelled_after_s": clock() - begin,
                        "reader_sqlstate": error.sqlstate,
                    }
                    scene.error = f"the reader on the standby: {first_line(error)}"
            if not stop.is_set():
                scene.ended_at = clock()

        thread = threading.Thread(target=run, name="standby reader", daemon=True)
        thread.start()
        try:
            await_seen(
                lambda: True if session_state(observer, pid) == "active" else None, "the standby's reader"
            )
            yield
        finally:
            thread.join(GRACE_S)
            stop.set()
            while thread.is_alive():
                with suppress(psycopg.Error):
                    conn.cancel()
                thread.join(0.2)


@dataclass(slots=True)
class _Lag:
    """How far the standby was behind, at most."""

    bytes: int = 0
    seconds: float = 0.0
    samples: int = 0
    behind_since: float | None = field(default=None)

    def take(self, behind_bytes: int, now: float) -> None:
        """Bytes of WAL that the primary had and the standby had not replayed. How long replay has been behind
        is counted from when it was level last, as the time on the wire of a commit says nothing of it."""
        self.samples += 1
        self.bytes = max(self.bytes, behind_bytes)
        if behind_bytes == 0:
            self.behind_since = None
            return
        if self.behind_since is None:
            self.behind_since = now
        self.seconds = max(self.seconds, now - self.behind_since)


@contextmanager
def _following(server: Server, standby: Endpoint, dbname: str, scene: Scene) -> Iterator[None]:
    """Sample how far replay is behind; at the end wait until it has caught up, and read its conflicts."""
    lag, stop = _Lag(), threading.Event()
    with (
        server.connect(application_name="pgrehearse observer") as primary_conn,
        standby.connect(application_name="pgrehearse observer") as standby_conn,
    ):

        def run() -> None:
            with suppress(psycopg.Error):  # a server that is gone is told by the migration
                while not stop.wait(SAMPLE_EVERY_S):
                    lag.take(_behind_bytes(primary_conn), clock())

        thread = threading.Thread(target=run, name="replica lag", daemon=True)
        thread.start()
        try:
            yield
        finally:
            scene.over = clock()
            with suppress(psycopg.Error, ServerError):
                scene.evidence |= _caught_up(primary_conn)
            stop.set()
            thread.join()
            with suppress(psycopg.Error, ServerError):
                scene.evidence |= {
                    "max_behind_bytes": lag.bytes,
                    "max_behind_s": lag.seconds,
                    "samples": lag.samples,
                    "conflicts": _conflicts(standby_conn, dbname),
                }


def _behind_bytes(conn: psycopg.Connection[TupleRow]) -> int:
    row = conn.execute(
        "SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), replay_lsn)), 0)::bigint"
        " FROM pg_stat_replication"
    ).fetchone()
    return max(0, int(row[0])) if row else 0


def _caught_up(conn: psycopg.Connection[TupleRow]) -> dict[str, float | None]:
    """How long after the deploy the standby had replayed what was written until then."""
    begin = clock()
    target = conn.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    while clock() - begin < CATCH_UP_S:
        row = conn.execute(
            "SELECT FROM pg_stat_replication WHERE replay_lsn >= %s::pg_lsn",
            (target[0] if target else "0/0",),
        ).fetchone()
        if row is not None:
            return {"caught_up_after_s": clock() - begin}
        time.sleep(0.02)
    return {"caught_up_after_s": None}


def _conflicts(conn: psycopg.Connection[TupleRow], dbname: str) -> dict[str, int]:
    """Queries that replay cancelled, by the kind of the conflict; kinds without one are left out."""
    row = conn.execute(
        "SELECT confl_lock, confl_snapshot, confl_bufferpin, confl_deadlock, confl_tablespace"
        " FROM pg_stat_database_conflicts WHERE datname = %s",
        (dbname,),
    ).fetchone()
    kinds = ("lock", "snapshot", "bufferpin", "deadlock", "tablespace")
    return {kind: int(count) for kind, count in zip(kinds, row, strict=True) if count} if row else {}
