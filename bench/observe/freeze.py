"""A statement made to wait half-way, again and again, so that locks can be read which are gone at its end.

CREATE INDEX CONCURRENTLY, VACUUM and procedures commit inside; an exception block or an error takes locks
back. No snapshot after the statement shows these, and samples miss the short ones. So other sessions, the
gates, hold locks that stop it: SHARE on the system catalogs that every DDL writes to (reading them stays
possible), ACCESS EXCLUSIVE on the tables that it may touch. Each time it waits, what it holds and asks for is
read; then the next gate queues up behind it, and the one that stopped it lets go. On a server of our own each
commit inside it waits as well, for a standby that does not exist, until it is told not to; and an error keeps
its locks while the server writes the statement to its log, which a long comment makes long enough.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.model.lock import LockMode
from bench.observe.holds import LockKey
from bench.observe.intervals import FIRST_OID
from bench.observe.relations import Relation, RelationCatalog
from bench.pg.catalog import load_query

CATALOGS = ("pg_class", "pg_index", "pg_inherits")
MAX_TABLES = 12
"""More tables are not stopped at: each needs a session of its own."""
MAX_STEPS = 300
"""A loop that takes locks again and again is let through after so many stops."""
POLL_S = 0.0005
NO_STANDBY = "pgrehearse_none"
"""Name of the standby in synchronous_standby_names that makes commits wait, where they ask for it.
https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-SYNCHRONOUS-STANDBY-NAMES"""
_WORD = re.compile(r"[\w$]+")

_PADDING = f"\n/*{'.' * 4_000_000}*/"

Connection = psycopg.Connection[TupleRow]


@dataclass(slots=True)
class _Gate:
    """A session that holds a lock, waits for one, or is free."""

    conn: Connection

    def take(self, command: bytes) -> bool:
        """Take the lock if it is free now; tell whether it was."""
        self.conn.execute("BEGIN")
        try:
            self.conn.execute(command + b" NOWAIT")
        except psycopg.Error:
            self.conn.execute("ROLLBACK")
            return False
        return True

    def queue(self, command: bytes) -> None:
        """Ask for the lock and do not wait for the answer."""
        self.conn.execute("BEGIN")
        self.conn.pgconn.send_query(command)

    def release(self) -> None:
        """Let go of what it holds, or stop asking for it."""
        pgconn = self.conn.pgconn
        if pgconn.transaction_status == TransactionStatus.ACTIVE:
            pgconn.consume_input()
            if pgconn.is_busy():
                pgconn.get_cancel().cancel()
        while pgconn.get_result() is not None:
            pass
        self.conn.execute("ROLLBACK")


@dataclass(slots=True)
class _Stops:
    """The relations at which the statement is stopped now, and by which gate."""

    commands: dict[int, bytes]
    holding: dict[int, _Gate] = field(default_factory=dict)


class Stepper:
    """Steps through statements; opens its sessions with ``connect`` when they are first needed."""

    def __init__(self, connect: Callable[[], Connection], *, ours: bool) -> None:
        """``ours``: the server's log is ours to fill."""
        self._connect = connect
        self.padding = _PADDING if ours else ""
        """Comment for the end of a statement that may fail: the server writes it to its log with the error,
        and keeps the locks so long."""
        self._gates: list[_Gate] = []
        self._observer: Connection | None = None
        self._hiding: frozenset[str] = frozenset()

    def learn(self, conn: Connection) -> None:
        """Read which routines take locks back while they run, as the session ``conn`` sees them."""
        rows = conn.execute(load_query("hiding_locks", conn.info.server_version))
        self._hiding = frozenset(name.lower() for (name,) in rows)

    def may_hide(self, text: str) -> bool:
        """Whether a statement names a routine, or a table with a trigger, that may take locks back."""
        return bool(self._hiding) and not self._hiding.isdisjoint(_words(text))

    def close(self) -> None:
        """Close the sessions."""
        for conn in (self._observer, *(gate.conn for gate in self._gates)):
            if conn is not None:
                conn.close()

    @contextmanager
    def watching(self, conn: Connection) -> Iterator[set[LockKey]]:
        """While the block runs a statement on ``conn``, read its locks as often as can be.

        Yields what :meth:`stepping` yields.
        """
        observer = self._observer = self._observer or self._connect()
        with _driving(_Drive(observer, conn.info.backend_pid, _Stops({}), [], pause_s=0.0)) as seen:
            yield seen

    @contextmanager
    def stepping(self, conn: Connection, catalog: RelationCatalog, text: str) -> Iterator[set[LockKey]]:
        """While the block runs a statement on ``conn``, stop it wherever it can be stopped.

        Yields the (oid, mode) on users' relations that it was seen to hold or to wait for; complete when the
        block has ended.
        """
        observer = self._observer = self._observer or self._connect()
        stops = _Stops(self._commands(observer, _tables_to_stop_at(catalog, text)))
        free = self._take(stops)
        try:
            with (
                _waiting_commits(conn),
                _driving(_Drive(observer, conn.info.backend_pid, stops, free, POLL_S)) as seen,
            ):
                yield seen
        finally:
            for gate in self._gates:
                with suppress(psycopg.Error):
                    gate.release()

    def _commands(self, conn: Connection, tables: Sequence[Relation]) -> dict[int, bytes]:
        """What locks each relation: the catalogs in SHARE, tables in ACCESS EXCLUSIVE mode."""
        commands = {
            int(oid): f"LOCK TABLE pg_catalog.{name} IN SHARE MODE".encode()
            for name, oid in conn.execute(
                "SELECT name, name::regclass::oid FROM unnest(%s::text[]) AS name", (list(CATALOGS),)
            )
        }
        names = conn.execute(
            load_query("probe_targets", conn.info.server_version),
            {"oids": [table.oid for table in tables]},
        )
        lock = sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE")
        return commands | {
            oid: lock.format(sql.Identifier(schema, name)).as_bytes(conn) for oid, schema, name, _ in names
        }

    def _take(self, stops: _Stops) -> list[_Gate]:
        """Close every gate that can be closed, tables first; one session more stays free."""
        while len(self._gates) <= len(stops.commands):
            self._gates.append(_Gate(self._connect()))
        free = self._gates.copy()
        for oid in sorted(stops.commands, reverse=True):
            if free[-1].take(stops.commands[oid]):
                stops.holding[oid] = free.pop()
        return free


@contextmanager
def _waiting_commits(conn: Connection) -> Iterator[None]:
    """Let the session's commits wait for the standby that does not exist, if the server names it."""
    row = conn.execute(
        "SELECT current_setting('synchronous_commit') "
        "WHERE current_setting('synchronous_standby_names') = %s",
        (NO_STANDBY,),
    ).fetchone()
    if row is None:
        yield
        return
    conn.execute("SET synchronous_commit = on")
    try:
        yield
    finally:
        if not conn.closed and conn.info.transaction_status != TransactionStatus.INERROR:
            conn.execute("SELECT set_config('synchronous_commit', %s, false)", row)


@contextmanager
def _driving(drive: _Drive) -> Iterator[set[LockKey]]:
    """Let it run in a thread of its own until the block ends."""
    thread = threading.Thread(target=drive.run, name="stepper", daemon=True)
    thread.start()
    try:
        yield drive.seen
    finally:
        drive.stop.set()
        thread.join()


class _Drive:
    """The loop that waits for the statement to wait, reads its locks, and lets it go on."""

    def __init__(
        self, observer: Connection, pid: int, stops: _Stops, free: list[_Gate], pause_s: float
    ) -> None:
        self._pause_s = pause_s
        self._observer = observer
        self._sql = load_query("stepping", observer.info.server_version)
        self._pid = pid
        self._stops = stops
        self._free = free
        self._steps = 0
        self._ended: set[str] = set()
        """Virtual transaction ids of the commits that need wait no longer."""
        self.seen: set[LockKey] = set()
        self.stop = threading.Event()

    def run(self) -> None:
        with suppress(psycopg.Error):  # the statement's own session tells what is wrong with the server
            while not self.stop.wait(self._pause_s):
                self._look()

    def _look(self) -> None:
        rows = self._read(self._pid)
        waiting = next((row for row in rows if not row[3]), None)
        if waiting is not None:
            rows = self._read(self._pid)  # now that it stands still
        relations = ((oid, mode) for kind, oid, mode, *_ in rows if kind == "relation")
        self.seen |= {(oid, mode) for oid, mode in relations if oid >= FIRST_OID}
        match waiting:
            case ("relation", oid, _, _, _) if oid in self._stops.holding:
                self._let_through(oid)
            case ("virtualxid", _, _, _, holder):
                self._open_for_good(holder)
            case ("commit", _, transaction, *_) if waiting in rows and transaction not in self._ended:
                # A commit that waits for a standby ends well when it is cancelled, with a warning; cancelled
                # once more, before it has gone on, it would leave the second to the statement after it.
                self._ended.add(transaction)
                self._observer.execute("SELECT pg_cancel_backend(%s)", (self._pid,))

    def _read(self, pid: int) -> list[tuple[str, int, str, bool, int | None]]:
        """Lock type, relation's oid, mode, whether granted, who holds a transaction waited for."""
        cursor = self._observer.execute(self._sql, {"pid": pid}, prepare=True)
        return cursor.fetchall()

    def _let_through(self, oid: int) -> None:
        """The next gate queues up behind the statement, then the one that stopped it lets go."""
        gate = self._stops.holding.pop(oid)
        self._steps += 1
        if self._free and self._steps < MAX_STEPS:
            following = self._free.pop()
            following.queue(self._stops.commands[oid])
            self._stops.holding[oid] = following
            self._await_queued(following)
        gate.release()
        self._free.append(gate)

    def _await_queued(self, gate: _Gate) -> None:
        pid = gate.conn.info.backend_pid
        while not self.stop.is_set() and all(granted for *_, granted, _ in self._read(pid)):
            pass

    def _open_for_good(self, holder: int | None) -> None:
        """The statement waits for the end of a gate's transaction, as CONCURRENTLY does."""
        for oid, gate in list(self._stops.holding.items()):
            if gate.conn.info.backend_pid == holder:
                del self._stops.holding[oid]
                gate.release()
                self._free.append(gate)


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


def _tables_to_stop_at(catalog: RelationCatalog, text: str) -> list[Relation]:
    """Tables that the text names, by an index if not by name, and their children; all, if it names none."""
    words = _words(text)
    tables = [relation for relation in catalog.existing() if relation.relkind in ("r", "p")]
    of_indexes = {relation.table_oid for relation in catalog.existing() if relation.name.lower() in words}
    named = {
        relation.oid for relation in tables if relation.name.lower() in words or relation.oid in of_indexes
    }
    while children := {relation.oid for relation in tables if relation.parent_oid in named} - named:
        named |= children
    return [relation for relation in tables if not named or relation.oid in named][:MAX_TABLES]


TABLES = ("r", "p")
INDEXES = ("i", "I")


class StandIn:
    """Opens its session with ``connect`` when it is first needed."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._conn: Connection | None = None

    def close(self) -> None:
        """Close the session."""
        if self._conn is not None:
            self._conn.close()

    def holding(
        self, keys: Iterable[LockKey], catalog: RelationCatalog
    ) -> Iterator[tuple[int, frozenset[int]]]:
        """For each table from before, hold the strongest of its locks; yield this session's pid and what it
        has locked.

        With a table go its indexes that were locked in ACCESS EXCLUSIVE mode. A table that is gone, or that
        another session has locked, is left out.
        """
        conn = self._conn = self._conn or self._connect()
        for locks in _by_table(keys, catalog):
            with _held(conn, locks) as held:
                if held:
                    yield conn.info.backend_pid, frozenset(relation.oid for relation, _ in locks)


def _by_table(keys: Iterable[LockKey], catalog: RelationCatalog) -> Iterator[list[tuple[Relation, LockMode]]]:
    """The strongest lock on each existing table, where a command can wait for it, and on its indexes.

    Readers open indexes, too. But one that is locked while its table can be written, as CONCURRENTLY does,
    is in no plan any more by then.
    """
    strongest: dict[int, LockMode] = {}
    for oid, name in keys:
        mode = LockMode(name)
        if oid not in strongest or mode.strength > strongest[oid].strength:
            strongest[oid] = mode
    known = [(relation, strongest[oid]) for oid in sorted(strongest) if (relation := catalog.before(oid))]
    for table, mode in known:
        if table.relkind in TABLES and mode.strength > LockMode.ROW_EXCLUSIVE.strength:
            indexes = [
                pair for pair in known if pair[0].relkind in INDEXES and pair[0].table_oid == table.oid
            ]
            exclusive = [index for index in indexes if index[1] is LockMode.ACCESS_EXCLUSIVE]
            yield [(table, mode), *(exclusive if mode.blocks_writes else [])]


def _lock(name: sql.Identifier, relation: Relation, mode: LockMode) -> sql.Composed:
    """LOCK TABLE takes no index; what moves one to where it is locks it alone, in ACCESS EXCLUSIVE mode."""
    if relation.relkind in INDEXES:
        return sql.SQL("ALTER INDEX {} SET TABLESPACE pg_default").format(name)
    return sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(name, sql.SQL(mode.sql_name))


@contextmanager
def _held(conn: Connection, locks: Sequence[tuple[Relation, LockMode]]) -> Iterator[bool]:
    """Hold locks while the block runs; tell whether they could be had at once."""
    oids = {"oids": [relation.oid for relation, _ in locks]}
    rows = conn.execute(load_query("probe_targets", conn.info.server_version), oids).fetchall()
    names = {oid: sql.Identifier(schema, name) for oid, schema, name, _ in rows}
    conn.execute("BEGIN")
    try:
        conn.execute("SET LOCAL lock_timeout = '50ms'")
        try:
            for relation, mode in locks:
                if relation.oid in names:
                    conn.execute(_lock(names[relation.oid], relation, mode))
        except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable):
            yield False
        else:
            yield bool(names)
    finally:
        conn.execute("ROLLBACK")
