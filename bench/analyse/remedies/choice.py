"""Which way out fits a danger: a sentence, and the statements to paste where the text tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.analyse.names import quoted
from bench.analyse.remedies.alter import alters_type, safer_alter
from bench.analyse.remedies.batches import change_in_batches
from bench.analyse.remedies.indexes import (
    create_concurrently,
    drop_concurrently,
    refresh_concurrently,
    reindex_concurrently,
)
from bench.analyse.remedies.partitions import attach_checked
from bench.analyse.remedies.script import LOCK_TIMEOUT, OUTSIDE, Remedy, retry
from bench.analyse.remedies.tree import statement_of, tree


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a remedy must know beside the statement's text."""

    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Table, with its schema → columns of its primary key."""
    partitioned_by: Mapping[str, str] = field(default_factory=dict)
    texts: Sequence[str] = ()
    """The run's statements."""


NOWHERE = Surroundings()


def for_rewrite(
    kind: str, text: str, table: str, indexes: Sequence[str] = (), around: Surroundings = NOWHERE
) -> Remedy:
    """How to do without writing a table, or its indexes, anew under a lock."""
    if kind.startswith("ALTER TABLE"):
        sql = safer_alter(text, around.keys.get(table, ()), rewrites=True, indexes=indexes)
        say = (
            f"Add a new column to {quoted(table)}, fill it in batches while a trigger keeps it current, then "
            "swap the names in one short transaction."
            if alters_type(text) or sql is None
            else f"Add the column to {quoted(table)} empty, set its default, and fill it in batches."
        )
        return Remedy(say, sql)
    if kind.startswith("REFRESH"):
        say = f"Refresh {quoted(table)} CONCURRENTLY, which its readers do not wait for."
        return Remedy(say, refresh_concurrently(text))
    return Remedy(
        f"Do it outside the deploy, with a tool that copies {quoted(table)} online: pg_repack "
        f"--table={quoted(table)}, or pg_squeeze."
    )


def for_reindex(text: str, table: str, indexes: Sequence[str]) -> Remedy:
    """How to build indexes again while the table is in use; with none named, those of the whole table."""
    say = "Build again with CONCURRENTLY, which lets reads and writes go on; it needs room for both copies."
    return Remedy(say, reindex_concurrently(text, table, indexes))


def for_index(
    kind: str, text: str, table: str, around: Surroundings = NOWHERE, partitions: Sequence[str] = ()
) -> Remedy:
    """How to build a new index while the table is in use."""
    if kind.startswith("CREATE"):
        say = "Build it with CONCURRENTLY, alone and outside a transaction: writes go on meanwhile."
        return Remedy(say, create_concurrently(text, partitions))
    if _attaches(text):
        return Remedy(
            f"Build the parent's indexes on {quoted(table)} with CREATE INDEX CONCURRENTLY before it is "
            "attached: ATTACH PARTITION takes equal ones over."
        )
    say = "Build a unique index CONCURRENTLY first, then make the constraint of it, which takes an instant."
    return Remedy(say, safer_alter(text, around.keys.get(table, ()), rewrites=False))


def for_scan(text: str, table: str, around: Surroundings = NOWHERE) -> Remedy:
    """How to have a table read without a lock that blocks it."""
    if _attaches(text):
        say = (
            f"Have a CHECK of the bounds on {quoted(table)} validated first: ATTACH PARTITION then needs no "
            "scan, and the constraint can go."
        )
        return Remedy(say, attach_checked(text, around.partitioned_by, around.texts))
    sql = safer_alter(text, around.keys.get(table, ()), rewrites=False)
    if sql is not None and "SET NOT NULL" in sql:
        say = (
            "Add a CHECK as NOT VALID and validate it in a transaction of its own: SET NOT NULL then needs "
            "no scan, and the CHECK can go."
        )
        return Remedy(say, sql)
    return Remedy(
        f"Add the constraint to {quoted(table)} as NOT VALID, which reads no row, and validate it in a "
        "transaction of its own, which lets reads and writes go on.",
        sql,
    )


def for_lock(kind: str, text: str) -> Remedy:
    """How to take a lock that there is no way round: briefly, or not at all this time."""
    if drop := drop_concurrently(text):
        return Remedy("Drop it with CONCURRENTLY: nobody waits, and nobody is waited for.", drop)
    say = (
        f"Wait for the lock no longer than {LOCK_TIMEOUT}, and try again: whoever queues behind the "
        "statement waits no longer than that either."
    )
    return Remedy(say, retry(text) if _fits_function(text) and "CONCURRENTLY" not in kind else None)


def for_rows(text: str, table: str, around: Surroundings = NOWHERE) -> Remedy:
    """How to change many rows without keeping all of them locked at once."""
    sql = change_in_batches(text, table, around.keys)
    say = (
        f"Change the rows of {quoted(table)} in batches along its key, each committed by itself, so that "
        "others wait for one batch at most."
    )
    return Remedy(say, None if sql is None else f"-- {OUTSIDE}, as it commits after each batch\n{sql}")


def _attaches(text: str) -> bool:
    found = statement_of(text)
    return (
        found is not None
        and found[0] == "alter_table_stmt"
        and any(each.alter_table_cmd.subtype == tree.AT_AttachPartition for each in found[1].cmds)
    )


_SHORT = frozenset(
    {"alter_table_stmt", "rename_stmt", "drop_stmt", "truncate_stmt", "alter_object_schema_stmt"}
    | {"alter_owner_stmt", "create_trig_stmt", "create_policy_stmt", "alter_policy_stmt", "rule_stmt"}
    | {"view_stmt"}
)
"""Statements that a function may hold and that want a lock for a moment."""


def _fits_function(text: str) -> bool:
    found = statement_of(text)
    return found is not None and found[0] in _SHORT and "$retry$" not in text
