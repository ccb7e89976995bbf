"""Lock modes with their documented conflicts, and the locks that a statement held or waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal


class LockMode(StrEnum):
    """The eight table-level lock modes, weakest first, named as in ``pg_locks.mode``.

    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """

    ACCESS_SHARE = "AccessShareLock"
    ROW_SHARE = "RowShareLock"
    ROW_EXCLUSIVE = "RowExclusiveLock"
    SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
    SHARE = "ShareLock"
    SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
    EXCLUSIVE = "ExclusiveLock"
    ACCESS_EXCLUSIVE = "AccessExclusiveLock"

    @property
    def strength(self) -> int:
        """Position in the documented order: 1 (ACCESS SHARE) to 8 (ACCESS EXCLUSIVE)."""
        return _STRENGTH[self]

    @property
    def sql_name(self) -> str:
        """The name as LOCK TABLE spells it, for example ``ACCESS EXCLUSIVE``."""
        return self.name.replace("_", " ")

    def conflicts_with(self, other: LockMode) -> bool:
        """Whether two sessions cannot hold the two modes on one relation at once."""
        return other in _CONFLICTS[self]

    @property
    def blocks(self) -> tuple[str, ...]:
        """The commands that wait behind this mode, in the order of :data:`COMMAND_MODES`."""
        return tuple(command for command, mode in COMMAND_MODES.items() if self.conflicts_with(mode))

    @property
    def blocks_reads(self) -> bool:
        """Whether a plain SELECT waits behind this mode."""
        return self.conflicts_with(LockMode.ACCESS_SHARE)

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE wait behind this mode."""
        return self.conflicts_with(LockMode.ROW_EXCLUSIVE)


_STRENGTH = {mode: position for position, mode in enumerate(LockMode, start=1)}

# Table 13.2 of the PostgreSQL manual, one row per requested mode.
_M = LockMode
_CONFLICTS: dict[LockMode, frozenset[LockMode]] = {
    _M.ACCESS_SHARE: frozenset({_M.ACCESS_EXCLUSIVE}),
    _M.ROW_SHARE: frozenset({_M.EXCLUSIVE, _M.ACCESS_EXCLUSIVE}),
    _M.ROW_EXCLUSIVE: frozenset({_M.SHARE, _M.SHARE_ROW_EXCLUSIVE, _M.EXCLUSIVE, _M.ACCESS_EXCLUSIVE}),
    _M.SHARE_UPDATE_EXCLUSIVE: frozenset(
        {_M.SHARE_UPDATE_EXCLUSIVE, _M.SHARE, _M.SHARE_ROW_EXCLUSIVE, _M.EXCLUSIVE, _M.ACCESS_EXCLUSIVE}
    ),
    _M.SHARE: frozenset(
        {
            _M.ROW_EXCLUSIVE,
            _M.SHARE_UPDATE_EXCLUSIVE,
            _M.SHARE_ROW_EXCLUSIVE,
            _M.EXCLUSIVE,
            _M.ACCESS_EXCLUSIVE,
        }
    ),
    _M.SHARE_ROW_EXCLUSIVE: frozenset(
        {
            _M.ROW_EXCLUSIVE,
            _M.SHARE_UPDATE_EXCLUSIVE,
            _M.SHARE,
            _M.SHARE_ROW_EXCLUSIVE,
            _M.EXCLUSIVE,
            _M.ACCESS_EXCLUSIVE,
        }
    ),
    _M.EXCLUSIVE: frozenset(mode for mode in LockMode if mode is not _M.ACCESS_SHARE),
    _M.ACCESS_EXCLUSIVE: frozenset(LockMode),
}

COMMAND_MODES: dict[str, LockMode] = {
    "SELECT": LockMode.ACCESS_SHARE,
    "SELECT FOR UPDATE": LockMode.ROW_SHARE,
    "INSERT": LockMode.ROW_EXCLUSIVE,
    "UPDATE": LockMode.ROW_EXCLUSIVE,
    "DELETE": LockMode.ROW_EXCLUSIVE,
    "VACUUM": LockMode.SHARE_UPDATE_EXCLUSIVE,
    "CREATE INDEX": LockMode.SHARE,
}
"""The lock mode that common commands request on their table."""

LockSource = Literal["exact", "sampled", "frozen"]

TABLES = frozenset({"table", "partitioned table"})
"""Targets that are tables to those who use them."""
NAMED = TABLES | {"view", "materialized view", "foreign table"}
"""Targets that a query names."""


def is_toast(relation: str) -> bool:
    """Whether a full name is that of a TOAST table or of its index: no name for a reader."""
    return relation.startswith("pg_toast.")


class OnRelation:
    """What counts of a lock for other sessions, said once for whatever has these fields."""

    __slots__ = ()

    relation: str
    mode: LockMode
    target: str
    new: bool

    @property
    def felt(self) -> bool:
        """Whether other sessions can meet the lock: not on a relation that the migration created itself.

        TOAST tables and their indexes are left out: they are locked only behind their table.
        """
        return not self.new and self.target != "toast" and not is_toast(self.relation)

    @property
    def on_table(self) -> bool:
        """Whether it is on a table, partitioned ones among them."""
        return self.target in TABLES

    @property
    def on_named(self) -> bool:
        """Whether it is on something that a query names: a table or a view of any kind."""
        return self.target in NAMED

    @property
    def blocks(self) -> bool:
        """Whether reads or writes of another session wait behind it."""
        return self.blocks_reads or self.blocks_writes

    @property
    def blocks_reads(self) -> bool:
        """Whether a plain SELECT of another session waits behind it."""
        return self.felt and self.mode.blocks_reads

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE of another session wait behind it.

        Nobody writes to a materialized view.
        """
        return self.felt and self.mode.blocks_writes and self.target != "materialized view"

    @property
    def stays(self) -> bool:
        """Whether what was made is there for others after the commit: not the relations of temporary use."""
        passing = self.target in ("transient", "toast") or self.relation.startswith("pg_temp")
        return self.new and not passing and not is_toast(self.relation)


@dataclass(frozen=True, slots=True)
class Repeated:
    """What holds of one relation and mode within one statement have in common, as batches that commit have.

    Moments are in seconds after the start of the migration's first statement.
    """

    count: int
    held_total_s: float
    """Sum of their middles; they do not overlap."""
    first_granted_at_s: float
    last_released_at_s: float
    spells: tuple[tuple[float, float], ...]
    """From grant to release, at most :data:`MOST_SPELLS`: those with the shortest gaps between them are told
    as one. None for what no timeline shows."""


FEW = 4
"""Up to so many holds of one lock in one statement each has its own entry, with its own bounds."""
MOST_SPELLS = 60
"""More bars than that are not told apart on a timeline."""
WEAKEST_SHOWN = LockMode.SHARE_UPDATE_EXCLUSIVE
"""Of a timeline: weaker modes stand in the way of nothing that applications and maintenance do all day."""


@dataclass(frozen=True, slots=True)
class Lock(OnRelation):
    """A lock of the migration on one relation, listed with the statement that took it.

    Where that took it more than :data:`FEW` times, the longest hold of them, with the longest wait.
    """

    relation: str
    """Schema-qualified name, as it was before the migration where the relation existed then."""
    mode: LockMode
    target: str
    """What the relation is: table, index, sequence, view, materialized view, toast, …"""
    new: bool
    """The migration created the relation, so the lock blocks nobody."""
    source: LockSource
    """``exact``: read at the end of the statement, before its commit; ``sampled``: seen while it ran;
    ``frozen``: read while the statement was made to wait half-way."""
    waited_s: float | None
    """Seconds from request to grant: the middle of the bounds; 0.0 where no wait was seen, None where not
    known."""
    held_s: float | None
    """Seconds from grant to release: the middle of the bounds."""
    held_s_bounds: tuple[float, float] | None
    """[shortest, longest] hold that agrees with what was seen."""
    table: str | None = None
    """For an index, the table that it belongs to."""
    granted_at_s: float | None = None
    """Latest possible grant, in seconds after the start of the migration's first statement."""
    released_at_s: float | None = None
    """Earliest possible release, on the same clock."""
    relkind: str | None = None
    """``pg_class.relkind``; None where the relation was gone before it could be looked up."""
    waited_s_bounds: tuple[float, float] | None = None
    """[shortest, longest] wait that agrees with what was seen; one shorter than the sampler's period may not
    have been."""
    repeated: Repeated | None = None
    """Of all holds, where this is the entry of them."""

    @property
    def longest_s(self) -> float | None:
        """As long as it may have been held at most: what the verdict counts. None where nobody knows."""
        return self.held_s if self.held_s_bounds is None else self.held_s_bounds[1]

    @property
    def spells(self) -> tuple[tuple[float, float], ...]:
        """From when to when it was surely held; empty where that is not known."""
        if self.repeated is not None:
            return self.repeated.spells
        if self.granted_at_s is None or self.released_at_s is None:
            return ()
        return ((self.granted_at_s, self.released_at_s),)

    @property
    def total_s(self) -> float | None:
        """How long all its holds took together: the sum of their middles."""
        return self.held_s if self.repeated is None else self.repeated.held_total_s

    @property
    def last_released_at_s(self) -> float | None:
        """When the last of its holds ended."""
        return self.released_at_s if self.repeated is None else self.repeated.last_released_at_s


def put_together(locks: Sequence[Lock]) -> tuple[Lock, ...]:
    """Holds of one relation and mode within one statement, whose times are known; many of them as one."""
    if len(locks) <= FEW:
        return tuple(locks)
    longest = max(locks, key=lambda lock: (lock.longest_s or 0.0, lock.held_s or 0.0))
    waited = max(locks, key=lambda lock: -1.0 if lock.waited_s is None else lock.waited_s)
    holds = sorted((lock.granted_at_s or 0.0, lock.released_at_s or 0.0) for lock in locks)
    shown = longest.felt and longest.mode.strength >= WEAKEST_SHOWN.strength
    whole = replace(
        longest,
        waited_s=waited.waited_s,
        waited_s_bounds=waited.waited_s_bounds,
        repeated=Repeated(
            count=len(locks),
            held_total_s=sum(lock.held_s or 0.0 for lock in locks),
            first_granted_at_s=holds[0][0],
            last_released_at_s=max(released for _, released in holds),
            spells=_joined(holds) if shown else (),
        ),
    )
    return (whole,)


def _joined(spells: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Spells in order, joined over the shortest gaps until there are no more than :data:`MOST_SPELLS`."""
    gaps = sorted(range(1, len(spells)), key=lambda at: spells[at - 1][1] - spells[at][0])
    starts = [0, *sorted(gaps[: MOST_SPELLS - 1])]
    ends = [*starts[1:], len(spells)]
    return tuple(
        (spells[start][0], max(released for _, released in spells[start:end]))
        for start, end in zip(starts, ends, strict=True)
    )
