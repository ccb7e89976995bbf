"""Who would wait for the statements of a suite: tried without the data, apart from what is timed.

A foreign key, a view or an index carries a lock to other tables whatever they hold; rows that a statement
changes are another matter, and are told by its counters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.model.run import MigrationRun, Note, Repeat
from bench.model.statement import StatementRun

WAITS = Note(
    "waits of an application",
    "Who would wait for a lock was tried on the schema without its data, while each statement's transaction "
    "was open, with the commands on every relation that leads to what was locked; for how long is what the "
    "lock was held for on the full tables.",
)
_SUBJECT = "who would wait"


def missed(repeat: Repeat, tried: Sequence[MigrationRun], reason: str | None) -> tuple[Note, ...]:
    """What is not known of a repeat's statements, and why: one note, or none.

    ``reason``: what ended the trying as a whole.
    """
    statements = [
        (migration, statement)
        for migration in repeat.migrations
        for statement in migration.statements
        if statement.outcome == "applied"
    ]
    unknown = [
        (migration, statement)
        for migration, statement in statements
        if statement.blocks is None and statement.transaction != "none"
    ]
    notes = []
    if unknown:
        migration, first = unknown[0]
        why = reason or next((_failure(run) for run in tried if run.error is not None), None)
        many = "1 statement" if len(unknown) == 1 else f"{len(unknown)} statements"
        notes.append(
            Note(
                _SUBJECT,
                f"Not known for {many}, from {migration.id} line {first.line} on: "
                f"{why or 'it had locked the system catalogs, or the trying was cut off'}.",
                incomplete=True,
            )
        )
    left_out = {name for _, statement in statements for name in statement.untried}
    if left_out:
        notes.append(
            Note(
                _SUBJECT,
                f"{len(left_out)} relations whose users may wait were not tried: there are too many tables.",
            )
        )
    return tuple(notes)


def _failure(run: MigrationRun) -> str:
    assert run.error is not None
    return f"where it was tried, {run.id} fails: {run.error.message}"


def fell_short(repeat: Repeat, tried: Sequence[MigrationRun]) -> bool:
    """Whether a migration that applied in the repeat did not where it was tried."""
    outcomes = {run.id: run.outcome for run in tried}
    return any(
        migration.outcome == "applied" and outcomes.get(migration.id) != "applied"
        for migration in repeat.migrations
    )


def put_blocks(repeat: Repeat, tried: Sequence[MigrationRun]) -> Repeat:
    """The repeat with what waited when it was tried; a statement that was not reached then has nothing."""
    statements = {(run.id, statement.index): statement for run in tried for statement in run.statements}

    def filled(migration_id: str, statement: StatementRun) -> StatementRun:
        seen = statements.get((migration_id, statement.index))
        return statement if seen is None else replace(statement, blocks=seen.blocks, untried=seen.untried)

    return replace(
        repeat,
        migrations=tuple(
            replace(
                migration,
                statements=tuple(filled(migration.id, statement) for statement in migration.statements),
            )
            for migration in repeat.migrations
        ),
    )
