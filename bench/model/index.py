"""Indexes after a suite: who uses them, what they cost, and whether they could go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IndexStatus = Literal["used", "constraint", "foreign-key", "could-go", "kept"]
"""``used``: by a query or request. ``constraint``: it enforces one. ``foreign-key``: nobody used it, and it
finds the rows that refer to a parent. ``kept``: trying without it showed that something needs it."""


@dataclass(frozen=True, slots=True)
class WriteCost:
    """The same rows written with an index and without it, in turn, on a copy of its table."""

    rows: int
    """Of each repeat."""
    duration_s_with: tuple[float, ...]
    """One for each repeat, in turn with those without."""
    duration_s_without: tuple[float, ...]
    wal_bytes_with: tuple[int, ...]
    wal_bytes_without: tuple[int, ...]
    hot_with: int | None = None
    """Rows of the last repeat that were updated in place (HOT); None for inserts."""
    hot_without: int | None = None


@dataclass(frozen=True, slots=True)
class IndexAudit:
    """One index of the state after the suite."""

    name: str
    """With its schema."""
    table: str
    definition: str
    method: str
    unique: bool
    new: bool
    """The suite made it."""
    valid: bool
    bytes: int
    constraint: str | None
    """That it enforces."""
    foreign_keys: tuple[str, ...]
    """Whose referring columns it begins with."""
    duplicate_of: str | None
    prefix_of: str | None
    used_by: tuple[str, ...]
    """Queries whose plan after the suite has it, nested plans included."""
    scans: int | None
    """Under the application's traffic; None where there was none."""
    build_s: tuple[float, ...]
    """Of each build, on a copy of the table."""
    insert: WriteCost | None
    """None where the table has too few rows to try."""
    update: WriteCost | None
    """Of updates that change its columns."""
    status: IndexStatus
    proof: str
    """Why, in a sentence with its numbers."""
