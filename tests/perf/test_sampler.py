"""What the lock sampler costs the application, and how punctual it is while both cores are taken.

``make perf`` takes enough pairs to say something; without it each way is tried once.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench.model.run import SamplerInfo
from bench.observe.sampler import LockSampler, SamplerTrace, describe_sampling
from bench.pg.binaries import find_installations
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.sessions import reopening
from bench.pg.spec import ServerSpec

PAIRS = int(os.environ.get("BENCH_PAIRS", "60"))
BLOCK_S = 2
"""Length of one half of a pair. Halves follow each other within one run of pgbench."""
WARM_UP_S = 5
MOST = 0.02
"""Of the throughput."""
LATEST = 3.0
"""Periods in a gap, 99 of 100 times."""
Scenario = Callable[["Migration"], None]


class Migration:
    """A session that runs statements under locks until told to stop, watched or not."""

    def __init__(self, server: Server, dbname: str, scenario: Scenario) -> None:
        self._stack = ExitStack()
        self.conn = self._stack.enter_context(server.connect(dbname))
        self._sampling = self._stack.enter_context(reopening(server, dbname, "pgrehearse sampler"))
        self.conn.execute("CREATE TABLE IF NOT EXISTS kept ()")
        self.sampler: LockSampler | None = None
        self.traces: list[SamplerTrace] = []
        self.watched_s = 0.0
        self.stop = threading.Event()
        self._thread = threading.Thread(target=scenario, args=(self,))
        self._thread.start()

    def watch(self) -> None:
        self.sampler = LockSampler(self._sampling, self.conn.info.backend_pid)

    def unwatch(self) -> None:
        sampler, self.sampler = self.sampler, None
        if sampler is not None:
            self.traces.append(sampler.stop())
            assert self.traces[-1].error is None

    @property
    def sampling_pid(self) -> int:
        return self._sampling.conn.info.backend_pid

    def info(self) -> SamplerInfo:
        info = describe_sampling(self.traces)
        assert info is not None
        return info

    def close(self) -> None:
        self.unwatch()
        self.stop.set()
        with suppress(psycopg.Error):
            self.conn.cancel_safe()
        self._thread.join()
        self._stack.close()


def one_long_statement(migration: Migration) -> None:
    """A lock that takes no transaction id, since an old one would slow pgbench down by itself."""
    with suppress(psycopg.errors.QueryCanceled), migration.conn.transaction():
        migration.conn.execute("LOCK TABLE kept IN SHARE MODE")
        migration.conn.execute("SELECT pg_sleep(86400)")


def many_short_statements(migration: Migration) -> None:
    """One after the other, each with a lock of its own."""
    position = 0
    with suppress(psycopg.errors.QueryCanceled):
        while not migration.stop.is_set():
            if (sampler := migration.sampler) is not None:
                sampler.begin_statement(position)
            position += 1
            with migration.conn.transaction():
                migration.conn.execute("LOCK TABLE kept IN SHARE MODE")
                migration.conn.execute("SELECT pg_sleep(0.008)")


SCENARIOS: dict[str, Scenario] = {"one long": one_long_statement, "many short": many_short_statements}


@pytest.fixture(scope="module")
def loaded_server() -> Iterator[Server]:
    """Without fsync, so that processors are what runs out, not the disk."""
    with open_server(replace(ServerSpec("embedded"), durable=False)) as server:
        yield server


@pytest.fixture(scope="module")
def pgbench() -> Path:
    found = [path for each in find_installations() if (path := each.bindir / "pgbench").exists()]
    if not found:
        pytest.skip("no pgbench on this machine")
    return found[0]


@pytest.fixture(scope="module")
def tables(loaded_server: Server, pgbench: Path) -> Iterator[str]:
    name = new_name("pgbench")
    create_database(loaded_server, name)
    environ = {**os.environ, **loaded_server.environ(name)}
    subprocess.run([pgbench, "-i", "-q", "-s", "10"], env=environ, check=True, capture_output=True)
    yield name
    drop_database(loaded_server, name)


@contextmanager
def traffic(server: Server, tables: str, pgbench: Path, *, clients: int) -> Iterator[Iterator[float]]:
    """Read-write pgbench on both cores; yields the transactions of each second as it ends."""
    command = [pgbench, "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", "86400", "-P", "1"]
    environ = {**os.environ, **server.environ(tables)}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        try:
            yield (float(line.split()[3]) for line in child.stderr if line.startswith("progress"))
        finally:
            child.terminate()


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def seconds_of_processor(pid: int) -> float:
    """What a process or thread has used. https://docs.kernel.org/scheduler/sched-stats.html"""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def used_by_sampler(migration: Migration) -> float:
    threads = {each.name: each.native_id for each in threading.enumerate()}
    return seconds_of_processor(migration.sampling_pid) + seconds_of_processor(threads["lock sampler"] or 0)


def block(migration: Migration, seconds: Iterator[float], *, watched: bool) -> tuple[float, float]:
    """Transactions per second, and seconds of processor time per second that the sampler took."""
    used = 0.0
    if watched:
        migration.watch()
        used = -seconds_of_processor(migration.sampling_pid)
    tps = statistics.mean(next(seconds) for _ in range(BLOCK_S))
    if watched:
        used += used_by_sampler(migration)
        migration.unwatch()
    return tps, used / BLOCK_S


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_cost_of_sampling(
    benchmark: Any, loaded_server: Server, tables: str, pgbench: Path, scenario: str
) -> None:
    ratios: list[float] = []
    shares: list[float] = []
    migration = Migration(loaded_server, tables, SCENARIOS[scenario])
    cores = os.cpu_count() or 1

    with traffic(loaded_server, tables, pgbench, clients=8) as seconds:

        def pair() -> None:
            """With and without, the first of the two alternating, so that a drift favours neither."""
            order = (True, False) if len(ratios) % 2 else (False, True)
            took = {watched: block(migration, seconds, watched=watched) for watched in order}
            ratios.append(took[True][0] / took[False][0])
            shares.append(took[True][1] / cores)

        try:
            for _ in range(WARM_UP_S):
                next(seconds)
            benchmark.pedantic(pair, rounds=PAIRS, iterations=1)
        finally:
            migration.close()
    spread = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else 1.0
    benchmark.extra_info.update(
        n=len(ratios),
        throughput_ratio_mean=statistics.mean(ratios),
        throughput_ratio_standard_error=spread,
        throughput_ratio_median=statistics.median(ratios),
        throughput_ratio_quartiles=statistics.quantiles(ratios) if len(ratios) > 1 else ratios,
        processor_share_mean=statistics.mean(shares),
        processor_share_range=[min(shares), max(shares)],
        sampler=migration.info(),
    )
    print(benchmark.extra_info)
    if len(ratios) >= PAIRS:
        assert statistics.mean(shares) <= MOST
        assert statistics.mean(ratios) + 2 * spread >= 1 - MOST


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_gaps_while_both_cores_are_taken(
    benchmark: Any, loaded_server: Server, tables: str, pgbench: Path, scenario: str
) -> None:
    infos: list[SamplerInfo] = []

    with busy_processes(2), traffic(loaded_server, tables, pgbench, clients=16) as seconds:

        def sample() -> None:
            migration = Migration(loaded_server, tables, SCENARIOS[scenario])
            try:
                migration.watch()
                for _ in range(60 if benchmark.enabled else 1):
                    next(seconds)
            finally:
                migration.close()
            infos.append(migration.info())

        benchmark.pedantic(sample, rounds=3, iterations=1)
    benchmark.extra_info.update(samplers=infos)
    print(benchmark.extra_info)
    if benchmark.enabled:
        assert all((info.gap_ratio_p99 or 0) <= LATEST for info in infos)
