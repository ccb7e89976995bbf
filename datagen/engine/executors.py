"""Where shards are loaded: threads of this process, processes of this machine, workers of a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from datagen.engine.blocks import Shard, block_rows
from datagen.engine.ledger import ShardResult
from datagen.engine.parallel import Connection, run_streams
from datagen.engine.plan import Plan
from datagen.engine.send import load_shard, send_shards
from datagen.errors import ServerError, UsageError

Report = Callable[[int, int], None]
"""Gets rows and bytes as they are sent."""
Executor = Callable[[str, Plan, Sequence[Shard], Report], list[ShardResult]]
"""Loads shards into the database of a conninfo; the ledger must exist."""

_DEATHS = 3
"""Worker processes that may die before the load gives up."""


def threads(count: int) -> Executor:
    """Connections of this process."""

    def run(conninfo: str, plan: Plan, shards: Sequence[Shard], report: Report) -> list[ShardResult]:
        def send(conn: Connection, taken: Iterator[Shard], stop: threading.Event) -> Iterator[ShardResult]:
            return send_shards(conn, plan, taken, report, stop, block_rows(count))

        return run_streams(conninfo, count, shards, send)

    return run


def processes(count: int) -> Executor:
    """Processes of this machine, a connection each; those that are killed are replaced."""

    def run(conninfo: str, plan: Plan, shards: Sequence[Shard], report: Report) -> list[ShardResult]:
        results: list[ShardResult] = []
        left = list(shards)
        for _ in range(_DEATHS):
            try:
                _in_pool(count, conninfo, plan, left, report, results)
                return results
            except BrokenProcessPool:
                loaded = {result.shard for result in results}
                left = [shard for shard in left if shard not in loaded]
        raise ServerError(
            f"worker processes were killed {_DEATHS} times", "is there enough memory? try fewer --workers"
        )

    return run


def _in_pool(
    count: int,
    conninfo: str,
    plan: Plan,
    shards: Sequence[Shard],
    report: Report,
    results: list[ShardResult],
) -> None:
    spawn = multiprocessing.get_context("spawn")  # a fork would share this process's connection and threads
    with ProcessPoolExecutor(count, mp_context=spawn, initializer=_die_with_parent) as pool:
        futures = [pool.submit(load_shard, conninfo, plan, shard, block_rows(count)) for shard in shards]
        try:
            for future in as_completed(futures):
                result = future.result()
                results.append(result)
                report(result.rows, result.bytes)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _die_with_parent() -> None:
    """A worker outlives a parent that was killed otherwise: its queue never ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def dask(address: str) -> Executor:
    """The workers of a Dask cluster that runs already, with pgrehearse installed; UsageError without Dask.

    A worker that dies has its shards tried again by the others.
    """

    def run(conninfo: str, plan: Plan, shards: Sequence[Shard], report: Report) -> list[ShardResult]:
        try:
            from distributed import Client, as_completed
        except ImportError as error:
            raise UsageError(
                "--dask needs the package distributed", "pip install 'pgrehearse[dask]'"
            ) from error
        try:
            client = Client(address, timeout="10s")  # type: ignore[no-untyped-call]  # distributed tells no types
        except (OSError, ValueError) as error:
            raise UsageError(
                f"no Dask scheduler at {address}: {error}", "give its address, such as tcp://host:8786"
            ) from error
        with client:
            futures = [
                client.submit(load_shard, conninfo, plan, shard, pure=False, retries=_DEATHS)
                for shard in shards
            ]
            results: list[ShardResult] = []
            for future in as_completed(futures):  # type: ignore[no-untyped-call]  # distributed tells no types
                result: ShardResult = future.result()
                results.append(result)
                report(result.rows, result.bytes)
            return results

    return run
