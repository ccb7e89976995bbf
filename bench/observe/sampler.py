"""A thread that reads one backend's locks on a period, on its own connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow, class_row

from bench.model.run import SamplerInfo
from bench.observe.intervals import IntervalBuilder, LockRow, SeenInterval
from bench.pg.catalog import load_query

FINE_PERIOD_S = 0.002
COARSE_PERIOD_S = 0.010
"""A read costs about 0.1 ms: every 2 ms while locks come and go, every 10 ms while nothing changes."""
UNCHANGED_BEFORE_COARSE = 25


@dataclass(frozen=True, slots=True)
class SamplerTrace:
    """What one sampler saw."""

    intervals: tuple[SeenInterval, ...]
    gaps_s: tuple[float, ...]
    """Time from each sample to the next."""
    reads_s: tuple[float, ...]
    """How long each read took."""
    error: str | None
    """Why sampling ended early, else None."""


class LockSampler:
    """Reads pg_locks for the backend ``pid`` until stopped.

    The period is fine after :meth:`begin_statement` and while locks change; it backs off while nothing does.
    """

    def __init__(
        self,
        conn: psycopg.Connection[TupleRow],
        pid: int,
        source: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._cursor = conn.cursor(row_factory=class_row(LockRow), binary=True)
        self._sql = load_query("backend_locks", conn.info.server_version)
        self._pid = pid
        self._source = source
        self._builder = IntervalBuilder(source())
        self._gaps: list[float] = []
        self._reads: list[float] = []
        self._error: str | None = None
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
            self._builder.finish(self._source()), tuple(self._gaps), tuple(self._reads), self._error
        )

    def _run(self) -> None:
        unchanged = 0
        last_sent: float | None = None
        while not self._stop.is_set():
            epoch, by_transaction = self._epoch
            sent = self._source()
            try:
                rows = self._cursor.execute(self._sql, {"pid": self._pid}, prepare=True).fetchall()
            except psycopg.Error as error:
                self._error = str(error).strip()
                return
            received = self._source()
            changed = self._builder.observe(sent, received, rows, epoch, by_transaction=by_transaction)
            unchanged = 0 if changed else unchanged + 1
            self._reads.append(received - sent)
            if last_sent is not None:
                self._gaps.append(sent - last_sent)
            last_sent = sent
            if self._wake.is_set():
                self._wake.clear()
                unchanged = 0
            period = FINE_PERIOD_S if unchanged < UNCHANGED_BEFORE_COARSE else COARSE_PERIOD_S
            self._wake.wait(max(0.0, period - (received - sent)))


def describe_sampling(traces: list[SamplerTrace]) -> SamplerInfo | None:
    """Achieved period and cost over all traces of a repeat; None where nothing was sampled."""
    gaps = sorted(gap for trace in traces for gap in trace.gaps_s)
    reads = sorted(read for trace in traces for read in trace.reads_s)
    if not reads:
        return None
    return SamplerInfo(
        period_s=FINE_PERIOD_S,
        samples=len(reads),
        gap_p50_s=_quantile(gaps, 0.50),
        gap_p99_s=_quantile(gaps, 0.99),
        read_p50_s=_quantile(reads, 0.50),
    )


def _quantile(ordered: list[float], q: float) -> float | None:
    """Nearest-rank quantile of sorted values; None of nothing."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
