"""Everything that looks at one clone while migrations run on it: observer, sampler, counters, calibration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import TupleRow

from bench.observe.counters import Calibrator, CounterReader, CounterReading
from bench.observe.freeze import StandIn, Stepper
from bench.observe.intervals import HeldLocks, read_held
from bench.observe.probe import Prober
from bench.observe.relations import RelationCatalog
from bench.observe.sampler import LockSampler, SamplerTrace
from bench.pg.database import (
    install_extension,
    look_in_schema_of,
    temporary_database,
)
from bench.pg.server import Server
from bench.pg.sessions import Reopening, reopening


@dataclass(frozen=True, slots=True)
class Watch:
    """The observers of one clone, each on its own connection; ``traces`` grows by one with each migration."""

    observer: psycopg.Connection[TupleRow]
    sampling: Reopening
    traces: list[SamplerTrace] = field(default_factory=list)
    counters: CounterReader | None = None
    """None where the cost of statements is not asked for."""
    calibrator: Calibrator | None = None
    """None where their times are not."""
    prober: Prober | None = None
    """Tries what an application does while a statement's transaction is open."""
    stepper: Stepper | None = None
    """Makes statements wait half-way whose locks are gone at their end."""
    stand_in: StandIn | None = None
    """Takes such locks again, so that it can be tried who waits for them."""
    source: Callable[[], float] = time.perf_counter
    """Seconds of the clock on which spans are told."""

    def locks_of(self, pid: int) -> HeldLocks:
        """What a backend holds now."""
        return read_held(self.observer, pid)

    def size_bytes(self) -> int | None:
        """Size of the database; None where the cost of statements is not asked for."""
        return self.counters.size_bytes() if self.counters else None

    def totals(self) -> CounterReading | None:
        """What statements have cost so far; None where that is not known."""
        return self.counters.read() if self.counters else None

    def calibration_s(self) -> float | None:
        """The calibration query's time now; None where times are not asked for."""
        return self.calibrator.reading_s() if self.calibrator else None

    def catalog(self) -> RelationCatalog:
        """The relations that exist now."""
        return RelationCatalog.read(self.observer)

    @contextmanager
    def sampler(self, pid: int) -> Iterator[LockSampler]:
        """Sample the locks of a backend for the length of the block, and keep the trace."""
        sampler = LockSampler(self.sampling, pid)
        try:
            yield sampler
        finally:
            self.traces.append(sampler.stop())


@contextmanager
def watch(server: Server, dbname: str, counters_dbname: str | None) -> Iterator[Watch]:
    """Open the observers' connections to a clone and close them again.

    ``counters_dbname`` has pg_stat_statements installed; None where the server cannot have it.
    """
    with (
        server.connect(dbname, application_name="pgrehearse observer") as observer,
        reopening(server, dbname, "pgrehearse sampler") as sampling,
        connect_counters(server, counters_dbname) as counting,
    ):
        counters = CounterReader(counting, dbname, statements=counters_dbname is not None)
        yield Watch(observer, sampling, counters=counters, calibrator=Calibrator(observer))


def connect_counters(server: Server, dbname: str | None) -> psycopg.Connection[TupleRow]:
    """A session that reads what statements have cost; None: of the maintenance database, sizes alone."""
    conn = server.connect(dbname, application_name="pgrehearse counters")
    if dbname is not None:
        look_in_schema_of(conn, "pg_stat_statements")
    return conn


@contextmanager
def counters_database(server: Server) -> Iterator[str | None]:
    """A database of our own with pg_stat_statements, which counts for the whole server; None without it."""
    if not server.capabilities.statement_counters:
        yield None
        return
    with temporary_database(server, "counters") as dbname:
        with server.connect(dbname) as conn:
            install_extension(conn, "pg_stat_statements")
        yield dbname
