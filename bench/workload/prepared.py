"""Statements that a session prepares before the deploy and keeps: do they work after it?

A pool's sessions outlive the deploy. What they have prepared is planned again after a change of the schema,
but fails where its result would have other columns.
https://www.postgresql.org/docs/current/sql-prepare.html
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from bench.model.load import KeptError
from bench.pg.server import Server
from bench.workload.once import prepare_steps, send_once
from bench.workload.parameters import WireClass, drawing
from bench.workload.spec import RequestClass

LONGEST = "10s"
CANCELLED = "57014"


@dataclass(frozen=True, slots=True)
class KeptStatements:
    """A session with its prepared statements, each executed once before the deploy."""

    conn: psycopg.Connection[TupleRow]
    wires: Mapping[int, WireClass]
    """Those that could be prepared, by their numbers."""

    def errors(self) -> dict[int, KeptError]:
        """What each says now that works when it is not prepared; none of it stays.

        Nothing is known, and nothing told, where the session is gone.
        """
        found: dict[int, KeptError] = {}
        try:
            for number, wire in self.wires.items():
                values = drawing(wire, random.Random(number))()
                if send_once(self.conn, wire, values).sqlstate is not None:
                    continue
                answer = send_once(self.conn, wire, values, kept=number)
                if answer.sqlstate not in (None, CANCELLED):
                    found[number] = KeptError(answer.sqlstate or "", answer.message)
        except psycopg.OperationalError:
            return {}
        return found


@contextmanager
def kept_statements(
    server: Server, dbname: str, classes: Sequence[RequestClass], wires: Sequence[WireClass]
) -> Iterator[KeptStatements]:
    """Prepare every class's statements, those left out of which the author says that nobody prepares them."""
    with server.connect(dbname, application_name="pgrehearse prepared", kind="application") as conn:
        conn.execute("SELECT set_config('statement_timeout', %s, false)", (LONGEST,))
        prepared: dict[int, WireClass] = {}
        for number, (request, wire) in enumerate(zip(classes, wires, strict=True)):
            if request.prepared is False or prepare_steps(conn, wire, number) is not None:
                continue
            values = drawing(wire, random.Random(number))()
            if send_once(conn, wire, values, kept=number).sqlstate is None:
                prepared[number] = wire
        yield KeptStatements(conn, prepared)
