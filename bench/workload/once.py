"""One request of a class, sent as the workers send it, but in one transaction that leaves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow

from bench.workload.parameters import WireClass, encoded, filled, statement_name
from bench.workload.records import LOST
from bench.workload.session import constraint_of

_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_CHECKED_AT_COMMIT = b"SET CONSTRAINTS ALL IMMEDIATE"
_BLANK = frozenset({None, b"", b"0"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to one request."""

    rows: int
    """Returned or changed by all its statements; of one that failed, until then."""
    empty: bool
    """No row, or a single one whose every value is NULL, 0 or empty, as that of an aggregate over nothing."""
    duration_s: float
    sqlstate: str | None = None
    """None: it worked."""
    message: str = ""
    """First line."""
    constraint: str | None = None


def send_once(
    conn: psycopg.Connection[TupleRow],
    wire: WireClass,
    values: Mapping[str, str | None],
    *,
    kept: int | None = None,
    at_end: Callable[[], object] | None = None,
) -> Answer:
    """Send one request and roll it back; constraints that wait for the commit are checked all the same.

    ``kept``: its statements are the ones that this session has prepared under this number. ``at_end`` is
    called while the transaction is open still. Raises psycopg.OperationalError where the connection broke.
    """
    conn.execute("BEGIN")
    try:
        if wire.setup is not None:
            chosen = [filled(text, values).encode() for text in wire.setup.names]
            result = conn.pgconn.exec_params(wire.setup.sql.encode(), chosen)
            if result.status not in _GOOD:
                return _failed(result, 0, 0.0)
        rows, blank, begin = 0, True, time.perf_counter()
        for number, step in enumerate(wire.steps):
            if step.control:
                continue
            if kept is not None:
                name = statement_name(kept, number)
                # The annotation of psycopg leaves NULL out, which it takes.
                result = conn.pgconn.exec_prepared(name, encoded(step, values))  # type: ignore[arg-type]
            else:
                result = conn.pgconn.exec_params(step.sql.encode(), encoded(step, values))
            if result.status not in _GOOD:
                return _failed(result, rows, time.perf_counter() - begin)
            rows += _rows(result)
            blank = blank and _is_blank(result)
        duration_s = time.perf_counter() - begin
        result = conn.pgconn.exec_(_CHECKED_AT_COMMIT)
        if result.status not in _GOOD:
            return _failed(result, rows, duration_s)
        if at_end is not None:
            at_end()
        return Answer(rows, rows == 0 or blank, duration_s)
    finally:
        conn.execute("ROLLBACK")


def prepare_steps(conn: psycopg.Connection[TupleRow], wire: WireClass, number: int) -> str | None:
    """Prepare a class's statements in this session, to be kept under a number; the error where one cannot."""
    for position, step in enumerate(wire.steps):
        if not step.control:
            result = conn.pgconn.prepare(statement_name(number, position), step.sql.encode())
            if result.status not in _GOOD:
                return _failed(result, 0, 0.0).message
    return None


def _rows(result: PGresult) -> int:
    return result.ntuples if result.status == ExecStatus.TUPLES_OK else result.command_tuples or 0


def _is_blank(result: PGresult) -> bool:
    """Whether there is nothing to read in it."""
    if result.status != ExecStatus.TUPLES_OK:
        return not result.command_tuples
    if result.ntuples > 1:
        return False
    return all(
        result.get_value(row, column) in _BLANK
        for row in range(result.ntuples)
        for column in range(result.nfields)
    )


def _failed(result: PGresult, rows: int, duration_s: float) -> Answer:
    state = result.error_field(DiagnosticField.SQLSTATE) or LOST.encode()
    message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    lines = message.decode(errors="replace").strip().splitlines()
    said = lines[0] if lines else ""
    return Answer(rows, False, duration_s, state.decode(), said, constraint_of(result))
