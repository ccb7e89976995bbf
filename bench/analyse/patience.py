"""The lock timeout to set: what each costs behind a long reader, computed from what the deploy did.

Who waits for ACCESS EXCLUSIVE stands behind every transaction that has read the table, and all requests stand
behind it. With a lock timeout it gives its place up and comes back after a pause. A short one costs little at
each try; one that is shorter than the application's own transactions never gets through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from bench.model.deploy import pause_s
from bench.model.lock import LockMode
from bench.model.run import MigrationRun, Run
from bench.model.statement import StatementRun
from bench.sql.kinds import classify
from bench.sql.lexer import leading_words

READERS_S = (10.0, 30.0, 120.0)
TIMEOUTS_S = (0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0)
"""Those that are tried in the computation. Below the first, what the network and the server's own clock take
is no longer small beside it."""
MARGIN = 1.2
"""A try must be able to outlast the application's own transactions: the slowest of a hundred, and a fifth."""
SHORTEST = 1.0
"""The chance with which every pause is as short as it can be, so that the most tries are needed."""


@dataclass(frozen=True, slots=True)
class Step:
    """A statement in its transaction."""

    runs_s: float
    wants: bool
    """It asks for a lock that a reader's stands against."""
    blocks: bool
    """From then on requests wait for a lock of the transaction."""


Unit = tuple[Step, ...]
"""A transaction, or one statement outside: what is rolled back and tried again together."""


@dataclass(frozen=True, slots=True)
class Behind:
    """A migration behind a reader that stays open for so long, as computed."""

    reader_s: float
    tries: int
    """At most, as pauses are cut by chance."""
    blocked_s: float
    """Time in which requests stand still behind the migration: its waits for locks, and its holds."""
    without_s: float
    """The same where no lock timeout is set."""
    deploy_s: float
    """From the first try to the end, pauses included."""


@dataclass(frozen=True, slots=True)
class MigrationAdvice:
    """What to set for one migration."""

    migration: str
    lock_timeout_s: float | None
    """None: it asks for no lock that requests queue behind."""
    least_s: float
    """What the application's own transactions ask for at least; 0.0: they were not measured, or are short."""
    behind: tuple[Behind, ...]
    first: int | None
    """Index of the first statement that is to be timed."""
    untimed: tuple[int, ...]
    """Indexes of statements that wait in nobody's way: they should wait for as long as it takes."""
    own: tuple[int, ...]
    """Indexes of statements by which the file sets a lock_timeout itself, which goes before ours."""
    parted_line: int | None = None
    """Of the first timed statement before which the file has committed something: a tool that runs the file
    again from its start would do that twice."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to set for a deploy."""

    migrations: tuple[MigrationAdvice, ...]
    lock_timeout_s: float
    """The longest that a migration needs: the session's setting."""
    tries: int
    """The most that a migration needs behind the longest reader."""


def advise(run: Run, readers_s: Sequence[float] = READERS_S) -> Advice | None:
    """From the last repeat of the solo pass and the traffic beside the quiet one.

    None where nothing was applied to its end, or where no migration asks for a lock that requests queue
    behind.
    """
    if not run.solo or any(migration.outcome != "applied" for migration in run.solo[-1].migrations):
        return None
    readers = tuple(sorted(set(readers_s)))
    advised = tuple(_of_migration(migration, run, readers) for migration in run.solo[-1].migrations)
    timed = [migration for migration in advised if migration.lock_timeout_s is not None]
    if not timed:
        return None
    return Advice(
        advised,
        max(migration.lock_timeout_s or 0.0 for migration in timed),
        max(behind.tries for migration in timed for behind in migration.behind),
    )


def _of_migration(migration: MigrationRun, run: Run, readers_s: Sequence[float]) -> MigrationAdvice:
    units = tuple(_units(migration))
    steps = [tuple(_steps(unit)) for unit in units]
    least_s = MARGIN * _application_s(migration, run)
    timed = _timed(units)
    waits = {statement.index for unit in units for statement in unit} - {other.index for other in timed}
    untimed = tuple(
        statement.index
        for statement in migration.statements
        if statement.index in waits and _waits_for_others(statement)
    )
    own = tuple(
        statement.index for statement in migration.statements if sets_lock_timeout(statement.text) is not None
    )
    if not timed:
        return MigrationAdvice(migration.id, None, least_s, (), None, untimed, own)
    fit = [timeout_s for timeout_s in TIMEOUTS_S if timeout_s >= least_s] or [TIMEOUTS_S[-1]]
    best = min(fit, key=lambda timeout_s: sum(_cost(steps, timeout_s, reader_s) for reader_s in readers_s))
    behind = tuple(_behind(steps, best, reader_s) for reader_s in readers_s)
    return MigrationAdvice(
        migration.id, best, least_s, behind, timed[0].index, untimed, own, _parted_line(units, timed)
    )


def _cost(units: Sequence[Unit], timeout_s: float, reader_s: float) -> float:
    return _behind(units, timeout_s, reader_s).blocked_s


def _behind(units: Sequence[Unit], timeout_s: float, reader_s: float) -> Behind:
    tries, blocked_s, deploy_s = play(units, timeout_s, reader_s)
    _, without_s, _ = play(units, None, reader_s)
    return Behind(reader_s, tries, blocked_s, without_s, deploy_s)


def play(units: Sequence[Unit], timeout_s: float | None, reader_s: float) -> tuple[int, float, float]:
    """Apply the units behind a reader that began with them: tries, time blocked, time in all."""
    now_s = blocked_s = 0.0
    tries = 1
    for unit in units:
        while True:
            end_s, blocking_from_s, through = _try(unit, timeout_s, reader_s, now_s)
            now_s = end_s
            blocked_s += 0.0 if blocking_from_s is None else end_s - blocking_from_s
            if through:
                break
            now_s += pause_s(tries, SHORTEST)
            tries += 1
    return tries, blocked_s, now_s


def _try(
    unit: Unit, timeout_s: float | None, reader_s: float, now_s: float
) -> tuple[float, float | None, bool]:
    """When a try ends, since when requests wait for it, and whether it came through."""
    blocking_from_s: float | None = None
    for step in unit:
        if blocking_from_s is None and (step.blocks or (step.wants and now_s < reader_s)):
            blocking_from_s = now_s
        if step.wants and now_s < reader_s:
            if timeout_s is not None and reader_s - now_s > timeout_s:
                return now_s + timeout_s, blocking_from_s, False
            now_s = reader_s
        now_s += step.runs_s
    return now_s, blocking_from_s, True


def _units(migration: MigrationRun) -> Iterator[tuple[StatementRun, ...]]:
    """The statements of each transaction, and each statement outside one."""
    open_: list[StatementRun] = []
    inside = False
    for statement in migration.statements:
        control = classify(statement.text).transaction_control
        inside = inside or control == "begin" or statement.transaction == "file"
        open_.append(statement)
        if not inside or control in ("commit", "rollback", "commit_and_chain", "rollback_and_chain"):
            yield tuple(open_)
            open_, inside = [], False
    if open_:
        yield tuple(open_)


def _steps(unit: Sequence[StatementRun]) -> Iterator[Step]:
    held: set[str] = set()
    for statement in unit:
        wanted = {
            lock.relation
            for lock in statement.locks
            if lock.felt and lock.on_table and lock.mode is LockMode.ACCESS_EXCLUSIVE
        }
        yield Step(statement.duration_s or 0.0, bool(wanted - held), _blocks(statement))
        held |= wanted


def _blocks(statement: StatementRun) -> bool:
    return any(lock.blocks and lock.on_table for lock in statement.locks)


def _timed(units: Sequence[Sequence[StatementRun]]) -> tuple[StatementRun, ...]:
    """From the first statement of a transaction that asks for a lock which requests wait for to its end."""
    timed: list[StatementRun] = []
    for unit in units:
        first = next((number for number, statement in enumerate(unit) if _blocks(statement)), len(unit))
        timed += unit[first:]
    return tuple(timed)


def _parted_line(units: Sequence[Sequence[StatementRun]], timed: Sequence[StatementRun]) -> int | None:
    """Where the first transaction that is timed is not the first that does anything, its line there."""
    indexes = {statement.index for statement in timed}
    done = False
    for unit in units:
        late = next((statement for statement in unit if statement.index in indexes), None)
        if done and late is not None:
            return late.line
        done = done or any(statement.locks for statement in unit)
    return None


def _waits_for_others(statement: StatementRun) -> bool:
    """Whether it may wait for another session, be it for a row, a snapshot or a lock."""
    if "CONCURRENTLY" in statement.kind or "CONCURRENTLY" in statement.text.upper():
        return True
    return any(
        lock.felt and lock.on_table and lock.mode.strength >= LockMode.ROW_EXCLUSIVE.strength
        for lock in statement.locks
    )


def _application_s(migration: MigrationRun, run: Run) -> float:
    """How long the application's transactions on its tables took before it, the slowest of a hundred.

    And how long it waited itself for a lock with nothing in its way, if that was longer.
    """
    tables = {lock.relation for statement in migration.statements for lock in statement.locks if lock.blocks}
    loads = run.quiet.workloads if run.quiet is not None else ()
    took = (
        load.latency_before_s.p99
        for load in chain.from_iterable(workload.classes for workload in loads)
        if load.latency_before_s is not None and tables & {load.table, *load.tables}
    )
    waited = (
        span.at_most_s[1] - span.at_most_s[0]
        for span in chain.from_iterable(workload.locks or () for workload in loads)
        if not span.granted and span.migration == migration.id
    )
    return max(chain(took, waited), default=0.0)


def sets_lock_timeout(text: str) -> bool | None:
    """Whether a SET of lock_timeout is LOCAL; None where the statement is none."""
    words = [word.upper() for word in leading_words(text, 3)]
    if words[:1] != ["SET"] or "LOCK_TIMEOUT" not in words:
        return None
    return words[1] == "LOCAL"
