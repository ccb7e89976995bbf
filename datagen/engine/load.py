"""Load a plan into a database: rows in parallel streams, then keys, indexes, foreign keys and statistics."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from datagen import GENERATOR_VERSION
from datagen.engine.blocks import Shard, shards_of, uncovered, whole_tables
from datagen.engine.catalog import Key, Trigger, check_tables, qualified, read_keys, read_triggers
from datagen.engine.executors import Executor, threads
from datagen.engine.keys import (
    Job,
    drop_keys,
    foreign_key_statements,
    index_jobs,
    missing_keys,
    trigger_statements,
    validation_jobs,
)
from datagen.engine.ledger import Ledger, ShardResult, create_ledger, drop_ledger, lock_load, read_ledger
from datagen.engine.parallel import Connection, connect, run_jobs
from datagen.engine.plan import Plan
from datagen.engine.progress import Listener, Meter, Phase, Progress
from datagen.engine.warm import warm_up
from datagen.engine.words import faker_version
from datagen.errors import ServerError, server_error


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What was loaded, and how long it took."""

    seed: int
    scale: float
    generator_version: str
    load_s: float
    tables: tuple[tuple[str, int, int], ...]
    """Schema-qualified name, rows, bytes on disk with indexes and TOAST."""
    dirt: dict[str, int]
    """Planted dirty rows by ``table.kind``."""
    pools_sha256: str
    faker_version: str
    phases_s: dict[str, float] = field(default_factory=dict)
    sent_bytes: int = 0
    workers: int = 1
    resumed: int = 0
    """Shards that an earlier load, which broke off, had brought in."""


def load(
    conninfo: str,
    plan: Plan,
    *,
    workers: int | None = None,
    progress: Listener | None = None,
    executor: Executor | None = None,
) -> LoadResult:
    """Fill the plan's tables, which must exist and be empty, over ``workers`` connections (default: cores).

    ``executor`` loads the shards elsewhere than in this process's threads. On any failure the tables are
    emptied and their keys put back; where that is not possible any more (process killed, server gone), the
    next load of the same plan goes on from the ledger. Raises UsageError where the tables do not fit or an
    unfinished load is of another plan, ServerError where the server refuses, runs out of disk or goes away.
    """
    streams = workers or os.cpu_count() or 1
    run = executor or threads(streams)
    meter = Meter(progress)
    names = list(plan.rows)
    phases: dict[str, float] = {}
    with connect(conninfo) as conn:
        lock_load(conn)
        left = _begin(conn, plan)
        keys, triggers = left.keys, left.triggers
        with _restored_on_failure(conn, names, keys, triggers):
            with _timed(phases, "copy"):
                # How many there are elsewhere is not known: small shards are fair to all of them.
                whole = whole_tables(plan, streams) if executor is None else set()
                results = _copy(conninfo, plan, left.done, meter, run, shards_of(plan, streams, whole))
            missing = _largest_first(missing_keys(keys, read_keys(conn, names)), plan)
            with _timed(phases, "index"):
                _run(conninfo, streams, index_jobs(missing), "index", meter)
            with _timed(phases, "foreign_key"):
                _execute(conn, ("adding foreign keys", foreign_key_statements(missing)))
                _run(conninfo, streams, validation_jobs(_largest_first(keys, plan)), "foreign key", meter)
                _execute(conn, ("enabling triggers", trigger_statements(triggers)))
            with _timed(phases, "vacuum"):
                _run(conninfo, streams, _vacuum_jobs(plan), "vacuum", meter)
            drop_ledger(conn)
        sizes = _sizes(conn, names)
    return replace(_result(plan, meter, results, sizes, phases, streams), resumed=len(left.done))


def _begin(conn: Connection, plan: Plan) -> Ledger:
    """Go on where a load of the same plan broke off, or take the keys away and open a ledger."""
    names = list(plan.rows)
    left = read_ledger(conn, plan)
    if left is not None:
        return left
    check_tables(conn, plan)
    keys, triggers = read_keys(conn, names), read_triggers(conn, names)
    try:
        with conn.transaction():
            create_ledger(conn, plan, keys, triggers)
            drop_keys(conn, keys, triggers)
    except psycopg.Error as error:
        raise server_error(error, "opening the load's ledger") from error
    return Ledger(tuple(keys), tuple(triggers), ())


def _result(
    plan: Plan,
    meter: Meter,
    results: Sequence[ShardResult],
    sizes: dict[str, int],
    phases: dict[str, float],
    streams: int,
) -> LoadResult:
    rows: Counter[str] = Counter()
    dirt: Counter[str] = Counter()
    for result in results:
        rows[result.shard.table] += result.rows
        dirt.update(result.dirt)
    return LoadResult(
        seed=plan.seed,
        scale=plan.scale,
        generator_version=GENERATOR_VERSION,
        load_s=meter.elapsed_s,
        tables=tuple((name, rows[name], sizes[name]) for name in plan.rows),
        dirt=dict(sorted(dirt.items())),
        pools_sha256=plan.data.pools_sha256(plan.seed),
        faker_version=faker_version(),
        phases_s=phases,
        sent_bytes=meter.bytes,
        workers=streams,
    )


def _copy(
    conninfo: str,
    plan: Plan,
    done: Sequence[ShardResult],
    meter: Meter,
    run: Executor,
    planned: Sequence[Shard],
) -> list[ShardResult]:
    meter.begin("copy", plan.total_rows)
    warm_up(plan)
    remaining = uncovered(planned, [result.shard for result in done])
    meter.add(sum(result.rows for result in done))
    return [*done, *run(conninfo, plan, remaining, meter.add)]


def _run(conninfo: str, streams: int, jobs: Sequence[Job], phase: Phase, meter: Meter) -> None:
    meter.begin(phase, len(jobs))

    def work(conn: Connection, job: Job, stop: threading.Event) -> None:
        _execute(conn, job)
        meter.add(1)

    run_jobs(conninfo, streams, jobs, work)


def _execute(conn: Connection, job: Job) -> None:
    doing, statements = job
    try:
        for statement in statements:
            conn.execute(statement)
    except psycopg.Error as error:
        raise server_error(error, doing) from error


def _largest_first(keys: Sequence[Key], plan: Plan) -> list[Key]:
    return sorted(keys, key=lambda key: -plan.rows.get(key.table, 0))


def _vacuum_jobs(plan: Plan) -> list[Job]:
    return [
        (
            f"vacuum of {name}",
            [sql.SQL("VACUUM (FREEZE, ANALYZE, TRUNCATE false) {}").format(qualified(name))],
        )
        for name in sorted(plan.rows, key=lambda name: -plan.rows[name])
    ]


def _sizes(conn: Connection, names: Sequence[str]) -> dict[str, int]:
    query = "SELECT name, pg_total_relation_size(name::regclass) FROM unnest(%s::text[]) AS name"
    return dict(conn.execute(query, [list(names)]).fetchall())


@contextmanager
def _timed(phases: dict[str, float], phase: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    phases[phase] = time.perf_counter() - started


@contextmanager
def _restored_on_failure(
    conn: Connection, names: Sequence[str], keys: Sequence[Key], triggers: Sequence[Trigger]
) -> Iterator[None]:
    """Leave the tables as they were found, empty and with all their keys, whatever goes wrong."""
    try:
        yield
    except BaseException as failure:
        try:
            drop_keys(conn, read_keys(conn, names), ())
            conn.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(qualified, names))))
            for _, statements in index_jobs(keys):
                _execute(conn, ("putting keys back", statements))
            _execute(conn, ("putting foreign keys back", foreign_key_statements(keys)))
            for _, statements in validation_jobs(keys):
                _execute(conn, ("putting foreign keys back", statements))
            _execute(conn, ("enabling triggers", trigger_statements(triggers)))
            drop_ledger(conn)
        except (psycopg.Error, ServerError) as error:
            raise ServerError(
                f"{failure}; the load is unfinished: {str(error).strip()}",
                "start the same load again when the server is back: it goes on from its ledger",
            ) from failure
        raise


__all__ = ["LoadResult", "Progress", "load"]
