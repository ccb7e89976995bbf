"""What a deploy took away: objects of the catalog with their rows, and indexes that are not valid."""

from __future__ import annotations

from dataclasses import dataclass


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
