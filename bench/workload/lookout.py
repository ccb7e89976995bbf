"""A thread that watches who waits for a lock, and for whom, while the traffic and a migration run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import TupleRow

from bench.pg.catalog import load_query
from bench.pg.sessions import AGAIN_S, Reopening

FINE_S = 0.004
"""Between two looks while somebody waits, at first."""
RELATIVE = 0.02
"""Later, this part of the time since the set of those who wait last changed."""
COARSE_S = 0.025
IDLE_S = 0.010
"""While nobody waits: a wait that is shorter may not be seen."""

Key = tuple[int, str, int, str, str]
"""pid, locktype, relation, mode and transaction of a lock that is waited for."""


@dataclass(slots=True)
class SeenWait:
    """A wait as the looks showed it; times are readings of ``time.perf_counter``."""

    pid: int
    kind: str
    relation: int
    """Oid; 0 for none."""
    wanted: str
    last_without: float
    """When a look was sent that did not show it yet."""
    first_with: float
    """When the first look that showed it had come back."""
    last_with: float
    first_without: float | None = None
    """When a look had come back that did not show it any more; None: still waiting at the end."""
    started: float | None = None
    """By the server's own record, on our clock."""
    blockers: tuple[int, ...] = ()
    migration_locks: frozenset[tuple[int, str, bool]] = frozenset()
    """(relation, mode, granted) of the migration's when the wait was first seen."""


@dataclass(slots=True)
class SeenHold:
    """A table lock that the migration held as the looks showed it; readings of ``time.perf_counter``."""

    pid: int
    relation: int
    """Oid."""
    mode: str
    last_without: float
    first_with: float
    last_with: float
    first_without: float | None = None


@dataclass(slots=True)
class Sighting:
    """All that a lookout saw."""

    waits: list[SeenWait] = field(default_factory=list)
    holds: list[SeenHold] = field(default_factory=list)
    """Of the migration, in modes stronger than ROW EXCLUSIVE."""
    looks: list[tuple[float, float]] = field(default_factory=list)
    """(sent, received) of each look."""
    lost: list[tuple[float, float]] = field(default_factory=list)
    """[last look, first look again] for each time that the session was lost."""
    error: str | None = None
    """Why it was, the first time."""


class Lookout:
    """Looks until stopped. Nobody else may use the session meanwhile; it is opened again where it is lost."""

    def __init__(self, session: Reopening, source: Callable[[], float] = time.perf_counter) -> None:
        self._session = session
        self._source = source
        version = session.conn.info.server_version
        self._locks = load_query("loaded_locks", version).replace("$1", "%s")
        self._blockers = load_query("blockers", version).replace("$1", "%s")
        self._offset = _clock_offset(session.conn, source)
        self._open: dict[Key, SeenWait] = {}
        self._held: dict[tuple[int, int, str], SeenHold] = {}
        self._seen = Sighting()
        self._stop = threading.Event()
        self._migration_pid = 0
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)
        self._thread.start()

    def follow(self, pid: int) -> None:
        """Read the table locks of this backend, too: the one that applies the migration; 0: of none."""
        self._migration_pid = pid

    def stop(self) -> Sighting:
        """End the thread and return what it saw."""
        self._stop.set()
        self._thread.join()
        return self._seen

    def _run(self) -> None:
        changed = last_sent = self._source()
        while not self._stop.is_set():
            sent = self._source()
            try:
                if self._look(sent, last_sent):
                    changed = self._source()
            except psycopg.Error as error:
                self._again(error, last_sent)
                continue
            last_sent = sent
            now = self._source()
            period = min(COARSE_S, max(FINE_S, RELATIVE * (now - changed))) if self._open else IDLE_S
            self._stop.wait(max(0.001, sent + period - now))

    def _again(self, error: psycopg.Error, last_sent: float) -> None:
        """Open the session again, however long that takes, and note for how long nobody looked."""
        self._seen.error = self._seen.error or str(error).strip()
        lost = self._seen.lost
        if lost and lost[-1][0] == last_sent:  # no look since it was opened again
            lost.pop()
            self._stop.wait(AGAIN_S)
        while not self._session.reopen() and not self._stop.wait(AGAIN_S):
            pass
        lost.append((last_sent, self._source()))

    def _look(self, sent: float, last_sent: float) -> bool:
        """Read once; whether somebody began or ended to wait."""
        followed = self._migration_pid
        rows = self._session.conn.execute(self._locks.encode(), (followed,), prepare=True).fetchall()
        received = self._source()
        self._seen.looks.append((sent, received))
        held = frozenset(
            (relation, mode, granted)
            for pid, kind, relation, mode, granted, _, _ in rows
            if pid == followed and kind == "relation"
        )
        self._note_holds({(followed, *lock[:2]) for lock in held if lock[2]}, last_sent, sent, received)
        waiting = {
            (pid, kind, relation, mode, transaction): started
            for pid, kind, relation, mode, granted, started, transaction in rows
            if not granted
        }
        began = [key for key in waiting if self._is_new(key, waiting[key])]
        for key in began:
            if key in self._open:  # the same session waits for the same lock anew
                self._close(key, received)
            wait = SeenWait(*key[:4], last_without=last_sent, first_with=received, last_with=sent)
            wait.migration_locks = held
            self._open[key] = wait
            self._seen.waits.append(wait)
        gone = [key for key in self._open if key not in waiting]
        for key in gone:
            self._close(key, received)
        for key, wait in self._open.items():
            wait.last_with = sent
            if wait.started is None and waiting[key] is not None:
                wait.started = waiting[key] - self._offset
        if began:
            self._look_up(began)
        return bool(began or gone)

    def _note_holds(
        self, held: set[tuple[int, int, str]], last_sent: float, sent: float, received: float
    ) -> None:
        for key in held - self._held.keys():
            self._held[key] = SeenHold(*key, last_without=last_sent, first_with=received, last_with=sent)
            self._seen.holds.append(self._held[key])
        for key in self._held.keys() - held:
            self._held.pop(key).first_without = received
        for hold in self._held.values():
            hold.last_with = sent

    def _is_new(self, key: Key, started: float | None) -> bool:
        known = self._open.get(key)
        if known is None:
            return True
        if started is None or known.started is None:
            return False
        return abs(started - self._offset - known.started) > 1e-4

    def _close(self, key: Key, received: float) -> None:
        self._open.pop(key).first_without = received

    def _look_up(self, began: list[Key]) -> None:
        """Who blocks those that are new; it is asked once, as nobody gets ahead of one who waits."""
        pids = [key[0] for key in began]
        rows = self._session.conn.execute(self._blockers.encode(), (pids,), prepare=True).fetchall()
        found: dict[int, list[int]] = dict(rows)
        for key in began:
            self._open[key].blockers = tuple(found.get(key[0], ()))


def _clock_offset(conn: psycopg.Connection[TupleRow], source: Callable[[], float]) -> float:
    """Server's time of day minus our clock, from the quickest of a few answers."""
    offsets = []
    for _ in range(9):
        sent = source()
        row = conn.execute("SELECT extract(epoch FROM clock_timestamp())::float8", prepare=True).fetchone()
        received = source()
        assert row is not None
        offsets.append((received - sent, row[0] - (sent + received) / 2))
    return float(min(offsets)[1])
