"""Hazards that are one session of somebody else: a report, a forgotten transaction, a bulk write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.pg.server import Server
from bench.run.hazards.scene import (
    GRACE_S,
    NotThereError,
    Scene,
    Setting,
    Table,
    await_seen,
    clock,
    first_line,
    locked_tables,
    session_state,
    tables_for,
)

MOST_READ = 100
"""Tables that one report reads, at most."""
MOST_WRITTEN = 3
"""Tables of which a forgotten transaction has changed a row, at most."""
CHUNK_PAGES = 100

Work = Callable[[psycopg.Connection[TupleRow], threading.Event], None]


@contextmanager
def long_reader(server: Server, dbname: str, setting: Setting) -> Iterator[Scene]:
    """An analytical SELECT over the tables, open for ``length_s``.

    It sleeps where a real one would compute: it holds the same locks and snapshot, exactly that long.
    """
    with _observer(server, dbname) as observer:
        tables = tables_for(observer, setting)[:MOST_READ]
    parts = [
        sql.SQL("(SELECT count(*) FROM (SELECT FROM {} LIMIT 1) AS t)").format(t.identifier) for t in tables
    ]
    query = sql.SQL("SELECT pg_sleep({}), {}").format(
        sql.Literal(setting.length_s), sql.SQL(", ").join(parts)
    )
    scene = Scene(f"a SELECT over {_many(tables)}, open for {setting.length_s:g} s", setting.length_s)
    with _session(
        server,
        dbname,
        scene,
        lambda conn, stop: _run(conn, query),
        wanted=("AccessShareLock", "active", tables),
    ):
        yield scene


@contextmanager
def idle_in_transaction(server: Server, dbname: str, setting: Setting) -> Iterator[Scene]:
    """A transaction that has changed a row and sits for ``length_s``, then commits."""
    with _observer(server, dbname) as observer:
        tables = [table for table in tables_for(observer, setting) if table.free_column][:MOST_WRITTEN]
    if not tables:
        raise NotThereError("no table has a column to write to")

    def work(conn: psycopg.Connection[TupleRow], stop: threading.Event) -> None:
        with conn.transaction():
            for table in tables:
                _touch(conn, table, sql.SQL("ctid = (SELECT ctid FROM {} LIMIT 1)").format(table.identifier))
            stop.wait(setting.length_s)

    scene = Scene(
        f"a transaction that has changed a row of {_many(tables)} and sits for {setting.length_s:g} s",
        setting.length_s,
    )
    wanted = ("RowExclusiveLock", "idle in transaction", tables)
    with _session(server, dbname, scene, work, wanted=wanted):
        yield scene


@contextmanager
def bulk_write(server: Server, dbname: str, setting: Setting) -> Iterator[Scene]:
    """One transaction that updates the rows of the largest table, part by part, for ``length_s``."""
    with _observer(server, dbname) as observer:
        writable = [table for table in tables_for(observer, setting) if table.free_column]
    if not writable:
        raise NotThereError("no table has a column to write to")
    table = writable[0]
    scene = Scene(
        f"a transaction that updates the rows of {table.full_name} for {setting.length_s:g} s",
        setting.length_s,
    )

    def work(conn: psycopg.Connection[TupleRow], stop: threading.Event) -> None:
        deadline, page, rows = clock() + setting.length_s, 0, 0
        with conn.transaction():
            while clock() < deadline and not stop.is_set():
                chunk = sql.SQL("ctid >= {} AND ctid < {}").format(
                    sql.Literal(f"({page},0)"), sql.Literal(f"({page + CHUNK_PAGES},0)")
                )
                rows += _touch(conn, table, chunk)
                scene.evidence["rows_written"] = rows
                page = page + CHUNK_PAGES if page + CHUNK_PAGES < max(table.pages, 1) else 0

    with _session(server, dbname, scene, work, wanted=("RowExclusiveLock", None, [table])):
        yield scene


def _run(conn: psycopg.Connection[TupleRow], query: sql.Composed) -> None:
    conn.execute(query)


def _touch(conn: psycopg.Connection[TupleRow], table: Table, where: sql.Composed) -> int:
    """Set a column of some rows to itself; returns how many."""
    column = sql.Identifier(table.free_column or "")
    update = sql.SQL("UPDATE {} SET {} = {} WHERE ").format(table.identifier, column, column)
    return conn.execute(update + where).rowcount


def _observer(server: Server, dbname: str) -> psycopg.Connection[TupleRow]:
    return server.connect(dbname, application_name="pgrehearse observer")


def _many(tables: list[Table]) -> str:
    return tables[0].full_name if len(tables) == 1 else f"{len(tables)} tables"


@contextmanager
def _session(
    server: Server,
    dbname: str,
    scene: Scene,
    work: Work,
    *,
    wanted: tuple[str, str | None, list[Table]],
) -> Iterator[None]:
    """Do the work in a session of a thread; wait until its locks are held, and end it after the block."""
    stop = threading.Event()
    mode, state, tables = wanted
    with (
        _observer(server, dbname) as observer,
        server.connect(dbname, application_name="pgrehearse hazard") as conn,
    ):
        pid = conn.info.backend_pid

        def run() -> None:
            try:
                work(conn, stop)
            except psycopg.Error as error:
                if not stop.is_set():
                    scene.error = first_line(error)
            if not stop.is_set():
                scene.ended_at = clock()

        def look() -> list[str] | None:
            if not thread.is_alive():
                raise NotThereError(scene.error or "it ended before it was seen")
            held = locked_tables(observer, pid, mode)
            names = {table.full_name for table in tables}
            ready = held is not None and names <= set(held)
            return held if ready and state in (None, session_state(observer, pid)) else None

        thread = threading.Thread(target=run, name="hazard", daemon=True)
        thread.start()
        try:
            scene.evidence |= {"mode": mode, "tables": await_seen(look, f"{mode} of the hazard's session")}
            yield
            scene.over = clock()
        finally:
            thread.join(GRACE_S)
            stop.set()
            while thread.is_alive():
                with suppress(psycopg.Error):
                    conn.cancel()
                thread.join(0.2)
