"""What a deploy took away: objects of the catalog with their rows, and indexes that are not valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Gone:
    """An object that was there before the deploy and is not afterwards; by its oid, whatever its name."""

    kind: str
    """``table``, ``column``, ``view``, ``materialized view``, ``policy``, ``trigger``, ``foreign key``, …"""
    name: str
    """With the schema, and for a column the table; constraints, policies, triggers and rules by their own."""
    table: str | None = None
    """The table that it belonged to, as it was called before the deploy."""
    columns: tuple[str, ...] = ()
    """Of an index or a constraint, those that it was about."""
    columns_left: bool = False
    """Some of these columns are still there."""
    again: bool = False
    """There is another of its kind and name after the deploy."""
    rows: int | None = None
    """Of a table, its rows before the deploy; of a column, those with a value. None: not counted."""
    rows_after: int | None = None
    """The same of the one that has its name afterwards."""
    unguarded: bool = False
    """A policy: row security of its table stays on without any policy, so that others see no row."""


@dataclass(frozen=True, slots=True)
class InvalidIndex:
    """An index that no query uses, though every write keeps it up to date.

    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """

    name: str
    table: str
    before: bool
    """Whether it was so before the deploy."""
    after: bool
    partitioned: bool = False
    """The index of a partitioned table: not valid until each partition has one that is attached."""


ChangeKind = Literal["made-again", "name-gone", "detached", "retyped", "secured", "unindexed", "narrowed"]
"""Another object has the name; nothing has the name; a partition has left its table; a column has another
type; row security was switched on or forced; a foreign key has no index any more; a check or an enum allows
fewer values."""


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """The rows of a relation, and what one of its columns holds."""

    rows: int
    values: int
    different: int
    digest: str | None
    """A sum over the values' texts; None where there is no value."""
    total: str | None
    """Of numbers."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What was there before the deploy and is there afterwards in another shape."""

    what: ChangeKind
    kind: str
    """As of :class:`Gone`."""
    name: str
    """Before the deploy, as of :class:`Gone`."""
    table: str | None = None
    """The table that it belonged to before."""
    was: str | None = None
    """Its type or rule before."""
    now: str | None = None
    """Its name, type or rule afterwards; None: it is gone."""
    now_name: str | None = None
    """Of a column with another type, its name afterwards."""
    lost: tuple[str, ...] = ()
    """What it had and has no more: privileges, triggers, policies, indexes, defaults, values."""
    opened: tuple[str, ...] = ()
    """Privileges of others than the owner that were not there before; with row security, all of them."""
    rows: int | None = None
    """Of a partition that left, those it holds."""
    values_before: ValueCounts | None = None
    values_after: ValueCounts | None = None
