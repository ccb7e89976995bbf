"""The loaded pass: the application's traffic runs while the migrations are applied, as psql would apply them.

Where others plug in:

* ``hazard``: anything with a ``name`` and ``around(server, dbname)``, a context manager. It is entered when
  the traffic has run for a while, before the first statement, and left when the last one has ended.
* ``deploy``: how the files of one transaction, mostly one file, are applied,
  :func:`bench.run.traffic.deploy.apply_once` by default. It gets a
  :class:`bench.run.traffic.deploy.Deploy` for each file, opens their session by ``deploy.session()``, and
  returns the migrations as they ended; so retries after ``lock_timeout`` are a ``deploy`` of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Protocol

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from bench.errors import ServerError
from bench.model.load import Arrivals, ClassLoad, KeptError, Taken, Workload
from bench.model.run import MigrationRun, Repeat
from bench.observe.relations import RelationCatalog
from bench.pg.server import Server
from bench.pg.sessions import reopening
from bench.run.progress import Progress, Step
from bench.run.scripts import Scripts, together, undone
from bench.run.solo.execution import not_reached
from bench.run.traffic.deploy import Deploy, Deployer, Record, SharedSession, apply_once
from bench.workload.draw import draw_parameters, taken_locks
from bench.workload.lookout import Lookout
from bench.workload.outcome import Measured, measure
from bench.workload.prepared import kept_statements
from bench.workload.spec import TrafficMix
from bench.workload.traffic import Traffic, open_traffic


class Hazard(Protocol):
    """Something that goes on beside the deploy."""

    @property
    def name(self) -> str:
        """As ``--hazard`` and the run file have it."""

    def around(self, server: Server, dbname: str) -> AbstractContextManager[object]:
        """Keep it going for the length of the block."""


@dataclass(frozen=True, slots=True)
class TrafficOptions:
    """How the traffic is made."""

    mix: TrafficMix | None = None
    """The application's requests; None: derived from the catalog."""
    repeats: int = 1
    rate_per_s: float | None = None
    """None: half of the measured capacity."""
    arrivals: Arrivals = "poisson"
    connections: int = 40
    connections_asked: bool = False
    """Whether somebody asked for so many; else it may be fewer, where the server has room for fewer."""
    workers: int = 1
    seed: int = 1
    warm_s: float = 3.0
    """Of the measured traffic before the first statement."""
    after_s: float = 3.0
    """And after the last one."""
    trial_s: float = 2.0
    """Of the trial that measures the capacity, after half as long to warm up."""
    drain_s: float = 10.0
    """How long requests that are on their way at the end are waited for."""


CAPACITY_SHARE = 0.5
TRIAL_CLIENTS = 8
LOWEST_RATE_PER_S = 1.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which the deploy is applied, beside the traffic."""

    index: int = 0
    """Of the repeat."""
    hazard: Hazard | None = None
    deploy: Deployer = apply_once
    one_session: bool = False
    """The same for all files."""


QUIET = Conditions()


@dataclass(slots=True)
class _Pass:
    """What one loaded pass has come to."""

    record: Record = field(default_factory=Record)
    migrations: list[MigrationRun] = field(default_factory=list)
    capacity_per_s: float | None = None
    rate_per_s: float = 0.0


def loaded_pass(
    server: Server,
    dbname: str,
    scripts: Scripts,
    mix: TrafficMix,
    options: TrafficOptions,
    *,
    conditions: Conditions = QUIET,
    keep: Callable[[Repeat], object],
    progress: Progress,
) -> Repeat:
    """Apply the scripts to a clone, ``dbname``, under traffic, and return what was measured.

    ``keep`` gets it, too, and gets it as well where an exception ends the pass: what was measured until then.
    A server that goes away fails the migration. UsageError where a class does not work before the migrations,
    ServerError where nothing could begin.
    """
    with server.connect(dbname, application_name="pgrehearse observer", kind="application") as conn:
        classes = draw_parameters(conn, mix, options.seed)
        taken = taken_locks(conn, classes, options.seed)
        catalog = RelationCatalog.read(conn)
    conninfo = make_conninfo(server.conninfo(dbname, "application"), application_name="pgrehearse traffic")
    pool = {"connections": options.connections, "workers": options.workers, "seed": options.seed}
    done, hazard = _Pass(), conditions.hazard
    with (
        reopening(server, dbname, "pgrehearse lookout") as looking,
        kept_statements(server, dbname, mix.classes, classes) as kept,
        open_traffic(conninfo, classes, **pool) as traffic,
    ):
        _settle_rate(traffic, options, done, progress)
        lookout = Lookout(looking)
        done.record.follow = lookout.follow
        try:
            traffic.begin(done.rate_per_s, options.arrivals)
            progress(Step(_title(done, hazard)))
            time.sleep(options.warm_s)
            with hazard.around(server, dbname) if hazard is not None else nullcontext():
                _deploy_all(server, dbname, scripts, conditions, done, progress)
            time.sleep(options.after_s)
        finally:
            traffic.end(options.drain_s)
            measured = Measured(
                traffic.requests(),
                lookout.stop(),
                tuple(done.record.sessions),
                tuple(done.record.spans),
                _relations(server, dbname, catalog),
                frozenset(relation.oid for relation in catalog.existing() if relation.relkind in "rpm"),
                zero=traffic.began,
                end=traffic.ended,
            )
            workload = measure(measured, mix, rate_per_s=done.rate_per_s, arrivals=options.arrivals)
            workload = replace(workload, classes=_tried_alone(workload.classes, kept.errors(), taken))
            workload = _completed(workload, traffic, done, options, _deadlocks(server, dbname))
            repeat = Repeat(conditions.index, None, tuple(done.migrations), workload)
            keep(repeat)
    return repeat


def _tried_alone(
    classes: Sequence[ClassLoad], errors: Mapping[int, KeptError], taken: Sequence[tuple[Taken, ...]]
) -> tuple[ClassLoad, ...]:
    """The classes with what each says as a statement that was prepared before the deploy, and its locks."""
    return tuple(
        replace(load, kept_error=errors.get(number), takes=locks)
        for number, (load, locks) in enumerate(zip(classes, taken, strict=True))
    )


def _title(done: _Pass, hazard: Hazard | None) -> str:
    beside = f" beside {hazard.name}" if hazard is not None else ""
    return f"loaded pass{beside}, {done.rate_per_s:,.0f} requests/s"


def _settle_rate(traffic: Traffic, options: TrafficOptions, done: _Pass, progress: Progress) -> None:
    """The rate that was asked for, or a share of what the server can do; a short trial warms it up, too."""
    if options.rate_per_s is not None:
        done.rate_per_s = options.rate_per_s
        return
    progress(Step("loaded pass: what the server can do"))
    clients = min(TRIAL_CLIENTS, options.connections)
    done.capacity_per_s = traffic.measure_capacity(clients, options.trial_s / 2, options.trial_s)
    done.rate_per_s = max(LOWEST_RATE_PER_S, CAPACITY_SHARE * done.capacity_per_s)


def _deploy_all(
    server: Server,
    dbname: str,
    scripts: Scripts,
    conditions: Conditions,
    done: _Pass,
    progress: Progress,
) -> None:
    """One transaction of files after the other; after one that failed the others are not reached."""
    shared = SharedSession() if conditions.one_session else None
    groups = list(together([(migration.id, statements) for migration, statements in scripts]))
    try:
        for group in groups:
            if done.migrations and done.migrations[-1].outcome != "applied":
                done.migrations += [not_reached(name, statements) for name, statements in group]
                continue
            last = group[-1][0]
            files = [
                Deploy(
                    server,
                    dbname,
                    name,
                    statements,
                    done.record,
                    conditions.index,
                    progress,
                    shared,
                    name != last,
                )
                for name, statements in group
            ]
            for run in conditions.deploy(files):
                done.migrations.append(run)
    finally:
        if shared is not None:
            shared.close()
    done.migrations[:] = undone(done.migrations, groups)


def _relations(server: Server, dbname: str, before: RelationCatalog) -> dict[int, str]:
    """Names by oid: as they were before, else as they are now."""
    try:
        with server.connect(dbname, application_name="pgrehearse observer") as conn:
            after = RelationCatalog.read(conn)
    except (ServerError, psycopg.Error):
        return _names(before)
    return {**_names(after), **_names(before)}


def _names(catalog: RelationCatalog) -> dict[int, str]:
    return {relation.oid: relation.full_name for relation in catalog.existing()}


def _completed(
    workload: Workload, traffic: Traffic, done: _Pass, options: TrafficOptions, deadlocks: int | None
) -> Workload:
    notes = list(workload.notes)
    if traffic.lost:
        notes.append(
            f"{traffic.lost} of {options.workers} generator processes ended before their time: what they had "
            "on their way then is not counted."
        )
    if traffic.missed:
        notes.append(
            f"{traffic.missed:,} requests were due and were not made: more wait already than the generator "
            "keeps, or it cannot make so many."
        )
    return replace(
        workload,
        rate_held=workload.rate_held and not traffic.missed,
        rate_note=workload.rate_note or (notes[-1] if traffic.missed else None),
        capacity_per_s=done.capacity_per_s,
        connections=options.connections,
        workers=options.workers,
        workers_lost=traffic.lost,
        seed=options.seed,
        deadlocks=deadlocks,
        notes=tuple(notes),
    )


def _deadlocks(server: Server, dbname: str) -> int | None:
    """The clone is new, so its own count is the pass'."""
    try:
        with server.connect(application_name="pgrehearse observer") as conn:
            return _count(conn, dbname)
    except (ServerError, psycopg.Error):
        return None


def _count(conn: psycopg.Connection[TupleRow], dbname: str) -> int | None:
    row = conn.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = %s", (dbname,)).fetchone()
    return None if row is None else int(row[0])
