"""One migration applied, statement by statement, as psql with ON_ERROR_STOP would, under watch."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.model.run import MigrationOutcome, MigrationRun
from bench.model.statement import Statement, StatementError
from bench.observe.clock import DeployClock
from bench.observe.counters import CounterReading, difference
from bench.observe.holds import as_locks, refine
from bench.observe.notices import NoticeListener
from bench.observe.sampler import LockSampler
from bench.run.execute import describe_error, execute
from bench.run.progress import Progress, StatementBegan, StatementEnded
from bench.run.solo.execution import Execution, skipped
from bench.run.solo.inspection import TELL_NOTHING, Inspection
from bench.run.solo.watch import Watch
from bench.sql.kinds import StatementFacts, classify

REFUSES_TRANSACTION = frozenset({"25001", "2D000"})
"""active_sql_transaction: cannot run inside a transaction block; invalid_transaction_termination: COMMIT
inside DO or CALL. https://www.postgresql.org/docs/current/errcodes-appendix.html"""


class MigrationApplier:
    """Applies the statements of one file on ``conn``, a fresh session as psql would open.

    :meth:`run` may be cut off by an exception; :meth:`result` gives what was measured until then.
    """

    def __init__(
        self,
        migration: str,
        statements: Sequence[Statement],
        conn: psycopg.Connection[TupleRow],
        watch: Watch,
        *,
        repeat: int,
        progress: Progress,
    ) -> None:
        self._migration = migration
        self._statements = statements
        self._conn = conn
        self._watch = watch
        self._repeat = repeat
        self._progress = progress
        self._catalog = watch.catalog()
        self._inspection = Inspection(conn, watch, self._catalog, statements)
        self._listener = NoticeListener(conn)
        self._measured: list[Execution] = []
        self._unfinished: StatementError | None = None
        self._totals: CounterReading | None = None
        self._size_bytes = watch.size_bytes()
        self._traces_before = len(watch.traces)
        self._clock = DeployClock()

    def run(self) -> None:
        """Apply statement after statement; stop after the first that fails, its transaction as it is then."""
        with self._watch.sampler(self._conn.info.backend_pid) as sampler:
            for statement in self._statements:
                self._apply(statement, sampler)
                if self._measured[-1].outcome == "failed":
                    return  # psql ends too, and its session with it
            self._end_session()

    def result(self) -> MigrationRun:
        """The migration as far as it ran; statements that were not reached are ``skipped``."""
        traces = self._watch.traces[self._traces_before :]
        intervals = [seen for trace in traces for seen in trace.intervals]
        looks = [look for trace in traces for look in trace.looks]
        spans = {position: measured.span for position, measured in enumerate(self._measured)}
        holds = refine(self._inspection.holds, intervals, spans, looks)
        locks = as_locks(holds, self._catalog, self._clock)
        reached = len(self._measured)
        runs = [
            measured.as_run(statement, self._clock, locks.get(position, ()))
            for position, (statement, measured) in enumerate(
                zip(self._statements, self._measured, strict=False)
            )
        ]
        error = next((m.error for m in self._measured if m.error), self._unfinished)
        complete = error is None and reached == len(self._statements)
        outcome: MigrationOutcome = "applied" if complete else "failed"
        return MigrationRun(
            id=self._migration,
            outcome=outcome,
            duration_s=self._clock.total_s,
            error=error,
            statements=(*runs, *(skipped(statement) for statement in self._statements[reached:])),
            wall_s=self._clock.wall_s,
        )

    def _apply(self, statement: Statement, sampler: LockSampler) -> None:
        facts = classify(statement.text)
        calibration_s = self._watch.calibration_s()
        self._totals = self._watch.totals()
        self._inspection.ready_prober(in_transaction=self._in_transaction())
        self._tell_start(statement, sampler)
        sampler.begin_statement(len(self._measured), commits_inside=statement.kind in ("CALL", "DO"))
        tries_call = self._watch.stepper is not None and statement.kind == "CALL"
        if self._in_transaction() or not (tries_call or _may_wrap(statement, facts)):
            measured = self._run_plain(statement, calibration_s)
        else:
            measured = self._run_wrapped(statement, calibration_s)
        self._measured.append(measured)
        if not self._in_transaction() and not self._conn.closed:
            self._inspection.between(sampler.oids)
        self._progress(StatementEnded(self._migration, self._repeat, measured.as_run(statement, self._clock)))

    def _run_plain(self, statement: Statement, calibration_s: float | None) -> Execution:
        """As the file has it: inside its own transaction, or where none can be had."""
        was_inside = self._in_transaction()
        position, inspection = len(self._measured), self._inspection
        may_commit = not was_inside and statement.kind not in TELL_NOTHING
        inspection.before(statement, in_transaction=was_inside)
        with inspection.stepping(statement, position, may_commit=may_commit):
            sent = inspection.dressed(statement) if may_commit else statement
            measured = self._timed(sent, calibration_s)
        measured.transaction = "file" if was_inside or self._in_transaction() else "none"
        if measured.error is not None:
            inspection.look_again(statement, position, measured)
        if self._conn.info.transaction_status == TransactionStatus.INTRANS:
            inspection.after(statement, position, measured)
        else:
            inspection.released(measured.span)
            inspection.nobody_more(statement, measured)
            if not was_inside:
                inspection.after_transactions(statement, position, measured)
        if statement.kind == "ROLLBACK":
            inspection.rolled_back()
        self._settle(measured)
        return measured

    def _run_wrapped(self, statement: Statement, calibration_s: float | None) -> Execution:
        """Between BEGIN and COMMIT of our own, so that its locks can be read before they go."""
        position, inspection = len(self._measured), self._inspection
        inspection.hold_open(begin=True)
        with inspection.stepping(statement, position):
            measured = self._timed(statement, calibration_s)
        measured.transaction = "own"
        if measured.error is not None:
            if not self._conn.closed:
                self._conn.execute("ROLLBACK")
            if measured.error.sqlstate in REFUSES_TRANSACTION:
                self._clock.discard_last()
                return self._run_plain(statement, calibration_s)
            inspection.look_again(statement, position, measured)
        else:
            begin = self._clock.source()
            inspection.after(statement, position, measured)
            measured.observed_s = self._clock.source() - begin
            self._commit(statement, measured)
        self._settle(measured)
        return measured

    def _timed(self, statement: Statement, calibration_s: float | None) -> Execution:
        """Clock, execute, clock: nothing else comes between."""
        measured = Execution("failed", (0.0, 0.0), 0.0, calibration_s, None, None)
        self._listener.begin()
        try:
            with self._clock.running():
                measured.rows = execute(self._conn, statement)
            measured.outcome = "applied"
        except psycopg.Error as raised:
            measured.error = describe_error(raised, statement)
        except KeyboardInterrupt:
            measured.error = StatementError(None, "interrupted", line=statement.line, interrupted=True)
            self._measured.append(measured)
            raise
        finally:
            begin, end = measured.span = self._clock.last_span
            measured.duration_s = end - begin
            self._hear(statement, measured)
        return measured

    def _hear(self, statement: Statement, measured: Execution) -> None:
        notices, left_out = self._listener.end(statement)
        measured.notices += notices
        measured.notices_left_out += left_out

    def _commit(self, statement: Statement, measured: Execution) -> None:
        """End our own transaction; a deferred constraint may fail here, as it would in autocommit."""
        self._listener.begin()
        try:
            with self._clock.running():
                self._conn.execute("COMMIT")
        except psycopg.Error as raised:
            measured.outcome, measured.error = "failed", describe_error(raised, statement)
            self._inspection.rolled_back()
        self._hear(statement, measured)
        begin, end = self._clock.last_span
        measured.commit_s = end - begin
        measured.duration_s += end - begin
        self._inspection.released((begin, end))

    def _settle(self, measured: Execution) -> None:
        """Read what can wait until the statement's own transaction, if any, has ended.

        The server does not count a statement that failed.
        """
        if self._conn.closed:
            return
        size_bytes = self._watch.size_bytes()
        totals = self._watch.totals() if measured.outcome == "applied" else None
        grown = None if size_bytes is None or self._size_bytes is None else size_bytes - self._size_bytes
        measured.counters = difference(self._totals, totals, grown)
        self._size_bytes = size_bytes

    def _end_session(self) -> None:
        """The end of psql's input: a transaction that is still open is rolled back, and its work is lost."""
        if self._conn.closed or not self._in_transaction():
            return
        with self._clock.running():
            self._conn.execute("ROLLBACK")
        self._inspection.released(self._clock.last_span)
        self._unfinished = StatementError(
            None,
            "the file ends inside a transaction, so the server rolled its work back",
            hint="End the file with COMMIT.",
            line=self._statements[-1].line,
        )

    def _in_transaction(self) -> bool:
        return self._conn.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def _tell_start(self, statement: Statement, sampler: LockSampler) -> None:
        position, count = len(self._measured), len(self._statements)
        self._progress(
            StatementBegan(
                self._migration,
                self._repeat,
                position,
                count,
                statement,
                lambda: self._catalog.describe_held(sampler.held),
            )
        )


def _may_wrap(statement: Statement, facts: StatementFacts) -> bool:
    """Whether a transaction of our own changes nothing but that the locks can be read before its end.

    A procedure may commit, which nothing in its CALL says; to try would be to run half of it twice.
    """
    refuses = (
        facts.transaction_control
        or facts.refuses_transaction
        or facts.needs_transaction
        or facts.sets_local  # outside a transaction it does nothing, and the server says so
    )
    return not refuses and statement.kind != "CALL"
