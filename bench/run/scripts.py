"""The migrations of a suite as statements, and their sessions and transactions over several files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, TypeVar

import psycopg
from psycopg.rows import TupleRow

from bench.migrate.suite import Migration, Suite
from bench.migrate.transactions import leaves_open, read_alone, read_migrations
from bench.model.run import MigrationRun
from bench.model.statement import Statement, StatementError, StatementRun
from bench.pg.server import Server
from bench.run.execute import psql_variables
from bench.run.guard import check_file, check_queries, check_state_before, refuse_own_role
from bench.run.solo.execution import not_reached
from bench.run.template.extensions import require_extensions
from bench.run.template.options import DataOptions

Scripts = tuple[tuple[Migration, tuple[Statement, ...]], ...]
"""The migrations of a suite, each with its statements."""
StatementKey = tuple[str, int]
"""A migration's id and the index of one of its statements."""


def read_scripts(server: Server, suite: Suite, data: DataOptions) -> Scripts:
    """Each migration with its statements.

    Raises UsageError for what cannot be read or may not run there, also of the state before, with ``data``.
    What the grammar refuses is no reason: the server refuses it, as it would on the day.
    """
    known = psql_variables(server.info)
    scripts = read_migrations(suite.migrations, known)
    with server.connect() as conn:
        role = conn.execute("SELECT current_user").fetchone()
    for migration, statements in scripts:
        refuse_own_role(migration.path, statements, role[0] if role else "")
    require_extensions(server, scripts)
    check_state_before(server, suite, data)
    for migration, statements in scripts:
        check_file(server, migration.path, statements)
    for migration in suite.migrations:
        if migration.verify is not None:
            check_file(server, migration.verify.path, read_alone(migration.verify, known))
    for query in suite.queries:
        check_queries(server, ((query.name, text) for text in (query.sql, *query.params.values())))
    return scripts


Connection = psycopg.Connection[TupleRow]
Named = tuple[str, Sequence[Statement]]
Script = TypeVar("Script", bound=tuple[Any, Sequence[Statement]])


@contextmanager
def sessions(
    connect: Callable[[], Connection], *, kept: bool
) -> Iterator[Callable[[], AbstractContextManager[Connection]]]:
    """Gives each file its session: the same one for all where it is ``kept``, else a new one each time."""
    if not kept:
        yield connect
        return
    with connect() as conn:
        yield lambda: nullcontext(conn)


def together(scripts: Sequence[Script]) -> Iterator[tuple[Script, ...]]:
    """The scripts in groups: those that are one transaction of their runner stand together."""
    group: list[Script] = []
    open_ = False
    for script in scripts:
        group.append(script)
        statements = script[1]
        open_ = leaves_open(statements) if any(statement.by_tool for statement in statements) else open_
        if not open_:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)


def name_of(group: Sequence[Named]) -> str:
    """What a group of scripts is called while it runs."""
    return group[0][0] if len(group) == 1 else f"{group[0][0]} to {group[-1][0]}"


def divide(run: MigrationRun, group: Sequence[Named]) -> tuple[MigrationRun, ...]:
    """The run of a group's statements, one after the other, as those of its scripts.

    Where one fails, those before it have been rolled back with it, and count as failed, too.
    """
    if len(group) == 1:
        return (run,)
    parts: list[tuple[StatementRun, ...]] = []
    taken = 0
    for _, statements in group:
        parts.append(run.statements[taken : taken + len(statements)])
        taken += len(statements)
    reached = [
        position
        for position, part in enumerate(parts)
        if any(statement.outcome != "skipped" for statement in part)
    ]
    last = reached[-1] if reached else 0
    runs = []
    for position, ((name, statements), part) in enumerate(zip(group, parts, strict=True)):
        if run.outcome != "applied" and position > last:
            runs.append(not_reached(name, statements))
            continue
        error = None
        if run.outcome != "applied":
            error = run.error if position == last else rolled_back_with(group[last][0])
        runs.append(_part(name, run, part, error))
    return tuple(runs)


def rolled_back_with(name: str) -> StatementError:
    """Why a file that was applied is not there, nevertheless."""
    return StatementError(
        None, f"applied, and rolled back with {name}: the migration tool has them in one transaction"
    )


def undone(runs: Sequence[MigrationRun], groups: Sequence[Sequence[Named]]) -> tuple[MigrationRun, ...]:
    """The runs, with those as failed that were applied and then rolled back with a later one."""
    failed = next((run for run in runs if run.outcome == "failed"), None)
    mates = next(
        (names for group in groups if failed and failed.id in (names := {name for name, _ in group})), set()
    )
    return tuple(
        replace(run, outcome="failed", error=rolled_back_with(failed.id))
        if failed and run.id in mates and run.outcome == "applied"
        else run
        for run in runs
    )


def _part(
    name: str, run: MigrationRun, statements: tuple[StatementRun, ...], error: StatementError | None
) -> MigrationRun:
    ran = [statement for statement in statements if statement.started_at_s is not None]
    began_s = (ran[0].started_at_s or 0.0) if ran else 0.0
    ended_s = (ran[-1].started_at_s or 0.0) + (ran[-1].duration_s or 0.0) if ran else 0.0
    return MigrationRun(
        id=name,
        outcome=run.outcome,
        duration_s=sum(statement.duration_s or 0.0 for statement in ran),
        error=error,
        statements=tuple(_earlier(statement, began_s) for statement in statements),
        wall_s=ended_s - began_s,
    )


def _earlier(statement: StatementRun, began_s: float) -> StatementRun:
    """With its times counted from the start of its own file."""
    if statement.started_at_s is None:
        return statement
    locks = tuple(
        lock
        if lock.granted_at_s is None
        else replace(lock, granted_at_s=max(0.0, lock.granted_at_s - began_s))
        for lock in statement.locks
    )
    return replace(statement, started_at_s=statement.started_at_s - began_s, locks=locks)
