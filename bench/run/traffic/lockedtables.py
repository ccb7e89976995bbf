"""Which tables a deploy locked when nothing was in its way, and which of them in one transaction."""

from __future__ import annotations

from collections.abc import Iterator

from bench.model.lock import Lock
from bench.model.run import MigrationRun, Repeat
from bench.model.statement import StatementRun


def blocked_tables(repeat: Repeat) -> tuple[str, ...]:
    """The tables, with their schemas, on which it took locks that writers wait for."""
    found = {
        lock.table or lock.relation for migration in repeat.migrations for _, lock in _strong_locks(migration)
    }
    return tuple(sorted(found))


def locked_together(repeat: Repeat) -> tuple[str, ...]:
    """Of these, the ones that one transaction locked in different statements."""
    found: set[str] = set()
    for migration in repeat.migrations:
        locks = [(statement, lock) for statement, lock in _strong_locks(migration) if lock.table is None]
        for earlier, first in locks:
            for later, second in locks:
                apart = earlier.index < later.index and first.relation != second.relation
                if apart and _held_when_began(first, later):
                    found |= {first.relation, second.relation}
    return tuple(sorted(found))


def _held_when_began(lock: Lock, statement: StatementRun) -> bool:
    """Whether a lock of an earlier statement was still held when this one began."""
    if lock.released_at_s is None or statement.started_at_s is None:
        return False
    return lock.released_at_s > statement.started_at_s


def _strong_locks(migration: MigrationRun) -> Iterator[tuple[StatementRun, Lock]]:
    """Statement and lock, of tables that were there before."""
    for statement in migration.statements:
        for lock in statement.locks:
            if lock.blocks_writes:
                yield statement, lock
