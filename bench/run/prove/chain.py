"""The states of a suite, one after the other: what each migration starts from and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench.migrate.suite import Migration, Suite
from bench.migrate.transactions import read_alone
from bench.model.statement import Statement
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.execute import psql_variables
from bench.run.prove.play import Played, play
from bench.run.prove.states import State, read_state, volatile_columns


@dataclass(frozen=True, slots=True)
class Script:
    """A migration with its statements, and those of its rollback."""

    migration: Migration
    forward: tuple[Statement, ...]
    backward: tuple[Statement, ...] | None
    """None where it has no rollback."""


@dataclass(frozen=True, slots=True)
class Link:
    """A migration between the state before it and the state after it, both in databases that stay."""

    script: Script
    before: State
    after: State | None
    """None where it failed."""
    played: Played
    volatile: dict[str, frozenset[str]] = field(default_factory=dict)
    """What two runs from the same state do not have in common; left out of :attr:`after`."""

    @property
    def id(self) -> str:
        return self.script.migration.id


def read_both_ways(server: Server, suite: Suite) -> tuple[Script, ...]:
    """Read migrations and rollbacks; UsageError for a file that cannot be used."""
    known = psql_variables(server.info)
    return tuple(
        Script(
            migration,
            read_alone(migration.forward, known),
            read_alone(migration.backward, known) if migration.backward else None,
        )
        for migration in suite.migrations
    )


@contextmanager
def chain(server: Server, prepared: str, scripts: Sequence[Script]) -> Iterator[Iterator[Link]]:
    """Apply the migrations in order, each twice; the databases of all states stay until the end.

    After one that failed there are no more.
    """
    with ExitStack() as stack:

        def links() -> Iterator[Link]:
            dbname = stack.enter_context(temporary_database(server, "before", prepared))
            for script in scripts:
                link = _apply(server, dbname, script, stack)
                yield link
                if link.after is None:
                    return
                dbname = link.after.dbname

        yield links()


def _apply(server: Server, before: str, script: Script, stack: ExitStack) -> Link:
    reached = stack.enter_context(temporary_database(server, "after", before))
    played = play(server, reached, script.forward)
    start = read_state(server, before)
    if played.error is not None:
        return Link(script, start, None, played)
    after = read_state(server, reached)
    with temporary_database(server, "again", before) as again:
        play(server, again, script.forward)
        volatile = volatile_columns(server, after, read_state(server, again))
    if volatile:
        after = read_state(server, reached, volatile)
    return Link(script, start, after, played, volatile)
