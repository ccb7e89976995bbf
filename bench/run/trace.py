"""A trace: what a script locks, rewrites, scans and blocks, on a schema with few rows or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg

from bench.errors import Unreachable
from bench.model.lock import Lock
from bench.model.run import MigrationRun
from bench.model.statement import Statement
from bench.observe.freeze import NO_STANDBY, StandIn, Stepper
from bench.observe.probe import Prober
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.pg.sessions import describe_loss, reopening
from bench.run.guard import check_file, check_files
from bench.run.progress import Progress, Said, Step, silent
from bench.run.scripts import divide, name_of, sessions, together
from bench.run.solo.apply import MigrationApplier
from bench.run.solo.execution import not_reached
from bench.run.solo.watch import Watch
from bench.run.template.prepare import apply_file

Script = tuple[Path, Sequence[Statement]]


def trace(
    server: Server,
    scripts: Sequence[Script],
    *,
    before: Sequence[Path] = (),
    probe: bool = True,
    kept: bool = False,
    disposable: bool = False,
    progress: Progress = silent,
) -> tuple[MigrationRun, ...]:
    """Apply scripts one after the other, each in a session of its own, in a new database that is dropped.

    ``kept``: all in one session, as some migration tools do.

    ``disposable``: the server was started for this trace alone, so its empty database ``postgres`` will do.

    ``before``: files that make the schema and its rows. ``probe``: try an application's commands while each
    statement's transaction is open. Statements that commit inside, that hide what they do or that fail are
    made to wait half-way, where the role may lock the system catalogs; so no duration means anything here.
    The first script that fails is the last one applied. Raises UsageError for a file that cannot be used or
    a file of ``before`` that fails, ServerError where the server goes away.
    """
    check_files(server, before, before=True)
    for path, statements in scripts:
        check_file(server, path, statements)
    try:
        with nullcontext("postgres") if disposable else temporary_database(server, "trace") as dbname:
            for path in before:
                progress(Step(f"schema and rows from {path}"))
                for note in apply_file(server, dbname, path):
                    progress(Said(note.text))
            named = [(str(path), statements) for path, statements in scripts]
            runs = trace_in(server, dbname, named, probe=probe, step=True, kept=kept, progress=progress)
            server.connect(dbname).close()  # a server that went away is no failure of a script
            return runs
    except (psycopg.OperationalError, Unreachable) as error:
        raise describe_loss(server.endpoint, error, "look at the server's log, then trace again") from error


def trace_in(
    server: Server,
    dbname: str,
    scripts: Sequence[tuple[str, Sequence[Statement]]],
    *,
    probe: bool,
    step: bool,
    kept: bool = False,
    progress: Progress = silent,
) -> tuple[MigrationRun, ...]:
    """Apply scripts by their names in a database that has the schema before.

    ``kept``: all in one session, as some migration tools do.
    ``step``: make statements wait half-way whose locks are gone at their end.
    """
    with _watch(server, dbname, probe=probe, step=step) as watching:
        return tuple(_apply_all(server, dbname, scripts, watching, progress, kept=kept))


def trace_settings() -> dict[str, str]:
    """Settings of a server that is started for a trace.

    A commit that asks for it waits for a standby that does not exist: so the locks of transactions inside a
    statement can be read at their ends. No other commit asks.
    """
    return {"synchronous_standby_names": NO_STANDBY, "synchronous_commit": "local"}


def _apply_all(
    server: Server,
    dbname: str,
    scripts: Sequence[tuple[str, Sequence[Statement]]],
    watching: Watch,
    progress: Progress,
    *,
    kept: bool,
) -> Iterator[MigrationRun]:
    failed = False
    connect = partial(server.connect, dbname, application_name="pgrehearse migration", kind="deploy")
    with sessions(connect, kept=kept) as session:
        for group in together(scripts):
            if failed:
                yield from (not_reached(name, statements) for name, statements in group)
                continue
            every = [statement for _, statements in group for statement in statements]
            with session() as conn:
                applier = MigrationApplier(name_of(group), every, conn, watching, repeat=0, progress=progress)
                applier.run()
                result = _without_chance(applier.result())
            failed = result.outcome == "failed"
            yield from divide(result, group)


@contextmanager
def _watch(server: Server, dbname: str, *, probe: bool, step: bool) -> Iterator[Watch]:
    """Observers without counters and calibration, which would only take time."""
    with ExitStack() as stack:
        connect = partial(server.connect, dbname)
        gates = partial(connect, application_name="pgrehearse gate")
        stepper = Stepper(gates, ours=server.managed) if step and server.superuser else None
        prober = Prober(partial(connect, application_name="pgrehearse probe")) if probe else None
        stand_in = StandIn(gates) if stepper and prober else None
        for sessions in (stepper, prober, stand_in):
            if sessions is not None:
                stack.enter_context(closing(sessions))
        yield Watch(
            observer=stack.enter_context(connect(application_name="pgrehearse observer")),
            sampling=stack.enter_context(reopening(server, dbname, "pgrehearse sampler")),
            prober=prober,
            stepper=stepper,
            stand_in=stand_in,
        )


def _without_chance(run: MigrationRun) -> MigrationRun:
    """The migration without locks that a sample met by chance and that a stronger one makes meaningless."""
    return replace(
        run,
        statements=tuple(
            replace(statement, locks=_without_passing(statement.locks)) for statement in run.statements
        ),
    )


def _without_passing(locks: tuple[Lock, ...]) -> tuple[Lock, ...]:
    """Without what a sample met by chance, where the statement kept a lock as strong on the same relation."""
    kept: dict[tuple[str, bool], int] = {}
    for lock in locks:
        if lock.source != "sampled":
            key = (lock.relation, lock.new)
            kept[key] = max(kept.get(key, 0), lock.mode.strength)
    return tuple(
        lock
        for lock in locks
        if lock.source != "sampled" or lock.mode.strength > kept.get((lock.relation, lock.new), 0)
    )
