"""Whether a rollback brings back the state before, exactly, and what a second run does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from psycopg.errors import Diagnostic

from bench.model.proof import IdempotenceProof, RollbackLock, RollbackOutcome, RollbackProof
from bench.model.run import MigrationRun
from bench.model.statement import Statement, StatementError
from bench.pg.contents import Volatile
from bench.pg.database import fsync, temporary_database
from bench.pg.server import Server
from bench.run.progress import Progress
from bench.run.prove.chain import Link
from bench.run.prove.play import SAID_AT_MOST, play
from bench.run.prove.states import State, compare, read_state
from bench.run.solo.apply import MigrationApplier
from bench.run.solo.watch import watch


def prove_alone(
    server: Server,
    link: Link,
    progress: Progress,
    *,
    backward: Sequence[Statement] | None = None,
    draft: bool = False,
) -> RollbackProof:
    """Take one migration back, timed and under watch, and compare with the state before it.

    ``backward``: a rollback in place of the suite's own.
    """
    statements = backward if backward is not None else link.script.backward
    if link.after is None:
        return RollbackProof("alone", (link.id,), "not-reached", error=link.played.error)
    if statements is None:
        return RollbackProof("alone", (link.id,), "missing")
    with temporary_database(server, "rollback", link.after.dbname) as dbname:
        run, said = _watched(server, dbname, f"rollback of {link.id}", statements, progress)
        differences = compare(server, link.before, read_state(server, dbname))
    outcome: RollbackOutcome = "failed" if run.error else "differs" if differences else "exact"
    return RollbackProof(
        "alone",
        (link.id,),
        outcome,
        draft=draft,
        differences=differences,
        error=run.error,
        duration_s=run.duration_s,
        locks=strongest_locks(run),
        said=said,
    )


def prove_all(server: Server, links: Sequence[Link]) -> RollbackProof:
    """Take the whole suite back, last migration first, and compare with the state before the first."""
    order = tuple(link.id for link in reversed(links))
    last = links[-1].after
    if last is None:
        return RollbackProof("all", order, "not-reached", error=links[-1].played.error)
    if any(link.script.backward is None for link in links):
        return RollbackProof("all", order, "missing")
    said: list[str] = []
    with temporary_database(server, "all_back", last.dbname) as dbname:
        for link in reversed(links):
            played = play(server, dbname, link.script.backward or ())
            said += played.said
            if played.error is not None:
                return RollbackProof("all", order, "failed", error=played.error, said=tuple(said))
        differences = compare(server, links[0].before, read_state(server, dbname))
    outcome: RollbackOutcome = "differs" if differences else "exact"
    return RollbackProof("all", order, outcome, differences=differences, said=tuple(said))


def _watched(
    server: Server, dbname: str, name: str, statements: Sequence[Statement], progress: Progress
) -> tuple[MigrationRun, tuple[str, ...]]:
    said: list[str] = []

    def listen(notice: Diagnostic) -> None:
        if len(said) < SAID_AT_MOST and notice.message_primary:
            said.append(f"{notice.severity}: {notice.message_primary}")

    with (
        fsync(server, on=True),
        watch(server, dbname, None) as watching,
        server.connect(dbname, application_name="pgrehearse rollback", kind="deploy") as conn,
    ):
        conn.add_notice_handler(listen)
        applier = MigrationApplier(name, statements, conn, watching, repeat=0, progress=progress)
        applier.run()
        return applier.result(), tuple(said)


def strongest_locks(run: MigrationRun) -> tuple[RollbackLock, ...]:
    """Of each relation that existed before the rollback, its strongest lock, the strongest first."""
    strongest: dict[str, RollbackLock] = {}
    for statement in run.statements:
        for lock in statement.locks:
            known = strongest.get(lock.relation)
            if not lock.felt or not lock.on_named:
                continue
            if known is None or lock.mode.strength > known.mode.strength:
                strongest[lock.relation] = RollbackLock(lock.relation, lock.mode, lock.held_s)
    return tuple(sorted(strongest.values(), key=lambda lock: (-lock.mode.strength, lock.relation)))


def prove_twice(server: Server, link: Link) -> IdempotenceProof | None:
    """Run a migration on the state that it has left; None where it never got there."""
    if link.after is None:
        return None
    with temporary_database(server, "twice", link.after.dbname) as dbname:
        played = play(server, dbname, link.script.forward)
        return _proof(server, "twice", (link.id, link.id), link, link.after, dbname, played.error)


def prove_swapped(server: Server, first: Link, second: Link) -> IdempotenceProof | None:
    """Run two neighbours in the wrong order; None where one of them fails in the right one."""
    if first.after is None or second.after is None:
        return None
    order = (second.id, first.id)
    with temporary_database(server, "swapped", first.before.dbname) as dbname:
        played = play(server, dbname, second.script.forward)
        if played.error is not None:  # the first was not even tried: the state should be the one before
            return _proof(server, "out-of-order", order, first, first.before, dbname, played.error)
        played = play(server, dbname, first.script.forward)
        volatile = _together(first.volatile, second.volatile)
        return _proof(server, "out-of-order", order, second, second.after, dbname, played.error, volatile)


def _together(*parts: Volatile) -> dict[str, frozenset[str]]:
    tables = {table for part in parts for table in part}
    return {table: frozenset().union(*(part.get(table, ()) for part in parts)) for table in tables}


def _proof(
    server: Server,
    scope: Literal["twice", "out-of-order"],
    order: tuple[str, ...],
    link: Link,
    expected: State,
    dbname: str,
    error: StatementError | None,
    volatile: Volatile | None = None,
) -> IdempotenceProof:
    if volatile is None:
        volatile = link.volatile if expected is link.after else {}
    differences = compare(server, expected, read_state(server, dbname, volatile), volatile)
    if error is not None:
        return IdempotenceProof(scope, order, "breaks" if differences else "refuses", error, differences)
    return IdempotenceProof(scope, order, "changes" if differences else "same", None, differences)
