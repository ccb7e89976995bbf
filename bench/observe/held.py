"""Everything that one backend has locked at a moment."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import TupleRow

from bench.model.lock import LockMode
from bench.model.statement import AdvisoryLock
from bench.pg.catalog import load_query

FIRST_OID = 16384
"""Oids below belong to the system catalogs (FirstNormalObjectId of PostgreSQL's transam.h)."""


@dataclass(frozen=True, slots=True)
class HeldLocks:
    """The locks of one backend."""

    relations: tuple[tuple[int, str], ...]
    """(oid, mode) on relations of users."""
    advisory: tuple[AdvisoryLock, ...]
    has_xid: bool
    """Whether its transaction has written, or locked rows."""
    shared_entries: int
    """How many of its locks take a place in the shared lock table."""
    hides_catalogs: bool = False
    """It keeps others from reading a system catalog, so that no new session can even be opened."""

    @property
    def oids(self) -> frozenset[int]:
        return frozenset(oid for oid, _ in self.relations)

    def only(self, oids: Container[int]) -> HeldLocks:
        """The same without locks on other relations than these."""
        return replace(self, relations=tuple(lock for lock in self.relations if lock[0] in oids))

    def without(self, oids: Container[int]) -> HeldLocks:
        """The same without locks on these relations."""
        return replace(self, relations=tuple(lock for lock in self.relations if lock[0] not in oids))

    @property
    def strongest(self) -> int:
        """Strength of the strongest lock on a relation, 0 for none."""
        return max((LockMode(mode).strength for _, mode in self.relations), default=0)

    def blocks_nobody(self, *, rows: bool) -> bool:
        """Whether an application's SELECT, INSERT, UPDATE or DELETE cannot wait for any of them.

        These ask for ROW EXCLUSIVE at most on relations. What else they may wait for is a row that was there
        before, of which ``rows`` says that it has changed, ROW SHARE with a transaction id that it may be
        locked; or an advisory lock that a trigger takes.
        """
        strong = self.strongest > LockMode.ROW_EXCLUSIVE.strength
        return not (rows or self.may_lock_rows or strong or self.advisory)

    @property
    def met_on(self) -> frozenset[int]:
        """The relations on which an application's commands may meet a lock, or a locked row.

        What they ask for, ROW EXCLUSIVE at most, conflicts with SHARE and stronger.
        """
        strong = {oid for oid, mode in self.relations if LockMode(mode).blocks_writes}
        return frozenset(strong | (self._with_rows if self.has_xid else set()))

    @property
    def _with_rows(self) -> set[int]:
        return {oid for oid, mode in self.relations if mode in (LockMode.ROW_SHARE, LockMode.ROW_EXCLUSIVE)}

    @property
    def may_lock_rows(self) -> bool:
        """Whether it may have locked rows without changing them."""
        return self.has_xid and any(mode == LockMode.ROW_SHARE for _, mode in self.relations)


def read_held(conn: psycopg.Connection[TupleRow], pid: int) -> HeldLocks:
    """Read what the backend ``pid`` holds now, from another connection."""
    sql = load_query("held_locks", conn.info.server_version)
    rows = conn.execute(sql, {"pid": pid}).fetchall()
    return HeldLocks(
        relations=tuple(
            (oid, mode) for kind, oid, mode, *_ in rows if kind == "relation" and oid >= FIRST_OID
        ),
        advisory=tuple(
            AdvisoryLock(key, mode)
            for key, mode in sorted((key, mode) for kind, _, mode, _, key in rows if kind == "advisory")
        ),
        has_xid=any(kind == "transactionid" for kind, *_ in rows),
        shared_entries=sum(not fastpath for _, _, _, fastpath, _ in rows),
        hides_catalogs=any(
            kind == "relation" and 0 < oid < FIRST_OID and mode == LockMode.ACCESS_EXCLUSIVE
            for kind, oid, mode, *_ in rows
        ),
    )
