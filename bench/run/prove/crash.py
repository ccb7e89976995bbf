"""Crash points: a migration cut off at every statement boundary and inside long statements, then run again.

Where the server's transaction counter stands still between boundaries, nothing was committed: they have the
same state, and only the last of them is tried, where most work is open.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.errors import ServerError
from bench.model.proof import CrashPoint, Difference, Rerun
from bench.model.statement import Statement
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.execute import execute
from bench.run.progress import Progress, Said
from bench.run.prove.chain import Link
from bench.run.prove.play import play, play_on
from bench.run.prove.states import State, compare, read_state
from bench.sql.kinds import named_relations

LONG_S = 0.05
STREAMS_AT_MOST = 4
_ROLES = re.compile(r"\b(?:ROLE|USER|GROUP)\b(?!\s*(?:MAPPING|BY)\b)", re.IGNORECASE)
INSIDE_AT_MOST = 4
"""Statements of one migration that are cut off inside: those that commit inside or build an index online,
then the longest."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Until when crash points may be tried."""

    until: float
    """On the clock of :func:`time.monotonic`."""

    @property
    def spent(self) -> bool:
        return time.monotonic() >= self.until


@dataclass(frozen=True, slots=True)
class Ran:
    """One statement of the survey."""

    statement: Statement
    duration_s: float
    transactions: int
    """Transactions with a number of their own that began while it ran."""
    moved: bool
    """Whether the committed state may be another one after it."""


def crash_points(
    server: Server, link: Link, budget_s: float, progress: Progress
) -> tuple[tuple[CrashPoint, ...], int]:
    """Try the points of one migration; also returns how many were left untried after ``budget_s``.

    The undisturbed run that finds the points comes before that time.
    """
    if link.after is None:
        return (), 0
    cuts = _spread(list(_plan(survey(server, link), kill=may_kill(server))))
    before = read_state(server, link.before.dbname, link.volatile) if link.volatile else link.before
    budget = Budget(time.monotonic() + budget_s)
    trials = _Trials(server, replace(link, before=before), link.after, budget)
    trials.run(cuts, workers=streams(server, link.script.forward))
    points = trials.points()
    if untried := len(cuts) - len(points):
        progress(Said(f"the budget is spent: {untried} crash points of {link.id} are not tried"))
    return points, untried


def cut_before_commit(
    server: Server, prepared: str, statements: Sequence[Statement]
) -> tuple[Difference, ...] | None:
    """What a deploy leaves whose files are one transaction, when its session is lost before the last COMMIT.

    None where it fails before that.
    """
    with (
        temporary_database(server, "whole", prepared) as whole,
        temporary_database(server, "cut", prepared) as cut,
    ):
        with server.connect(cut, application_name="pgrehearse proof", kind="deploy") as conn:
            failed = play_on(conn, statements[:-1]).error
            conn.close()  # as a crash: leaving the block would commit
        if failed is not None:
            return None
        return compare(server, read_state(server, whole), read_state(server, cut))


def streams(server: Server, statements: Sequence[Statement]) -> int:
    """How many copies may be worked on at once: one for each core of a server that is ours alone.

    Roles belong to the whole server: two copies of a migration that makes them would meet there.
    """
    if not server.managed or any(_ROLES.search(statement.text) for statement in statements):
        return 1
    return min(os.cpu_count() or 1, STREAMS_AT_MOST)


@dataclass(slots=True)
class _Trials:
    """The points of one migration while they are tried, several at once."""

    server: Server
    link: Link
    after: State
    budget: Budget
    tried: dict[int, CrashPoint] = field(default_factory=dict)
    """By the number of the cut."""
    states: list[tuple[State, int]] = field(default_factory=list)
    """Each state that a crash has left, with the number of the first cut that left it."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, cuts: Sequence[Cut], *, workers: int) -> None:
        """Try all, first those that may run side by side."""
        numbered = list(enumerate(cuts))
        with ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(self._try, number, cut) for number, cut in numbered if not cut.alone]
            try:
                for job in jobs:
                    job.result()
            except BaseException:  # raised again; Ctrl-C, too, must not wait for all that is not begun
                pool.shutdown(cancel_futures=True)
                raise
        for number, cut in numbered:
            if cut.alone:
                self._try(number, cut)

    def points(self) -> tuple[CrashPoint, ...]:
        """Those that were tried, in the order of the cuts."""
        order = {number: position for position, number in enumerate(sorted(self.tried))}
        return tuple(
            replace(point, same_as=order[point.same_as] if point.same_as is not None else None)
            for _, point in sorted(self.tried.items())
        )

    def _known(self, state: State, number: int) -> int | None:
        """The cut that left an equal state; None, and the state is this cut's, if there is none."""
        with self.lock:
            for known, first in self.states:
                if known == state:
                    return first
            self.states.append((state, number))
            return None

    def _try(self, number: int, cut: Cut) -> None:
        if self.budget.spent:
            return
        server, link, forward = self.server, self.link, self.link.script.forward
        with temporary_database(server, "crash", link.before.dbname) as dbname:
            run_and_cut(server, dbname, forward, cut)
            state = read_state(server, dbname, link.volatile)
            point = self._point(cut, state)
            known = self._known(state, number)
            if known is None:
                if point.state == "partial":
                    left = compare(server, link.before, state, link.volatile)
                    point = replace(point, differences=left)
                point = self._run_again(point, dbname)
        self.tried[number] = replace(point, same_as=known)

    def _point(self, cut: Cut, state: State) -> CrashPoint:
        named = self.link.script.forward[cut.done if cut.inside else max(cut.done - 1, 0)]
        return CrashPoint(
            self.link.id,
            named.index if cut.done or cut.inside else -1,
            named.line,
            cut.inside,
            cut.method,
            "before" if state == self.link.before else "after" if state == self.after else "partial",
            None,
            covers=cut.covers,
        )

    def _run_again(self, point: CrashPoint, dbname: str) -> CrashPoint:
        played = play(self.server, dbname, self.link.script.forward)
        end = read_state(self.server, dbname, self.link.volatile)
        differences = compare(self.server, self.after, end, self.link.volatile)
        rerun: Rerun = "fails" if played.error else "damages" if differences else "completes"
        return replace(point, rerun=rerun, error=played.error, end_differences=differences)


def survey(server: Server, link: Link) -> list[Ran]:
    """Run the migration undisturbed, and see after each statement whether anything was committed."""
    ran: list[Ran] = []
    with (
        temporary_database(server, "survey", link.before.dbname) as dbname,
        server.connect(dbname, application_name="pgrehearse proof", kind="deploy") as conn,
        server.connect(application_name="pgrehearse observer") as observer,
    ):
        clock, counter, since = time.perf_counter(), _transactions(observer), 0

        def note(done: int) -> None:
            nonlocal clock, counter, since
            duration_s = time.perf_counter() - clock
            now = _transactions(observer)
            since += now - counter
            idle = conn.info.transaction_status == TransactionStatus.IDLE
            ran.append(
                Ran(link.script.forward[done - 1], duration_s, now - counter, moved=idle and since > 0)
            )
            since = 0 if idle else since
            counter, clock = now, time.perf_counter()

        play_on(conn, link.script.forward, note)
    return ran


def _transactions(observer: psycopg.Connection[TupleRow]) -> int:
    row = observer.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
    assert row is not None
    return int(row[0])


def _plan(ran: Sequence[Ran], *, kill: bool) -> Iterator[Cut]:
    """One cut for each committed state, at its last boundary, and some inside statements."""
    # Boundary n comes after n statements; what moved the state begins a group of boundaries.
    starts = [0, *(position + 1 for position, step in enumerate(ran) if step.moved)]
    ends = [*(start - 1 for start in starts[1:]), len(ran)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        middle = kill and number == len(starts) // 2
        yield Cut(done=end, covers=end - start + 1, method="kill -9" if middle else "terminate")
    for position in _worth_cutting(ran):
        step = ran[position]
        yield Cut(
            done=position,
            inside=True,
            half_s=step.duration_s / 2,
            half_transactions=step.transactions // 2,
            lock=_relation(step.statement) if "CONCURRENTLY" in step.statement.kind else None,
        )


def _worth_cutting(ran: Sequence[Ran]) -> list[int]:
    online = [n for n, step in enumerate(ran) if step.statement.kind == "CREATE INDEX CONCURRENTLY"]
    committing = [n for n, step in enumerate(ran) if step.transactions > 1 and n not in online]
    long = [n for n, step in enumerate(ran) if step.duration_s > LONG_S]
    by_length = sorted({*committing, *long} - set(online), key=lambda n: -ran[n].duration_s)
    return sorted({*online[:1], *online[-1:], *by_length[:INSIDE_AT_MOST]})


def _relation(statement: Statement) -> str | None:
    named = named_relations(statement.text)
    if not named:
        return None
    return ".".join(
        '"' + part.replace('"', '""') + '"' for part in (named[-1].schema, named[-1].name) if part
    )


def _spread(cuts: Sequence[Cut]) -> list[Cut]:
    """First and last, then ever halves of what is left: whenever the budget ends, all parts had some."""
    order: list[int] = []
    spans = [(0, len(cuts) - 1)]
    while spans:
        low, high = spans.pop(0)
        if low <= high:
            middle = (low + high) // 2
            order.append(middle)
            spans += [(low, middle - 1), (middle + 1, high)]
    return [cuts[position] for position in order]


GONE_TIMEOUT_S = 30.0
POLL_S = 0.001


@dataclass(frozen=True, slots=True)
class Cut:
    """Where to cut."""

    done: int
    """Statements that end before it."""
    covers: int = 1
    inside: bool = False
    """While the next statement runs."""
    half_s: float = 0.0
    """It is cut when it has run so long, or …"""
    half_transactions: int = 0
    """… when so many transactions have begun inside it, if any do; or …"""
    lock: str | None = None
    """… when it waits for a writer of this table, whom we provide: an index build online then has made its
    catalog entry, and no more."""
    method: Literal["terminate", "kill -9"] = "terminate"

    @property
    def alone(self) -> bool:
        """Whether nothing else may run then: the server crashes, or all its transactions are counted."""
        return self.method == "kill -9" or self.half_transactions > 0


def may_kill(server: Server) -> bool:
    """Whether the server's processes are children of ours, so that one can be killed without notice."""
    return server.kind in ("embedded", "cluster")


def run_and_cut(server: Server, dbname: str, statements: Sequence[Statement], cut: Cut) -> None:
    """Run so many statements and end the session without a word; returns when the server is rid of it."""
    conn = server.connect(dbname, application_name="pgrehearse proof", kind="deploy")
    pid = conn.info.backend_pid
    try:
        if cut.method == "kill -9":  # a crash may lose what a server of the tests commits asynchronously
            conn.execute("SET synchronous_commit = on")
        play_on(conn, statements[: cut.done])
        if not cut.inside:
            end_backend(server, pid, cut.method)
            return
        with _blocker(server, dbname, cut.lock):
            runner = threading.Thread(target=_run, args=(conn, statements[cut.done]))
            runner.start()
            try:
                _await_moment(server, pid, cut, runner)
            finally:
                end_backend(server, pid, cut.method)
                runner.join()
    finally:
        with suppress(psycopg.Error):
            conn.close()


def end_backend(server: Server, pid: int, method: str) -> None:
    """End a backend and wait until it is gone, and after a kill until the server has recovered."""
    if method == "kill -9":
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    else:
        with server.connect() as conn:
            conn.execute("SELECT pg_terminate_backend(%s)", [pid])
    deadline = time.monotonic() + GONE_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(ServerError, psycopg.OperationalError), server.connect() as conn:
            row = conn.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
            if row == (0,) and (method == "terminate" or not _runs(pid)):
                return
        time.sleep(POLL_S)
    raise ServerError(f"the session that was ended is still there after {GONE_TIMEOUT_S:.0f} s")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _run(conn: psycopg.Connection[TupleRow], statement: Statement) -> None:
    with suppress(psycopg.Error):
        execute(conn, statement)


def _await_moment(server: Server, pid: int, cut: Cut, runner: threading.Thread) -> None:
    """Wait until the statement is half-way; one that is faster than we look has ended, which is no error."""
    begin = time.monotonic()
    with server.connect(application_name="pgrehearse observer") as conn:
        start = _look(conn, pid)
        while runner.is_alive():
            now, waits = _look(conn, pid)
            if cut.lock is not None:
                if waits:
                    return
            elif cut.half_transactions > 0:
                if now - start[0] >= cut.half_transactions:
                    return
            elif time.monotonic() - begin >= cut.half_s:
                return
            if time.monotonic() - begin > GONE_TIMEOUT_S:
                return
            time.sleep(POLL_S)


def _look(conn: psycopg.Connection[Any], pid: int) -> tuple[int, bool]:
    row = conn.execute(
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, "
        "EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)",
        [pid],
    ).fetchone()
    assert row is not None
    return row[0], row[1]


@contextmanager
def _blocker(server: Server, dbname: str, relation: str | None) -> Iterator[None]:
    if relation is None:
        yield
        return
    with server.connect(dbname, application_name="pgrehearse gate") as conn, conn.transaction():
        conn.execute(sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(sql.SQL(relation)))
        yield
