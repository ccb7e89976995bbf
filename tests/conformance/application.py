"""An application's statements on a base, tried one by one while a migration's transaction is open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from conformance.casefile import Op, read_ops
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn
from psycopg.rows import TupleRow

OPS = ("SELECT", "SELECT FOR UPDATE", "INSERT", "UPDATE", "DELETE")
PROBE_S = 10.0
MAY_BE_REFUSED = (b"23503", b"42P01")
"""foreign_key_violation, of a DELETE; undefined_table, where an earlier statement of the case dropped it."""
RELATIONS = r"""
SELECT c.oid, format('%s.%s', regexp_replace(n.nspname, '^pg_temp_\d+$', 'pg_temp'), c.relname),
       c.relkind::text, c.relfilenode
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'i', 'I', 'v', 'm', 'S', 'f', 'c')
   AND n.nspname <> 'pg_toast'
"""
WAITS = "SELECT locktype, relation FROM pg_locks WHERE pid = %s AND NOT granted"

Connection = psycopg.Connection[TupleRow]


@dataclass(frozen=True, slots=True)
class Relation:
    name: str
    relkind: str
    filenode: int


Relations = dict[int, Relation]


def relations(conn: Connection) -> Relations:
    """Every relation but TOAST, by oid, as the connection sees them."""
    return {oid: Relation(name, kind, node) for oid, name, kind, node in conn.execute(RELATIONS).fetchall()}


class Application:
    """Tries its statements one at a time on ``conn``; what each waits for is read on ``observer``."""

    def __init__(self, base: str, conn: Connection, observer: Connection) -> None:
        self._conn = conn
        self._observer = observer
        self._before = relations(observer)
        self._ops = ops_of(base, self._before)

    def blocks(self) -> Iterator[str]:
        """What would wait now."""
        present = self._before | relations(self._observer)
        grouped: dict[tuple[str, str], list[str]] = {}
        for op in self._ops:
            reason = self._waits(op, present)
            if reason:
                grouped.setdefault((op.relation, reason), []).append(op.name)
        for (relation, reason), names in grouped.items():
            yield f"block {relation} {', '.join(names)} on {reason}"

    def _waits(self, op: Op, present: Relations) -> str | None:
        """What a statement of the application waits for, or None if it comes to an end."""
        self._conn.execute("BEGIN")
        pgconn, pid = self._conn.pgconn, self._conn.info.backend_pid
        pgconn.send_query(op.sql.encode())
        reason, deadline = None, time.monotonic() + PROBE_S
        while busy(pgconn):
            time.sleep(0.001)
            row = self._observer.execute(WAITS, [pid]).fetchone()
            if row and reason is None:
                kind, oid = row
                reason = present[oid].name if kind == "relation" else kind
                pgconn.get_cancel().cancel()
            assert time.monotonic() < deadline, op
        refused = None
        while result := pgconn.get_result():
            if result.status == ExecStatus.FATAL_ERROR:
                refused = result.error_field(DiagnosticField.SQLSTATE)
        self._conn.execute("ROLLBACK")
        assert reason or refused in (None, *MAY_BE_REFUSED), (op.sql, refused)
        return reason


def busy(pgconn: PGconn) -> bool:
    pgconn.consume_input()
    return bool(pgconn.is_busy())


def ops_of(base: str, present: Relations) -> list[Op]:
    """The application's statements on the tables and views of a base: its own writes, and reads of all."""
    writes = read_ops(base)
    ops = []
    for relation in present.values():
        if relation.relkind in "vm":
            ops.append(Op(relation.name, "SELECT", f"TABLE {relation.name}"))
        elif relation.relkind in "rp":
            ops.append(Op(relation.name, "SELECT", f"TABLE {relation.name}"))
            ops.append(Op(relation.name, "SELECT FOR UPDATE", f"TABLE {relation.name} FOR UPDATE"))
            own = [op for op in writes if op.relation == relation.name]
            assert len(own) == 3, relation.name
            ops += own
    return sorted(ops, key=lambda op: (op.relation, OPS.index(op.name)))
