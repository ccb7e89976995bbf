"""Which way out fits a danger: a sentence, and the statements to paste where the text tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.analyse.remedies.alter import Safer, TableFacts, alters_type, safer_alter, safer_domain
from bench.analyse.remedies.batches import BATCH_ROWS, block_in_batches, change_in_batches
from bench.analyse.remedies.indexes import (
    create_concurrently,
    drop_concurrently,
    indexes_in_block,
    refresh_concurrently,
    reindex_concurrently,
)
from bench.analyse.remedies.partitions import attach_checked, create_and_attach
from bench.analyse.remedies.script import LOCK_TIMEOUT, Remedy, Script, retry
from bench.model.statement import Hanging
from bench.sql.names import quoted
from bench.sql.tree import code_of, relation_name, statement_of, tree


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a remedy must know beside the statement's text."""

    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Table, with its schema → columns of its primary key."""
    partitioned_by: Mapping[str, str] = field(default_factory=dict)
    partitions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Partitioned table → its partitions."""
    default_partition: Mapping[str, str] = field(default_factory=dict)
    effects: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Table → what an UPDATE of all its rows would set off."""
    by_statement: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Table → triggers that fire once for each UPDATE or DELETE, and may look at all of its rows."""
    unpopulated: frozenset[str] = frozenset()
    """Materialized views that nobody can read yet."""
    version_num: int = 0
    texts: Sequence[str] = ()
    """The run's statements."""

    def facts(self, table: str, hanging: Sequence[Hanging] | None = None) -> TableFacts:
        """What is known of the table that a statement alters."""
        return TableFacts(
            key=self.keys.get(table, ()),
            effects=self.effects.get(table, ()),
            hanging=hanging,
            partitions=self.partitions.get(table, ()) if table in self.partitioned_by else None,
            version_num=self.version_num,
        )


NOWHERE = Surroundings()


def for_rewrite(
    kind: str,
    text: str,
    table: str,
    around: Surroundings = NOWHERE,
    hanging: Sequence[Hanging] | None = None,
) -> Remedy:
    """How to do without writing a table, or its indexes, anew under a lock."""
    if kind == "ALTER TABLE" or kind.startswith("ALTER TABLE "):
        safer = safer_alter(text, around.facts(table, hanging), rewrites=True)
        if alters_type(text):
            say = (
                f"Add a new column to {quoted(table)}, fill it in batches while a trigger keeps it current, "
                "then swap the names in one short transaction."
            )
            return _said(say, safer)
        if safer is None:
            return Remedy(f"{_ONLINE_COPY} {quoted(table)} online: pg_repack or pg_squeeze.")
        if safer.sql is None:
            return Remedy(safer.why_not or "")
        return Remedy(
            f"Add the column to {quoted(table)} empty, set its default, and fill it in batches.", safer.sql
        )
    if kind.startswith("REFRESH"):
        if table in around.unpopulated:
            return Remedy(
                f"{quoted(table)} is not populated, which CONCURRENTLY refuses: the first refresh has no "
                "other form. Nobody can read it before."
            )
        say = f"Refresh {quoted(table)} CONCURRENTLY, which its readers do not wait for."
        return Remedy(say, refresh_concurrently(text))
    return Remedy(f"{_ONLINE_COPY} {quoted(table)} online: pg_repack --table={quoted(table)}, or pg_squeeze.")


_ONLINE_COPY = "Do it outside the deploy, with a tool that copies"


def _said(say: str, safer: Safer | None) -> Remedy:
    """A way out with its statements, or with the reason why there are none."""
    if safer is None:
        return Remedy(say)
    return Remedy(say if safer.why_not is None else f"{say} {safer.why_not}", safer.sql)


def for_reindex(text: str, table: str, indexes: Sequence[str]) -> Remedy:
    """How to build indexes again while the table is in use; with none named, those of the whole table."""
    say = "Build again with CONCURRENTLY, which lets reads and writes go on; it needs room for both copies."
    return Remedy(say, reindex_concurrently(text, table, indexes))


def for_index(
    kind: str, text: str, table: str, around: Surroundings = NOWHERE, partitions: Sequence[str] = ()
) -> Remedy:
    """How to build a new index while the table is in use."""
    if kind.startswith("CREATE INDEX") or kind.startswith("CREATE UNIQUE INDEX"):
        say = "Build it with CONCURRENTLY, alone and outside a transaction: writes go on meanwhile."
        return Remedy(say, create_concurrently(text, partitions))
    if not kind.startswith("ALTER TABLE"):
        say = (
            f"Take it out of the {kind} and build it with CONCURRENTLY, alone and outside a transaction: "
            "writes go on meanwhile."
        )
        return Remedy(say, indexes_in_block(text, table))
    if _attaches(text):
        return Remedy(
            f"Build the parent's indexes on {quoted(table)} with CREATE INDEX CONCURRENTLY before it is "
            "attached: ATTACH PARTITION takes equal ones over."
        )
    safer = safer_alter(text, around.facts(table), rewrites=False)
    if safer is not None and safer.why_not is not None:
        return Remedy(safer.why_not)
    say = "Build a unique index CONCURRENTLY first, then make the constraint of it, which takes an instant."
    return _said(say, safer)


def for_scan(text: str, table: str, around: Surroundings = NOWHERE) -> Remedy:
    """How to have a table read without a lock that blocks it."""
    if _attaches(text):
        say = (
            "Have a CHECK of the bounds validated first, and on a default partition one of the opposite: "
            "ATTACH PARTITION then needs no scan, and the constraints can go."
        )
        return Remedy(
            say, attach_checked(text, around.partitioned_by, around.texts, around.default_partition)
        )
    if created := create_and_attach(text, around.partitioned_by, around.default_partition):
        return created
    if domain := safer_domain(text):
        say = (
            "Add the constraint to the domain as NOT VALID and validate it in a transaction of its own: "
            "reads then go on, though writes to the tables that have the domain wait while it is validated."
        )
        return Remedy(domain.why_not or say, domain.sql)
    safer = safer_alter(text, around.facts(table), rewrites=False)
    if safer is None:
        return Remedy(
            f"Read {quoted(table)} in a transaction that does not hold this lock, before or after the others."
        )
    if safer.why_not is not None:
        return Remedy(safer.why_not)
    if safer.sql is not None and "SET NOT NULL" in safer.sql:
        say = (
            "Add a CHECK as NOT VALID and validate it in a transaction of its own: SET NOT NULL then needs "
            "no scan, and the CHECK can go."
        )
        return _said(say, safer)
    return _said(
        f"Add the constraint to {quoted(table)} as NOT VALID, which reads no row, and validate it in a "
        "transaction of its own, which lets reads and writes go on.",
        safer,
    )


def for_lock(kind: str, text: str, around: Surroundings = NOWHERE, locked: Sequence[str] = ()) -> Remedy:
    """How to take a lock that there is no way round: briefly, or not at all this time.

    ``locked``: all tables of which the statement has locks.
    """
    drop = drop_concurrently(text)
    if drop and any(table in around.partitioned_by for table in locked):
        return Remedy(
            "An index of a partitioned table has no concurrent form: wait for its locks no longer than "
            f"{LOCK_TIMEOUT}, and try again; it is gone in an instant once it has them."
        )
    if drop:
        return Remedy("Drop it with CONCURRENTLY: nobody waits, and nobody is waited for.", drop)
    if created := create_and_attach(text, around.partitioned_by, around.default_partition):
        return created
    say = (
        f"Wait for the lock no longer than {LOCK_TIMEOUT}, and try again: nobody then queues behind the "
        "waiting statement for longer. While it runs, others wait for all of its time."
    )
    return Remedy(say, retry(text) if _fits_function(text) and "CONCURRENTLY" not in kind else None)


def for_emptied(text: str, table: str, emptied: Sequence[str]) -> Remedy:
    """How to keep the rows of tables that a statement empties, whatever fails in between."""
    say = (
        f"Keep a copy of {quoted(table)} until the deploy is certain, made in the transaction that "
        "empties it: writes wait while it is copied."
    )
    node = statement_of(text)
    if node is None or node[0] != "truncate_stmt":
        return Remedy(say)
    tables = ", ".join(map(quoted, emptied))
    script = Script()
    script.add("BEGIN")
    script.add(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    script.add(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")
    for name in emptied:
        script.add(f"CREATE TABLE {quoted(name + '_before')} AS TABLE {quoted(name)}")
    script.add(code_of(text).rstrip(";"))
    script.add("COMMIT")
    return Remedy(say, script.text)


def for_rows(text: str, table: str, around: Surroundings = NOWHERE, batch_rows: int = BATCH_ROWS) -> Remedy:
    """How to change many rows without keeping all of them locked at once."""
    say = (
        f"Change the rows of {quoted(table)} in batches along its key, each committed by itself, so that "
        "others wait for one batch at most."
    )
    if triggers := around.by_statement.get(table):
        return Remedy(
            f"{say} No statements are given, as what fires once for the whole statement would fire for each "
            f"batch: {', '.join(triggers)}."
        )
    return Remedy(
        say,
        change_in_batches(text, table, around.keys, batch_rows)
        or block_in_batches(text, table, around.keys, batch_rows),
    )


def _attaches(text: str) -> bool:
    node = statement_of(text)
    return (
        node is not None
        and node[0] == "alter_table_stmt"
        and any(cmd.alter_table_cmd.subtype == tree.AT_AttachPartition for cmd in node[1].cmds)
    )


_SHORT = frozenset(
    {"alter_table_stmt", "rename_stmt", "drop_stmt", "truncate_stmt", "alter_object_schema_stmt"}
    | {"alter_owner_stmt", "create_trig_stmt", "create_policy_stmt", "alter_policy_stmt", "rule_stmt"}
    | {"view_stmt"}
)
"""Statements that a function may hold and that want a lock for a moment."""


def _fits_function(text: str) -> bool:
    node = statement_of(text)
    return node is not None and node[0] in _SHORT and "$retry$" not in text


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
    node = statement_of(text)
    if node is None or node[0] != "alter_table_stmt":
        return None
    for command in (cmd.alter_table_cmd for cmd in node[1].cmds):
        detached: Any = getattr(command, "def").partition_cmd
        if command.subtype == tree.AT_DetachPartition and detached.concurrent:
            return relation_name(node[1].relation), relation_name(detached.name)
    return None


def invalid_index(text: str | None) -> str | None:
    """What must go before a build CONCURRENTLY is tried again: IF NOT EXISTS would keep the INVALID index."""
    node = statement_of(text) if text else None
    if node is None or node[0] != "index_stmt" or not node[1].concurrent or not node[1].idxname:
        return None
    where = tree.RangeVar(schemaname=node[1].relation.schemaname, relname=node[1].idxname)
    return f"DROP INDEX CONCURRENTLY IF EXISTS {relation_name(where)};"
