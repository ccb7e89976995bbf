"""How long reads and writes wait at most: one answer over table locks, locked rows, traffic and hazards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bench.analyse.dangers.amounts import locked_rows
from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.quantity import count, seconds
from bench.analyse.summary import MigrationSummary
from bench.model.load import Access, ClassLoad
from bench.model.run import LongestWait, Pass, WaitSource
from bench.model.statement import IS_PAUSE
from bench.sql.names import bare

ACCESSES: tuple[Access, ...] = ("read", "write")


def find_waits(rehearsed: Rehearsed) -> tuple[LongestWait, ...]:
    """For each migration, access and way of measuring it the longest wait; the longest first.

    An unknown hold is none of them: the verdict tells it by itself.
    """
    worst: dict[tuple[str | None, Access, str, str | None], LongestWait] = {}
    for wait in sorted(_waits(rehearsed), key=lambda wait: -wait.seconds):
        worst.setdefault((wait.migration, wait.access, wait.source, wait.hazard), wait)
    return tuple(worst.values())


def longest_wait(
    waits: Iterable[LongestWait], access: Access, migration: str | None = None
) -> LongestWait | None:
    """The longest wait of reads or writes, for one migration or for all; None where nobody waits."""
    fitting = (wait for wait in waits if wait.access == access and migration in (None, wait.migration))
    return max(fitting, key=lambda wait: wait.seconds, default=None)


def describe_wait(wait: LongestWait) -> str:
    """Where a wait comes from: ``SHARE on public.deals``, ``2,000 rows of public.deals``, a request."""
    away = f"; {seconds(wait.away_s)} of it the command was away" if wait.away_s else ""
    if wait.source == "table lock":
        return f"{wait.mode} on {wait.relation}{away}"
    if wait.source == "locked rows":
        rows = "rows" if wait.rows is None else "1 row" if wait.rows == 1 else f"{count(wait.rows)} rows"
        return f"{rows} of {wait.relation}, locked until their transaction ends{away}"
    tried = f", lock_timeout {wait.lock_timeout_s:g} s" if wait.lock_timeout_s is not None else ""
    return f'"{wait.place}" {_meanwhile(wait)}{tried}'


def say_waits(waits: Iterable[LongestWait]) -> str | None:
    """Who waits at most, in a sentence without its end; None where nobody does."""
    found = [longest_wait(waits, access) for access in ("write", "read")]
    known = sorted((wait for wait in found if wait is not None), key=lambda wait: -wait.seconds)
    if len(known) == 2 and is_same(*known):
        return _say("reads and writes", known[0])
    return "; ".join(_say(f"{wait.access}s", wait) for wait in known) or None


def is_same(one: LongestWait, other: LongestWait) -> bool:
    """Whether reads and writes wait for one and the same."""
    return replace(one, access=other.access) == other


def _say(who: str, wait: LongestWait) -> str:
    return f"{who} of {bare(wait.relation)} wait {seconds(wait.seconds)} ({describe_wait(wait)})"


def _meanwhile(wait: LongestWait) -> str:
    return f"beside {wait.hazard}" if wait.hazard is not None else "under traffic"


def _waits(rehearsed: Rehearsed) -> Iterator[LongestWait]:
    yield from _table_locks(rehearsed)
    yield from _locked_rows(rehearsed)
    for measured_in in rehearsed.run.loaded:
        for workload in measured_in.workloads:
            for load in workload.classes:
                yield from _requests(measured_in, load)


def _table_locks(rehearsed: Rehearsed) -> Iterator[LongestWait]:
    migrations = {migration.id: migration for migration in rehearsed.summary.migrations}
    for lock in rehearsed.summary.locks:
        if lock.longest_s is None:
            continue
        for access in ACCESSES:
            if lock.blocks_reads if access == "read" else lock.blocks_writes:
                yield LongestWait(
                    access, lock.longest_s, "table lock", lock.subject, lock.migration, lock.statement,
                    lock.where, mode=lock.mode.sql_name,
                    away_s=_away_s(migrations[lock.migration], lock.statement, lock.longest_s),
                )  # fmt: skip


def _locked_rows(rehearsed: Rehearsed) -> Iterator[LongestWait]:
    for migration in rehearsed.summary.migrations:
        for rows in locked_rows(migration, rehearsed):
            statement = rows.statement
            yield LongestWait(
                "write", rows.locked_s, "locked rows", rows.relation, migration.id, statement.index,
                statement.where, rows=None if statement.transaction == "none" else rows.distinct,
                away_s=_away_s(migration, statement.index, rows.locked_s),
            )  # fmt: skip


def _away_s(migration: MigrationSummary, statement: int, held_s: float) -> float:
    """Seconds in which the command was away while it held a statement's locks, to its transaction's end."""
    away_s = 0.0
    for later in migration.statements[statement + 1 :]:
        if later.kind in ("COMMIT", "ROLLBACK"):
            break
        if IS_PAUSE.match(later.text) and later.duration_s is not None:
            away_s += later.duration_s.median
    return min(away_s, held_s)


def _requests(measured_in: Pass, load: ClassLoad) -> Iterator[LongestWait]:
    """The longest wait of a class for each migration; for none, where its cause was not kept."""
    source: WaitSource = "hazard" if measured_in.hazard else "traffic"
    lock_timeout_s = measured_in.lock_timeout_s
    causes = [(cause.worst_blocked_s, cause.cause) for cause in load.blocked_by]
    for worst_s, cause in causes:
        yield LongestWait(
            load.access, worst_s, source, cause.relation or load.table, cause.migration, cause.statement,
            load.name, hazard=measured_in.hazard, lock_timeout_s=lock_timeout_s,
        )  # fmt: skip
    if load.worst_blocked_s > max((worst_s for worst_s, _ in causes), default=0.0):
        yield LongestWait(
            load.access, load.worst_blocked_s, source, load.table, None, None, load.name,
            hazard=measured_in.hazard, lock_timeout_s=lock_timeout_s,
        )  # fmt: skip
