"""Who would wait for the statements of a suite: tried without the data, apart from what is timed.

A foreign key, a view or an index carries a lock to other tables whatever they hold; rows that a statement
changes are another matter, and are told by its counters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.model.run import MigrationRun, Note, Repeat
from bench.model.statement import Block, StatementRun

WAITS = Note(
    "waits of an application",
    "Who would wait for a lock was tried on the schema without its data, while each statement's transaction "
    "was open; for how long is what the lock was held for on the full tables.",
)


def put_blocks(repeat: Repeat, tried: Sequence[MigrationRun]) -> Repeat:
    """The repeat with what waited when it was tried; a statement that was not reached then has nothing."""
    found: Mapping[tuple[str, int], tuple[Block, ...]] = {
        (run.id, statement.index): statement.blocks for run in tried for statement in run.statements
    }

    def filled(migration_id: str, statement: StatementRun) -> StatementRun:
        return replace(statement, blocks=found.get((migration_id, statement.index), ()))

    return replace(
        repeat,
        migrations=tuple(
            replace(each, statements=tuple(filled(each.id, statement) for statement in each.statements))
            for each in repeat.migrations
        ),
    )
