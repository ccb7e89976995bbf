"""Everything that looks at one clone while migrations run on it: observer, sampler, counters, calibration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow, class_row

from bench.observe.calibrate import Calibrator
from bench.observe.counters import CounterReader
from bench.observe.intervals import LockRow
from bench.observe.relations import RelationCatalog
from bench.observe.sampler import LockSampler, SamplerTrace
from bench.pg.catalog import load_query
from bench.pg.server import Server


@dataclass(frozen=True, slots=True)
class Watch:
    """The observers of one clone, each on its own connection; ``traces`` grows by one with each migration."""

    observer: psycopg.Connection[TupleRow]
    sampling: psycopg.Connection[TupleRow]
    counters: CounterReader
    calibrator: Calibrator
    traces: list[SamplerTrace]

    def locks_of(self, pid: int) -> list[LockRow]:
        """The relation locks that a backend holds now."""
        sql = load_query("backend_locks", self.observer.info.server_version)
        with self.observer.cursor(row_factory=class_row(LockRow)) as cursor:
            return cursor.execute(sql, {"pid": pid}).fetchall()

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
        server.connect(dbname, application_name="pgrehearse sampler") as sampling,
        server.connect(counters_dbname, application_name="pgrehearse counters") as counting,
    ):
        counters = CounterReader(counting, dbname, statements=counters_dbname is not None)
        yield Watch(observer, sampling, counters, Calibrator(observer), [])
