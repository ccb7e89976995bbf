"""Idempotence: a migration that runs a second time, or before the one that it follows."""

from __future__ import annotations

from typing import Literal

from bench.model.proof import IdempotenceProof
from bench.model.statement import StatementError
from bench.pg.contents import Volatile
from bench.pg.server import Server
from bench.run.prove.chain import Link, copy_of
from bench.run.prove.play import play
from bench.run.prove.states import State, compare, read_state


def prove_twice(server: Server, link: Link) -> IdempotenceProof | None:
    """Run a migration on the state that it has left; None where it never got there."""
    if link.after is None:
        return None
    with copy_of(server, link.after.dbname, "twice") as dbname:
        played = play(server, dbname, link.script.forward)
        return _proof(server, "twice", (link.id, link.id), link, link.after, dbname, played.error)


def prove_swapped(server: Server, first: Link, second: Link) -> IdempotenceProof | None:
    """Run two neighbours in the wrong order; None where one of them fails in the right one."""
    if first.after is None or second.after is None:
        return None
    order = (second.id, first.id)
    with copy_of(server, first.before.dbname, "swapped") as dbname:
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
