"""A migration's file applied as psql would apply it: between its statements the clock is read, no more.

In the loaded pass a lock must be held as long as the deploy itself would hold it, so nothing is wrapped in a
transaction, read, or counted here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.model.load import StatementSpan
from bench.model.run import MigrationRun
from bench.model.statement import Counters, Statement, StatementError, StatementRun, TransactionMode
from bench.pg.server import Server
from bench.run.execute import describe_error, execute
from bench.run.progress import Progress, StatementBegan, StatementEnded
from bench.run.solo.execution import not_reached, skipped
from bench.workload.attribution import MigrationSession

clock = time.perf_counter


def _nobody(pid: int) -> None:
    """Follow nobody."""


@dataclass(slots=True)
class Record:
    """What every try of every migration leaves for the attribution of waits; readings of the clock."""

    sessions: list[MigrationSession] = field(default_factory=list)
    spans: list[StatementSpan] = field(default_factory=list)
    """Statements by when they ran, of every try."""
    follow: Callable[[int], None] = _nobody
    """Told the backend that applies a migration, 0 when there is none."""


@dataclass(slots=True)
class SharedSession:
    """The one session of a migration tool that keeps it; opened by the first who asks."""

    conn: psycopg.Connection[TupleRow] | None = None

    def get(self, connect: Callable[[], psycopg.Connection[TupleRow]]) -> psycopg.Connection[TupleRow]:
        """The session, opened if it is not."""
        if self.conn is None:
            self.conn = connect()
        return self.conn

    def close(self) -> None:
        """End it, if it was opened."""
        if self.conn is not None:
            self.conn.close()


@dataclass(frozen=True, slots=True)
class Deploy:
    """One migration that is to be applied."""

    server: Server
    dbname: str
    migration: str
    statements: Sequence[Statement]
    record: Record
    repeat: int
    progress: Progress
    shared: SharedSession | None = None
    """Where all files have one session."""
    goes_on: bool = False
    """The transaction is to stay open at the end of the file, for the next one."""
    untimed: frozenset[int] = frozenset()
    """Indexes of statements for which lock_timeout is off."""

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """A fresh session, as psql opens one for each file, or the shared one."""
        if self.shared is not None:
            yield self.shared.get(self._connect)
            return
        with self._connect() as conn:
            yield conn

    def _connect(self) -> psycopg.Connection[TupleRow]:
        return self.server.connect(self.dbname, application_name="pgrehearse migration", kind="deploy")

    @contextmanager
    def followed(self, conn: psycopg.Connection[TupleRow]) -> Iterator[None]:
        """While this lasts, who waits for the session waits for this migration."""
        begin, pid = clock(), conn.info.backend_pid
        self.record.follow(pid)
        try:
            yield
        finally:
            self.record.follow(0)
            self.record.sessions.append(MigrationSession(self.migration, pid, begin, clock()))


Deployer = Callable[[Sequence[Deploy]], Iterator[MigrationRun]]
"""Applies the files that are one transaction of their runner, mostly one, and gives a run for each."""


def apply_once(deploys: Sequence[Deploy]) -> Iterator[MigrationRun]:
    """Apply each file, up to its end or the first statement that fails; after one that failed none."""
    failed = False
    for deploy in deploys:
        if failed:
            yield not_reached(deploy.migration, deploy.statements)
            continue
        with deploy.session() as conn, deploy.followed(conn):
            run = apply_in(conn, deploy)
        failed = run.outcome != "applied"
        yield run


def apply_in(conn: psycopg.Connection[TupleRow], deploy: Deploy) -> MigrationRun:
    """Apply the file in this session, which a retry may have given settings."""
    runs: list[StatementRun] = []
    first: float | None = None
    for position, statement in enumerate(deploy.statements):
        deploy.progress(_began(deploy, position, statement))
        inside = conn.info.transaction_status == TransactionStatus.INTRANS
        rows, error = None, None
        untimed = statement.index in deploy.untimed
        if untimed:
            conn.execute("SET lock_timeout = 0")
        begin = clock()
        try:
            rows = execute(conn, statement)
        except psycopg.Error as raised:
            error = describe_error(raised, statement)
        except KeyboardInterrupt:
            deploy.record.spans.append(StatementSpan(deploy.migration, statement.index, begin, clock()))
            raise
        end = clock()
        first = begin if first is None else first
        deploy.record.spans.append(StatementSpan(deploy.migration, statement.index, begin, end))
        in_file = inside or conn.info.transaction_status == TransactionStatus.INTRANS
        mode: TransactionMode = "file" if in_file else "none"
        if untimed and conn.info.transaction_status != TransactionStatus.INERROR and not conn.closed:
            conn.execute("RESET lock_timeout")
        runs.append(_as_run(statement, begin - first, end - begin, rows, error, mode))
        deploy.progress(StatementEnded(deploy.migration, deploy.repeat, runs[-1]))
        if error is not None:
            break
    return _as_migration(conn, deploy, runs)


def _began(deploy: Deploy, position: int, statement: Statement) -> StatementBegan:
    count = len(deploy.statements)
    return StatementBegan(deploy.migration, deploy.repeat, position, count, statement, lambda: ())


def _as_run(
    statement: Statement,
    started_at_s: float,
    duration_s: float,
    rows: int | None,
    error: StatementError | None,
    transaction: TransactionMode,
) -> StatementRun:
    return StatementRun(
        index=statement.index,
        line=statement.line,
        file=statement.file,
        text=statement.text,
        by_tool=statement.by_tool,
        kind=statement.kind,
        transaction=transaction,
        outcome="failed" if error else "applied",
        duration_s=duration_s,
        calibration_s=None,
        rows=rows,
        counters=Counters(),
        error=error,
        started_at_s=started_at_s,
    )


def _as_migration(
    conn: psycopg.Connection[TupleRow], deploy: Deploy, runs: Sequence[StatementRun]
) -> MigrationRun:
    error = next((run.error for run in runs if run.error), None)
    idle = conn.info.transaction_status == TransactionStatus.IDLE
    if error is None and not idle and not deploy.goes_on:
        error = StatementError(
            None,
            "the file ends inside a transaction, so the server rolled its work back",
            hint="End the file with COMMIT.",
            line=deploy.statements[-1].line,
        )
    durations = [run.duration_s for run in runs if run.duration_s is not None]
    last = runs[-1] if runs else None
    wall_s = None if last is None else (last.started_at_s or 0.0) + (last.duration_s or 0.0)
    return MigrationRun(
        id=deploy.migration,
        outcome="failed" if error else "applied",
        duration_s=sum(durations),
        error=error,
        statements=(*runs, *(skipped(statement) for statement in deploy.statements[len(runs) :])),
        wall_s=wall_s,
    )
