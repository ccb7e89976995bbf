"""One connection of a worker: a request goes out and its answer comes back without blocking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from bench.workload.parameters import WireClass, encoded, filled, statement_name
from bench.workload.records import FAILED, LOST, OK


@dataclass(slots=True)
class Request:
    """A request on its way."""

    cls: int
    scheduled: float
    values: Mapping[str, str | None]
    flags: int = 0
    sent: float = float("nan")
    finished: float = float("nan")
    step: int = 0
    outcome: int = OK
    rows: int = 0
    sqlstate: str = ""
    message: str = ""
    constraint: str | None = None


@dataclass(slots=True)
class Session:
    """A connection, and the request that it carries, if any."""

    pgconn: PGconn
    pid: int
    request: Request | None = None
    wire: WireClass | None = None
    prepared: frozenset[tuple[int, int]] = frozenset()
    """Class and step of the statements that it has prepared."""
    awaits_setup: bool = False
    """Whether the next result is that of role and settings, not of a step."""

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self.pgconn.status == ConnStatus.OK

    def begin(self, request: Request, wire: WireClass) -> None:
        """Send the request's first statement. A broken connection shows in :meth:`proceed`."""
        self.request, self.wire = request, wire
        self._send()

    def proceed(self) -> bool:
        """Take in what has come; whether the request has ended."""
        request, wire = self.request, self.wire
        assert request is not None
        assert wire is not None
        try:
            self.pgconn.consume_input()
            while not self.pgconn.is_busy():
                result = self.pgconn.get_result()
                if result is None:
                    if not self.alive:
                        raise psycopg.OperationalError("the connection broke")
                    continue
                if result.status != ExecStatus.PIPELINE_SYNC:
                    self._note(request, result)
                    continue
                request.step += 1
                if request.outcome == FAILED or request.step >= len(wire.steps):
                    return self._ended(request)
                self._send()
        except psycopg.Error as error:
            self._broken(request, str(error))
            return True
        return False

    def flush(self) -> None:
        """Send what could not be sent at once."""
        if self.alive:
            self.pgconn.flush()

    def _send(self) -> None:
        """Settings and statement in one trip: up to its sync, a pipeline is one transaction."""
        request, wire = self.request, self.wire
        assert request is not None
        assert wire is not None
        try:
            if wire.setup is not None:
                chosen = [filled(name, request.values).encode() for name in wire.setup.names]
                self.pgconn.send_query_params(wire.setup.sql.encode(), chosen)
                self.awaits_setup = True
            step, values = wire.steps[request.step], encoded(wire.steps[request.step], request.values)
            if (request.cls, request.step) in self.prepared:
                self.pgconn.send_query_prepared(statement_name(request.cls, request.step), values)
            else:
                self.pgconn.send_query_params(step.sql.encode(), values)
            self.pgconn.pipeline_sync()
            self.pgconn.flush()
        except psycopg.Error as error:
            self._broken(request, str(error))

    def _note(self, request: Request, result: PGresult) -> None:
        """Rows of all steps are added up; role and settings return one that is none of the application's."""
        of_setup, self.awaits_setup = self.awaits_setup, False
        if result.status == ExecStatus.FATAL_ERROR and request.outcome == OK:
            request.outcome = FAILED
            request.sqlstate = (result.error_field(DiagnosticField.SQLSTATE) or LOST.encode()).decode()
            message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
            request.message = message.decode(errors="replace").strip()
            request.constraint = constraint_of(result)
        elif result.status == ExecStatus.TUPLES_OK and not of_setup:
            request.rows += result.ntuples
        elif result.status == ExecStatus.COMMAND_OK:
            request.rows += result.command_tuples or 0

    def _ended(self, request: Request) -> bool:
        """A script that failed or ended within its transaction gives it up first."""
        if self.pgconn.transaction_status in (TransactionStatus.INERROR, TransactionStatus.INTRANS):
            self.pgconn.send_query_params(b"ROLLBACK", None)
            self.pgconn.pipeline_sync()
            self.pgconn.flush()
            request.step = 1 << 16
            return False
        return True

    def _broken(self, request: Request, message: str) -> None:
        request.outcome, request.sqlstate = FAILED, request.sqlstate or LOST
        request.message = request.message or message.strip()
        self.pgconn.finish()


def constraint_of(result: PGresult) -> str | None:
    """The constraint that refused a row: the message names it, too, but in the server's language."""
    name = result.error_field(DiagnosticField.CONSTRAINT_NAME)
    return None if name is None else name.decode(errors="replace")


def open_session(conninfo: str, classes: Sequence[WireClass] = ()) -> Session:
    """Connect, and prepare what these classes keep prepared; psycopg.OperationalError where connecting fails.

    A statement that cannot be prepared is sent as it is, and then fails as a request.
    """
    pgconn = psycopg.pq.PGconn.connect(conninfo.encode())
    if pgconn.status != ConnStatus.OK:
        message = pgconn.error_message.decode(errors="replace").strip()
        pgconn.finish()
        raise psycopg.OperationalError(message)
    pgconn.notice_handler = None
    prepared = frozenset(
        (cls, number)
        for cls, wire in enumerate(classes)
        for number, step in enumerate(wire.steps)
        if wire.prepared and not step.control
        if pgconn.prepare(statement_name(cls, number), step.sql.encode()).status == ExecStatus.COMMAND_OK
    )
    pgconn.nonblocking = 1
    pgconn.enter_pipeline_mode()
    return Session(pgconn, pgconn.backend_pid, prepared=prepared)
