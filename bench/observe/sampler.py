"""A thread that reads one backend's locks, finely where something has just happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import psycopg
from psycopg.pq import ExecStatus

from bench.model.run import SamplerInfo
from bench.observe.intervals import IntervalBuilder, LockRow, Look, SeenInterval
from bench.pg.catalog import load_query
from bench.pg.sessions import AGAIN_S, Reopening


@dataclass(frozen=True, slots=True)
class SamplerTrace:
    """What one sampler saw."""

    intervals: tuple[SeenInterval, ...]
    looks: tuple[Look, ...]
    error: str | None
    """Why the session was lost, the first time, else None."""
    lost_s: float = 0.0
    """For so long nobody looked, until it was open again."""


class LockSampler:
    """Reads pg_locks for the backend ``pid`` until stopped.

    Nobody else may use the session meanwhile, which is opened again where it is lost. :class:`Pace` says how
    often it is read.
    """

    def __init__(
        self,
        session: Reopening,
        pid: int,
        source: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._session = session
        self._sql = load_query("backend_locks", session.conn.info.server_version)
        self._pid = str(pid).encode()
        self._source = source
        self._builder = IntervalBuilder(source())
        self._looks: list[Look] = []
        self._error: str | None = None
        self._lost_s = 0.0
        self._epoch = (-1, False)
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lock sampler", daemon=True)
        self._thread.start()

    def begin_statement(self, index: int, *, commits_inside: bool = False) -> None:
        """A statement starts: sample finely, and count what is seen from now on as its own.

        ``commits_inside``: it may commit and go on, so that each of its transactions has locks of its own.
        """
        self._epoch = (index, commits_inside)
        self._wake.set()

    @property
    def held(self) -> frozenset[tuple[int, str]]:
        """(oid, mode) of the locks in the last sample."""
        return self._builder.held

    @property
    def oids(self) -> frozenset[int]:
        """Every relation on which a lock was seen so far."""
        return frozenset(self._builder.oids.copy())

    def stop(self) -> SamplerTrace:
        """End the thread and return what it saw. Calling it again returns the same."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        return SamplerTrace(
            self._builder.finish(self._source()), tuple(self._looks), self._error, self._lost_s
        )

    def _run(self) -> None:
        since = self._source()
        while not self._stop.is_set():
            try:
                self._prepare()
                self._look_on()
            except psycopg.Error as error:
                self._error = self._error or str(error).strip()
                last = self._looks[-1].sent if self._looks else since
                if last <= since:  # no look since it was opened again
                    self._stop.wait(AGAIN_S)
                since = max(since, last)
                while not self._session.reopen() and not self._stop.wait(AGAIN_S):
                    pass
                now = self._source()
                self._lost_s, since = self._lost_s + now - since, now

    def _look_on(self) -> None:
        pace = Pace(self._source())
        period_s = 0.0
        while not self._stop.is_set():
            epoch = self._epoch
            sent = self._source()
            rows = self._read()
            received = self._source()
            pace.looked(sent)
            # Where a statement began meanwhile, nothing tells whose locks the answer shows.
            if epoch is self._epoch:
                index, by_transaction = epoch
                if self._builder.observe(sent, received, rows, index, by_transaction=by_transaction):
                    pace.changed(received)
                if self._looks:
                    pace.judge(sent - self._looks[-1].sent, period_s)
                self._looks.append(Look(sent, received, index, period_s))
            period_s = self._pause(pace, self._looks[-1].sent if self._looks else sent)

    def _pause(self, pace: Pace, since: float) -> float:
        """Sleep until the next look is due, sooner if a statement begins; return the period in force."""
        due = since + pace.period_s(self._source())
        while (left := due - self._source()) > 0 and self._wake.wait(left) and not self._stop.is_set():
            self._wake.clear()
            now = self._source()
            pace.changed(now)
            due = min(due, now + pace.period_s(now))
        return due - since

    def _prepare(self) -> None:
        """As the unnamed statement, which the next sampler on this connection replaces."""
        sql = self._sql.replace("%(pid)s", "$1").encode()
        _check(self._session.conn.pgconn.prepare(b"", sql), ExecStatus.COMMAND_OK)

    def _read(self) -> list[LockRow]:
        """Straight from libpq: a cursor would make a look a quarter dearer."""
        result = self._session.conn.pgconn.exec_prepared(b"", [self._pid])
        _check(result, ExecStatus.TUPLES_OK)
        value = result.get_value
        return [
            LockRow(
                oid=int(value(row, 0) or 0),
                mode=(value(row, 1) or b"").decode(),
                granted=value(row, 2) == b"t",
                waiting_s=None if (waiting := value(row, 3)) is None else float(waiting),
                transaction=(value(row, 4) or b"").decode(),
            )
            for row in range(result.ntuples)
        ]


def _check(result: psycopg.pq.abc.PGresult, wanted: ExecStatus) -> None:
    if result.status != wanted:
        raise psycopg.OperationalError(result.error_message.decode(errors="replace"))


def describe_sampling(traces: Iterable[SamplerTrace]) -> SamplerInfo | None:
    """Achieved period and cost over all traces of a repeat; None where nothing was sampled."""
    traces = [trace for trace in traces if trace.looks]
    if not traces:
        return None
    looks = [look for trace in traces for look in trace.looks]
    pairs = [pair for trace in traces for pair in pairwise(trace.looks)]
    reads = [look.received - look.sent for look in looks]
    sampled_s = sum(trace.looks[-1].received - trace.looks[0].sent for trace in traces)
    gaps = [after.sent - before.sent for before, after in pairs]
    ratios = [gap / after.period_s for gap, (_, after) in zip(gaps, pairs, strict=True) if after.period_s]
    return SamplerInfo(
        period_s=_quantile([after.period_s for _, after in pairs], 0.50) or 0.0,
        samples=len(looks),
        gap_p50_s=_quantile(gaps, 0.50),
        gap_p99_s=_quantile(gaps, 0.99),
        read_p50_s=_quantile(reads, 0.50),
        gap_ratio_p99=_quantile(ratios, 0.99),
        read_share=sum(reads) / sampled_s if sampled_s else None,
        lost_s=sum(trace.lost_s for trace in traces),
    )


def _quantile(values: list[float], q: float) -> float | None:
    """Nearest-rank quantile; None of nothing."""
    if not values:
        return None
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


FINE_PERIOD_S = 0.002
"""Between looks right after a statement began, or a lock came or went."""
COARSE_PERIOD_S = 0.050
"""Between looks while nothing has changed for long."""
RELATIVE = 0.25
"""In between, a period is this part of the time since something changed: so finely is its end known."""
LOOKS_PER_S = 25.0
"""Looks that may be made in the long run. One costs about 0.4 ms of processor time, in client and server
together: 25 a second are 0.5 % of two cores. Nearly all of it is waking up twice, whatever is read."""
PURSE = 50.0
"""Looks that can be saved up while nothing happens."""
LONGEST_FINE_S = 0.050
"""On a machine whose processors are taken."""
LATE = 3.0
"""A gap between two looks that is longer than so many periods was late."""
LENGTHEN = 2.0
SHORTEN = LENGTHEN ** (-1 / 200)
"""At balance one gap in 200 is late: the steps up and down cancel out."""


class Pace:
    """The period in force, in seconds, at any time.

    A machine whose processors are taken answers late, and finer asking gets no finer answers there. So each
    late gap doubles the finest period, and each punctual one shortens it a little, down to 2 ms.
    """

    def __init__(self, now: float) -> None:
        self._changed = self._filled = now
        self._purse = PURSE
        self._finest = FINE_PERIOD_S

    def changed(self, now: float) -> None:
        """A statement began, or a lock came or went."""
        self._changed = now

    def looked(self, now: float) -> None:
        """Pay for a look."""
        saved = self._purse + (now - self._filled) * LOOKS_PER_S
        self._purse = min(PURSE, saved) - 1
        self._filled = now

    def judge(self, gap_s: float, period_s: float) -> None:
        """Learn from the time between two looks that were to be ``period_s`` apart."""
        finest = self._finest * (LENGTHEN if gap_s > LATE * period_s else SHORTEN)
        self._finest = min(LONGEST_FINE_S, max(FINE_PERIOD_S, finest))

    def period_s(self, now: float) -> float:
        """Time from the look before to the next."""
        wanted = max(self._finest, min(COARSE_PERIOD_S, RELATIVE * (now - self._changed)))
        affordable = max(0.0, 1 - self._purse) / LOOKS_PER_S
        return max(wanted, affordable)
