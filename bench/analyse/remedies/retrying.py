"""What to do about a deploy that the server refused under traffic: by SQLSTATE, as not all of them pass by.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from typing import Any

from bench.analyse.remedies.script import Remedy
from bench.sql.tree import relation_name, statement_of, tree

PASSES_BY = ("40", "55P03", "57014")
"""Deadlocks and serialization failures, lock timeouts, statement timeouts: another try can succeed."""

_TRY_AGAIN = (
    "Deploy when nothing is in the way, or try again: bench run --lock-timeout 2s --retries 20 shows "
    "how many tries that takes."
)
_TIMEOUT = (
    "Give what takes long no statement_timeout of its own (SET statement_timeout = 0 for a build "
    "CONCURRENTLY, a VALIDATE or a backfill), or try again when less is in its way."
)
_WAYS = {
    "22": "Trying again does not help, as the application goes on writing such values: deploy code "
    "that writes what the new type takes first, repair the rows, then change the type.",
    "23502": "Trying again does not help, as the application goes on writing rows without a value: give the "
    "column a default or a trigger before the backfill, or deploy code that writes it first.",
    "23503": "Trying again does not help, as the application goes on writing such references: add "
    "the foreign key as NOT VALID first, which refuses new ones, remove the orphans, then validate it.",
    "23505": "Trying again does not help, as the application goes on writing duplicates: deploy code that "
    "writes none, remove those there are, then build the unique index.",
    "23P01": "Trying again does not help, as the application goes on writing rows that conflict: deploy code "
    "that writes none, and remove those there are, before the constraint is added.",
    "23514": "Trying again does not help, as the application goes on writing such rows: add the CHECK as NOT "
    "VALID first, which refuses new ones, repair the rows, then validate it.",
    "53": "The server ran out of what it shares: lock fewer relations at once or raise what the "
    "message names, then try again.",
    "55P04": "A new value of an enum can be used only after the transaction that added it: add it in "
    "a file of its own, outside BEGIN and COMMIT.",
    "55006": "Another session uses the object, or this one has rows of it still to check: end those "
    "first, or put the statement into a transaction of its own.",
}
_OTHERWISE = (
    "Trying again does not help by itself: what the message says must be repaired before, or the "
    "traffic that brings it about stopped for the deploy."
)


def for_stopped(sqlstate: str | None, text: str | None) -> Remedy:
    """The way out for a statement that failed beside traffic; ``text`` is its own, where it is known."""
    if passes_by(sqlstate):
        detached = detached_by(text) if text else None
        if detached is not None:
            return Remedy(PENDING, f"ALTER TABLE {detached[0]} DETACH PARTITION {detached[1]} FINALIZE;")
        return Remedy(_TIMEOUT if sqlstate == "57014" else _TRY_AGAIN, invalid_index(text))
    known = next((way for state, way in _WAYS.items() if (sqlstate or "").startswith(state)), None)
    return Remedy(known or _OTHERWISE, invalid_index(text))


PENDING = (
    "The partition stays half detached: its rows are missing from the parent by now, and another "
    "DETACH fails "
    "(55000). FINALIZE it, again and again until it succeeds; only then go on with what follows."
)


def for_refused(sqlstate: str | None, text: str) -> Remedy | None:
    """The way out for a statement that fails without any traffic; None where its message says it all."""
    if sqlstate == "55000" and (detached := detached_by(text)) is not None:
        return Remedy(PENDING, f"ALTER TABLE {detached[0]} DETACH PARTITION {detached[1]} FINALIZE;")
    if sqlstate == "57014":
        return Remedy(_TIMEOUT, invalid_index(text))
    if sqlstate in ("55006", "55P04"):
        return Remedy(_WAYS[sqlstate])
    return None


def passes_by(sqlstate: str | None) -> bool:
    """Whether what refused the statement can be gone at the next try."""
    return sqlstate is not None and sqlstate.startswith(PASSES_BY)


def detached_by(text: str) -> tuple[str, str] | None:
    """Parent and partition of a DETACH PARTITION … CONCURRENTLY, as it writes them; None for all else.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION
    """
    found = statement_of(text)
    if found is None or found[0] != "alter_table_stmt":
        return None
    for command in (each.alter_table_cmd for each in found[1].cmds):
        detached: Any = getattr(command, "def").partition_cmd
        if command.subtype == tree.AT_DetachPartition and detached.concurrent:
            return relation_name(found[1].relation), relation_name(detached.name)
    return None


def invalid_index(text: str | None) -> str | None:
    """What must go before a build CONCURRENTLY is tried again: IF NOT EXISTS would keep the INVALID index."""
    found = statement_of(text) if text else None
    if found is None or found[0] != "index_stmt" or not found[1].concurrent or not found[1].idxname:
        return None
    where = tree.RangeVar(schemaname=found[1].relation.schemaname, relname=found[1].idxname)
    return f"DROP INDEX CONCURRENTLY IF EXISTS {relation_name(where)};"
