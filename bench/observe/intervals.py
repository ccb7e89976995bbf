"""What a backend has locked at a moment; such samples turned into intervals with bounds."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import TupleRow

from bench.model.lock import LockMode
from bench.model.statement import AdvisoryLock
from bench.pg.catalog import load_query

Span = tuple[float, float]
"""Earliest and latest moment, as wall-clock readings in seconds."""


@dataclass(frozen=True, slots=True)
class Look:
    """One sample. It shows the state at some moment between ``sent`` and ``received``."""

    sent: float
    received: float
    epoch: int
    """Which statement was running, or had ended last; -1 before the first."""
    period_s: float
    """Time after the sample before at which this one was due."""


@dataclass(frozen=True, slots=True)
class LockRow:
    """One row of pg_locks for the watched backend."""

    oid: int
    mode: str
    granted: bool
    waiting_s: float | None
    """Seconds since the request started to wait, where the server says so (14 and newer)."""
    transaction: str = ""
    """The backend's virtual transaction at the moment. https://www.postgresql.org/docs/current/view-pg-locks.html"""


@dataclass(frozen=True, slots=True)
class SeenInterval:
    """A lock that was held, or waited for, in consecutive samples. Times are wall-clock readings in seconds.

    A sample shows the state at some moment between sending its query and receiving the answer. So the lock
    came in [not_before, first[1]] and went in [last[0], gone[1]]. One that went and came back between two
    samples, in one transaction, looks as if it had stayed.
    """

    oid: int
    mode: str
    granted: bool
    epoch: int
    """Which statement was running when the samples were asked for."""
    not_before: float
    """When the last sample without the lock was sent."""
    first: Span
    """Sending and answer of the first sample with it."""
    last: Span
    gone: Span
    """Of the first sample without it; of the moment at which sampling ended, twice."""
    began: Span | None = None
    """When a wait began, where the server says so."""

    @property
    def longest_s(self) -> float:
        return self.gone[1] - self.not_before


_Key = tuple[int, str, bool, int, str]


@dataclass(slots=True)
class _Open:
    not_before: float
    first: Span
    last: Span
    began: Span | None


class IntervalBuilder:
    """Takes samples in order and keeps one open interval for each (relation, mode, granted, epoch).

    An interval never spans two epochs: a lock released and taken again between two samples, by two
    statements, must not look like one hold. Nor does it span two waits, which begin at different times.
    """

    def __init__(self, started: float) -> None:
        self._last_sent = started
        self._open: dict[_Key, _Open] = {}
        self.closed: list[SeenInterval] = []
        self.oids: set[int] = set()
        """Every relation seen so far."""

    def observe(
        self,
        sent: float,
        received: float,
        rows: Iterable[LockRow],
        epoch: int = 0,
        *,
        by_transaction: bool = False,
    ) -> bool:
        """Add the sample that was asked for at ``sent`` and answered at ``received``.

        ``by_transaction``: a new transaction ends the intervals of the one before, as in a procedure that
        commits; not so for CREATE INDEX CONCURRENTLY and the like, which keep a lock over several.
        Returns whether a lock appeared or went since the sample before.
        """
        during = (sent, received)
        present: set[_Key] = set()
        changed = False
        for row in rows:
            key = (row.oid, row.mode, row.granted, epoch, "")
            if by_transaction:
                key = self._of_transaction(key, row.transaction)
            present.add(key)
            self.oids.add(row.oid)
            began = None if row.waiting_s is None else (sent - row.waiting_s, received - row.waiting_s)
            interval = self._open.get(key)
            if interval is not None and _apart(interval.began, began):
                self._close(key, during)
                interval = None
            if interval is None:
                self._open[key] = _Open(self._last_sent, during, during, began)
                changed = True
            else:
                interval.last = during
                interval.began = _common(interval.began, began)
        for key in self._open.keys() - present:
            self._close(key, during)
            changed = True
        self._last_sent = sent
        return changed

    def _of_transaction(self, key: _Key, transaction: str) -> _Key:
        """The key of a lock where each transaction has locks of its own.

        A transaction that ends loses its number, and its locks a moment later (CommitTransaction in
        PostgreSQL's xact.c): a lock under number 0 is still that of the transaction before.
        """
        if transaction.endswith("/0"):
            return next((known for known in self._open if known[:4] == key[:4]), key)
        return (*key[:4], transaction)

    def finish(self, at: float) -> tuple[SeenInterval, ...]:
        """Close what is still open at the wall-clock reading ``at`` and return all intervals."""
        for key in list(self._open):
            self._close(key, (at, at))
        return tuple(self.closed)

    @property
    def held(self) -> frozenset[tuple[int, str]]:
        """Relation and mode of every lock granted in the last sample."""
        return frozenset((oid, mode) for oid, mode, granted, *_ in list(self._open) if granted)

    def _close(self, key: _Key, gone: Span) -> None:
        oid, mode, granted, epoch, _ = key
        seen = self._open.pop(key)
        self.closed.append(
            SeenInterval(
                oid, mode, granted, epoch, seen.not_before, seen.first, seen.last, gone, began=seen.began
            )
        )


def _apart(one: Span | None, other: Span | None) -> bool:
    """Whether two readings of when a wait began cannot be of the same wait."""
    return one is not None and other is not None and (other[0] > one[1] or other[1] < one[0])


def _common(one: Span | None, other: Span | None) -> Span | None:
    if one is None or other is None:
        return one or other
    return max(one[0], other[0]), min(one[1], other[1])


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
