"""A session cut off in the middle of a migration, as by a lost connection or a crash of the server."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.errors import ServerError
from bench.model.statement import Statement
from bench.pg.server import Server
from bench.run.execute import execute
from bench.run.prove.play import play_on

GONE_TIMEOUT_S = 30.0
POLL_S = 0.001


@dataclass(frozen=True, slots=True)
class Cut:
    """Where to cut."""

    done: int
    """Statements that end before it."""
    covers: int = 1
    inside: bool = False
    """While the next statement runs."""
    half_s: float = 0.0
    """It is cut when it has run so long, or …"""
    half_transactions: int = 0
    """… when so many transactions have begun inside it, if any do; or …"""
    lock: str | None = None
    """… when it waits for a writer of this table, whom we provide: an index build online then has made its
    catalog entry, and no more."""
    method: Literal["terminate", "kill -9"] = "terminate"

    @property
    def alone(self) -> bool:
        """Whether nothing else may run then: the server crashes, or all its transactions are counted."""
        return self.method == "kill -9" or self.half_transactions > 0


def may_kill(server: Server) -> bool:
    """Whether the server's processes are children of ours, so that one can be killed without notice."""
    return server.kind in ("embedded", "cluster")


def run_and_cut(server: Server, dbname: str, statements: Sequence[Statement], cut: Cut) -> None:
    """Run so many statements and end the session without a word; returns when the server is rid of it."""
    conn = server.connect(dbname, application_name="pgrehearse proof", kind="deploy")
    pid = conn.info.backend_pid
    try:
        if cut.method == "kill -9":  # a crash may lose what a server of the tests commits asynchronously
            conn.execute("SET synchronous_commit = on")
        play_on(conn, statements[: cut.done])
        if not cut.inside:
            end_backend(server, pid, cut.method)
            return
        with _blocker(server, dbname, cut.lock):
            runner = threading.Thread(target=_run, args=(conn, statements[cut.done]))
            runner.start()
            try:
                _await_moment(server, pid, cut, runner)
            finally:
                end_backend(server, pid, cut.method)
                runner.join()
    finally:
        with suppress(psycopg.Error):
            conn.close()


def end_backend(server: Server, pid: int, method: str) -> None:
    """End a backend and wait until it is gone, and after a kill until the server has recovered."""
    if method == "kill -9":
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    else:
        with server.connect() as conn:
            conn.execute("SELECT pg_terminate_backend(%s)", [pid])
    deadline = time.monotonic() + GONE_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(ServerError, psycopg.OperationalError), server.connect() as conn:
            row = conn.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
            if row == (0,) and (method == "terminate" or not _runs(pid)):
                return
        time.sleep(POLL_S)
    raise ServerError(f"the session that was ended is still there after {GONE_TIMEOUT_S:.0f} s")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _run(conn: psycopg.Connection[TupleRow], statement: Statement) -> None:
    with suppress(psycopg.Error):
        execute(conn, statement)


def _await_moment(server: Server, pid: int, cut: Cut, runner: threading.Thread) -> None:
    """Wait until the statement is half-way; one that is faster than we look has ended, which is no error."""
    begin = time.monotonic()
    with server.connect(application_name="pgrehearse observer") as conn:
        start = _look(conn, pid)
        while runner.is_alive():
            now, waits = _look(conn, pid)
            if cut.lock is not None:
                if waits:
                    return
            elif cut.half_transactions > 0:
                if now - start[0] >= cut.half_transactions:
                    return
            elif time.monotonic() - begin >= cut.half_s:
                return
            if time.monotonic() - begin > GONE_TIMEOUT_S:
                return
            time.sleep(POLL_S)


def _look(conn: psycopg.Connection[Any], pid: int) -> tuple[int, bool]:
    row = conn.execute(
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, "
        "EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)",
        [pid],
    ).fetchone()
    assert row is not None
    return row[0], row[1]


@contextmanager
def _blocker(server: Server, dbname: str, relation: str | None) -> Iterator[None]:
    if relation is None:
        yield
        return
    with server.connect(dbname, application_name="pgrehearse gate") as conn, conn.transaction():
        conn.execute(sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(sql.SQL(relation)))
        yield
