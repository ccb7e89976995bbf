"""In which order requests come to tables: each is held, and it is read what a request has that waits for it.

A deploy that locks two tables in one transaction and a request that comes to them the other way round wait
for each other. https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.model.load import HeldLock, LockOrder
from bench.pg.endpoint import Endpoint
from bench.workload.draw import draw_parameters
from bench.workload.once import send_once
from bench.workload.parameters import WireClass, drawing
from bench.workload.spec import TrafficMix

WITHIN_S = 10.0
"""A request that has neither ended nor come to the table by then is given up."""
LOOK_EVERY_S = 0.002
_TABLES = """
SELECT n.nspname, c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = ANY(%s)
ORDER BY 1, 2
"""
_LOCKS = """
SELECT n.nspname || '.' || c.relname, l.mode, l.granted
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = %s AND l.locktype = 'relation' AND c.relkind IN ('r', 'p')
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2
"""


def lock_orders(
    endpoint: Endpoint, dbname: str, mix: TrafficMix, tables: Sequence[str], seed: int
) -> tuple[LockOrder, ...]:
    """For each class of requests and each of these tables (``schema.name``) that it comes to after others.

    Nothing that a request changes stays. UsageError where a class does not work.
    """
    with (
        endpoint.connect(dbname, application_name="pgrehearse observer", kind="application") as observer,
        endpoint.connect(dbname, application_name="pgrehearse holder") as holder,
    ):
        classes = draw_parameters(observer, mix, seed)
        names = observer.execute(_TABLES, (list(tables),)).fetchall()
        orders = (
            _order(endpoint, dbname, observer, holder, wire, table) for table in names for wire in classes
        )
        return tuple(order for order in orders if order is not None)


def _order(
    endpoint: Endpoint,
    dbname: str,
    observer: psycopg.Connection[TupleRow],
    holder: psycopg.Connection[TupleRow],
    wire: WireClass,
    table: tuple[str, ...],
) -> LockOrder | None:
    """What one request holds when it waits for the table; None where it does not, or holds nothing yet."""
    hold = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(*table))
    with (
        endpoint.connect(dbname, application_name="pgrehearse request", kind="application") as conn,
        holder.transaction(),
    ):
        holder.execute(hold)
        values = drawing(wire, random.Random(0))()
        thread = threading.Thread(target=send_once, args=(conn, wire, values), daemon=True)
        thread.start()
        try:
            seen = _waiting(observer, conn.info.backend_pid, thread)
        finally:
            while thread.is_alive():
                with suppress(psycopg.Error):
                    conn.cancel()
                thread.join(LOOK_EVERY_S)
    full_name = ".".join(table)
    wanted = next((mode for name, mode, granted in seen if not granted and name == full_name), None)
    held = tuple(HeldLock(name, mode) for name, mode, granted in seen if granted)
    return LockOrder(wire.name, full_name, wanted, held) if wanted is not None and held else None


def _waiting(
    observer: psycopg.Connection[TupleRow], pid: int, thread: threading.Thread
) -> list[tuple[str, str, bool]]:
    """The table locks of a session once it waits for one; none where it ends without."""
    deadline = time.monotonic() + WITHIN_S
    while thread.is_alive() and time.monotonic() < deadline:
        rows = observer.execute(_LOCKS, (pid,)).fetchall()
        if any(not granted for _, _, granted in rows):
            return [(name, mode, granted) for name, mode, granted in rows]
        thread.join(LOOK_EVERY_S)
    return []
