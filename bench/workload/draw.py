"""Before the traffic: parameters are drawn from the data, and every class is tried once."""

from __future__ import annotations

import random
from collections.abc import Sequence

import psycopg
from psycopg.rows import TupleRow

from bench.errors import UsageError
from bench.model.load import Taken
from bench.model.lock import LockMode
from bench.pg.catalog import load_query
from bench.workload.once import send_once
from bench.workload.parameters import WireClass, drawing, names_in, to_wire
from bench.workload.spec import RequestClass, TrafficMix

ROWS_KEPT = 2000
"""Sets of parameters for each class."""
LOOKED_AT = 3
"""Requests of each class whose locks are read."""


def draw_parameters(conn: psycopg.Connection[TupleRow], mix: TrafficMix, seed: int) -> tuple[WireClass, ...]:
    """The classes with their drawn rows, each tried once in a transaction that is rolled back.

    UsageError for a class that nothing can be drawn for, or that fails before any migration ran.
    """
    conn.execute("SELECT setseed(%s)", ((seed % 1000) / 1000,))
    wire_classes = []
    for request in mix.classes:
        where = f'{mix.path or mix.source}: class "{request.name}"'
        columns, rows = _draw(conn, request, where)
        wire = to_wire(request, columns, rows)
        _check_names(request, columns, where)
        _try(conn, request, wire, where, seed)
        wire_classes.append(wire)
    return tuple(wire_classes)


def _draw(
    conn: psycopg.Connection[TupleRow], request: RequestClass, where: str
) -> tuple[Sequence[str], list[tuple[str | None, ...]]]:
    if request.draw is None:
        return (), []
    with conn.cursor() as cursor:
        try:
            cursor.execute(request.draw.encode())
        except psycopg.Error as error:
            raise UsageError(
                f"{where}: its draw fails: {_first_line(error)}", hint="try it in psql"
            ) from error
        result = cursor.pgresult
        assert result is not None
        columns = [column.name for column in cursor.description or ()]
        rows = [
            tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
            for row in range(min(result.ntuples, ROWS_KEPT))
        ]
    if not rows:
        raise UsageError(
            f"{where}: its draw yields no row, so there are no parameters",
            hint="let it read from tables that have rows, or leave the class out",
        )
    return columns, rows


def _check_names(request: RequestClass, columns: Sequence[str], where: str) -> None:
    given = {*columns, *request.generate}
    for name in sorted(names_in(*request.statements, *request.settings.values()) - given):
        raise UsageError(
            f"{where} uses %({name})s, which its draw does not yield",
            hint=f"it yields {', '.join(columns) or 'nothing'}; write SELECT … AS {name}",
        )


def _try(
    conn: psycopg.Connection[TupleRow], request: RequestClass, wire: WireClass, where: str, seed: int
) -> None:
    answer = send_once(conn, wire, drawing(wire, random.Random(seed))())
    if answer.sqlstate is not None:
        raise UsageError(
            f"{where} fails before any migration ran: {answer.message} ({answer.sqlstate})",
            hint="every class must work on the schema before the suite, with its role and settings",
        )
    if not request.expects(answer.rows):
        raise UsageError(
            f"{where} has {answer.rows} rows before any migration ran, and {request.expected} expected",
            hint="correct rows or min_rows, or let its draw choose what has them",
        )


def taken_locks(
    conn: psycopg.Connection[TupleRow], classes: Sequence[WireClass], seed: int
) -> tuple[tuple[Taken, ...], ...]:
    """The table locks of each class, read at the end of a few of its requests, which are rolled back."""
    query = load_query("own_locks", conn.info.server_version)
    taken = []
    for wire in classes:
        draw, locks = drawing(wire, random.Random(seed)), set[Taken]()

        def look(locks: set[Taken] = locks) -> None:
            rows = conn.execute(query).fetchall()
            locks.update(Taken(relation, LockMode(mode)) for relation, mode in rows)

        for _ in range(LOOKED_AT):
            send_once(conn, wire, draw(), at_end=look)
        taken.append(tuple(sorted(locks, key=lambda lock: (lock.relation, lock.mode.strength))))
    return tuple(taken)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0]
