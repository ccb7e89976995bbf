"""Samples of pg_locks turned into intervals whose ends are known within bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


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

    The lock appeared in [not_before, seen_from] and went in [seen_to, not_after]: a sample shows the state
    at some moment between sending its query and receiving the answer.
    """

    oid: int
    mode: str
    granted: bool
    epoch: int
    """Which statement was running when the samples were asked for."""
    not_before: float
    seen_from: float
    seen_to: float
    not_after: float
    waiting_s: float | None

    @property
    def shortest_s(self) -> float:
        return max(0.0, self.seen_to - self.seen_from)

    @property
    def longest_s(self) -> float:
        return self.not_after - self.not_before


_Key = tuple[int, str, bool, int, str]


@dataclass(slots=True)
class _Open:
    not_before: float
    seen_from: float
    seen_to: float
    waiting_s: float | None


class IntervalBuilder:
    """Takes samples in order and keeps one open interval for each (relation, mode, granted, epoch).

    An interval never spans two epochs: a lock released and taken again between two samples, by two
    statements, must not look like one hold.
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
        present: set[_Key] = set()
        changed = False
        for row in rows:
            key = (row.oid, row.mode, row.granted, epoch, row.transaction if by_transaction else "")
            present.add(key)
            self.oids.add(row.oid)
            interval = self._open.get(key)
            if interval is None:
                self._open[key] = _Open(self._last_sent, received, received, row.waiting_s)
                changed = True
            else:
                interval.seen_to = sent
                if row.waiting_s is not None:
                    interval.waiting_s = max(interval.waiting_s or 0.0, row.waiting_s)
        for key in self._open.keys() - present:
            self._close(key, received)
            changed = True
        self._last_sent = sent
        return changed

    def finish(self, at: float) -> tuple[SeenInterval, ...]:
        """Close what is still open at the wall-clock reading ``at`` and return all intervals."""
        for key in list(self._open):
            self._close(key, at)
        return tuple(self.closed)

    @property
    def held(self) -> frozenset[tuple[int, str]]:
        """Relation and mode of every lock granted in the last sample."""
        return frozenset((oid, mode) for oid, mode, granted, *_ in list(self._open) if granted)

    def _close(self, key: _Key, at: float) -> None:
        oid, mode, granted, epoch, _ = key
        seen = self._open.pop(key)
        self.closed.append(
            SeenInterval(
                oid,
                mode,
                granted,
                epoch,
                seen.not_before,
                seen.seen_from,
                max(seen.seen_to, seen.seen_from),
                at,
                seen.waiting_s,
            )
        )
