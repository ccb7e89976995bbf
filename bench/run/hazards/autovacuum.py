"""A real autovacuum that prevents wraparound: unlike every other one, it does not give way to a migration.

https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.errors import ServerError
from bench.pg.server import Server
from bench.run.hazards.scene import (
    GRACE_S,
    LOOK_EVERY_S,
    NotThereError,
    Scene,
    Setting,
    Table,
    await_seen,
    clock,
    tables_for,
)

MIN_AGE = 100_000
"""Transactions: the least that autovacuum_freeze_max_age may be."""
PAGE_S = 0.1
"""The longest pause that autovacuum can be told to make; here after every page that it reads."""
LEAST_PAGES = 10
SETTINGS: Mapping[str, str] = {
    "autovacuum": "on",
    "autovacuum_naptime": "1s",
    # Nothing else is to be vacuumed or analysed on that occasion.
    "autovacuum_vacuum_threshold": "2147483647",
    "autovacuum_vacuum_insert_threshold": "-1",
    "autovacuum_analyze_threshold": "2147483647",
}
_BURN = sql.SQL("DO $$ BEGIN FOR i IN 1..{} LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$").format(
    sql.Literal(MIN_AGE + 1000)
)


def refusal(server: Server) -> str | None:
    """It takes settings of the whole server, which is not ours to change where we did not start it."""
    if not server.managed:
        return "it needs settings of the whole server: only one that is started for the run can have it"
    return None if server.superuser else "the role may not change the server's settings"


@contextmanager
def autovacuum(server: Server, dbname: str, setting: Setting) -> Iterator[Scene]:
    """An anti-wraparound worker on the largest table, slowed down so that it lasts for ``length_s``.

    Its pages are made not all-frozen by locking their rows, and its age by as many empty transactions.
    """
    with (
        server.connect(dbname, application_name="pgrehearse observer") as observer,
        server.connect(dbname, application_name="pgrehearse hazard") as conn,
    ):
        table = max(tables_for(observer, setting), key=lambda table: table.pages)
        if table.pages < LEAST_PAGES:
            raise NotThereError(f"the largest table has {table.pages} pages: a vacuum would end at once")
        _age(conn, table, setting)
        scene = Scene(
            f"an autovacuum to prevent wraparound on {table.full_name}, slowed down to last for up to "
            f"{setting.length_s:g} s",
            setting.length_s,
        )
        with _settings(conn):
            pid = await_seen(lambda: _worker(observer, table), "the autovacuum worker")
            scene.evidence = {"tables": [table.full_name], "mode": "ShareUpdateExclusiveLock"}
            scene.evidence["query"] = _query(observer, pid)
            with _ending(server, dbname, pid, scene, setting.length_s):
                yield scene
                scene.over = clock()


def _age(conn: psycopg.Connection[TupleRow], table: Table, setting: Setting) -> None:
    """Make the table old, and leave enough of its pages to freeze."""
    pages = min(table.pages, round(2 * setting.length_s / PAGE_S) + 100)
    conn.execute(
        sql.SQL("SELECT count(*) FROM (SELECT FROM {} WHERE ctid < {} FOR SHARE) AS locked").format(
            table.identifier, sql.Literal(f"({pages},0)")
        )
    )
    options = sql.SQL(
        "ALTER TABLE {} SET (autovacuum_freeze_max_age = {}, autovacuum_vacuum_cost_delay = 100, "
        "autovacuum_vacuum_cost_limit = 1)"
    )
    conn.execute(options.format(table.identifier, sql.Literal(MIN_AGE)))
    conn.execute("SET synchronous_commit = off")
    conn.execute(_BURN)


@contextmanager
def _settings(conn: psycopg.Connection[TupleRow]) -> Iterator[None]:
    """Turn autovacuum on for the block."""
    try:
        for name, value in SETTINGS.items():
            change = sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
            conn.execute(change)
        conn.execute("SELECT pg_reload_conf()")
        yield
    finally:
        with suppress(psycopg.Error):
            for name in SETTINGS:
                conn.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
            conn.execute("SELECT pg_reload_conf()")


def _worker(conn: psycopg.Connection[TupleRow], table: Table) -> int | None:
    """The backend that vacuums the table against wraparound and has its lock."""
    row = conn.execute(
        """
        SELECT a.pid
        FROM pg_stat_activity AS a
        JOIN pg_locks AS l ON l.pid = a.pid AND l.granted AND l.relation = %s::regclass
        WHERE a.backend_type = 'autovacuum worker' AND a.query LIKE '%%(to prevent wraparound)%%'
            AND a.datname = current_database() AND l.mode = 'ShareUpdateExclusiveLock'
        """,
        (table.identifier.as_string(conn),),
    ).fetchone()
    return row[0] if row else None


def _query(conn: psycopg.Connection[TupleRow], pid: int) -> str | None:
    row = conn.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone()
    return row[0] if row else None


@contextmanager
def _ending(server: Server, dbname: str, pid: int, scene: Scene, length_s: float) -> Iterator[None]:
    """Notice when the worker is gone, end it after its time, and at the end of the block."""
    stop = Event()

    def watch() -> None:
        with server.connect(application_name="pgrehearse hazard") as conn:
            deadline = clock() + length_s
            while _alive(conn, pid):
                if stop.is_set() or clock() > deadline:
                    # Without it the launcher would send the next one.
                    conn.execute("ALTER SYSTEM SET autovacuum = off")
                    conn.execute("SELECT pg_reload_conf()")
                    conn.execute("SELECT pg_terminate_backend(%s)", (pid,))
                time.sleep(LOOK_EVERY_S)
            if not stop.is_set():
                scene.ended_at = clock()

    def run() -> None:
        with suppress(psycopg.Error, ServerError):  # a server that is gone has no worker
            watch()

    thread = Thread(target=run, name="hazard", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(GRACE_S)
        stop.set()
        thread.join()


def _alive(conn: psycopg.Connection[TupleRow], pid: int) -> bool:
    return conn.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone() is not None
