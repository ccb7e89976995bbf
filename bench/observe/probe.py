"""Who waits for a migration: an application's commands, tried while the migration's transaction is open.

A lock blocks more than its own table: an INSERT elsewhere checks a foreign key, a view reads its tables, a
plan opens every index. No table of lock modes tells these, so every command is tried on every table that
leads to what is locked, and what it waits for is read from its ungranted row in pg_locks. Everything tried is
rolled back.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import TupleRow

from bench.model.statement import Block
from bench.observe.application import OPS, Application, Command
from bench.observe.relations import RelationCatalog
from bench.pg.catalog import load_query

SESSIONS = 6
MAX_TABLES = 300
"""Of a larger schema only so many tables get commands: those that the migration names come first."""
SETTINGS = {
    "lock_timeout": "3s",
    "statement_timeout": "5s",
    "client_min_messages": "error",
    "application_name": "pgrehearse probe",
}
"""The timeouts bound a single try, should reading pg_locks fail; one that waits is ended long before."""
LOOK_TIMEOUT_MS = 200
"""So long the session that only looks waits for a lock: it should never meet one."""
LOOK_AFTER_S = 0.002

Connection = psycopg.Connection[TupleRow]


@dataclass(slots=True)
class _Session:
    """A connection with the commands that it still has to try; those on one relation follow each other."""

    conn: Connection
    queue: deque[Command] = field(default_factory=deque)
    current: Command | None = None
    insert_waits: bool = False
    """The INSERT on the present relation was found waiting."""

    @property
    def pid(self) -> int:
        return self.conn.info.backend_pid

    def send_next(self) -> None:
        """Start the next command, if there is one."""
        self.current = self.queue.popleft() if self.queue else None
        if self.current is None:
            return
        if self.current.op == OPS[0]:
            self.insert_waits = False
        text = self.current.text
        if self.current.after_insert and not self.insert_waits:
            text = self.current.after_insert
        self.conn.pgconn.send_query(b"ROLLBACK; BEGIN; " + text + b"; ROLLBACK")

    def give_up(self) -> None:
        """End what it still has to do, should there be anything."""
        self.queue.clear()
        if self.current is not None:
            self.current = None
            self.conn.pgconn.get_cancel().cancel()
            while self.conn.pgconn.get_result() is not None:
                pass

    def has_ended(self) -> bool:
        """Take what has come from the server; OperationalError where it is gone."""
        pgconn = self.conn.pgconn
        pgconn.consume_input()
        while not pgconn.is_busy():
            if pgconn.get_result() is None:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one probe."""

    blocks: tuple[Block, ...]
    untried: tuple[str, ...] = ()
    """Relations whose users might wait, too, and that have no commands."""


class Prober:
    """Tries SELECT, SELECT FOR UPDATE, INSERT, UPDATE and DELETE on the tables that were there before the
    migration, and SELECT on the views; opens its sessions with ``connect``."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._catalog = RelationCatalog(())
        self._observer = self._open()
        self._observer.execute(b"SET lock_timeout = '%dms'" % LOOK_TIMEOUT_MS)
        self._application = Application(self._observer, MAX_TABLES)
        self._sessions: list[_Session] = []
        self._dirty = False
        self.changed: Set[int] | None = None
        """Relations that may have changed since it learnt them; None: any."""
        self.commands_sent = 0
        """Over all probes."""

    def close(self) -> None:
        """Close the sessions."""
        for conn in (self._observer, *(session.conn for session in self._sessions)):
            conn.close()

    def clean(self) -> None:
        """Remove what the last probe has left, before the migration goes on."""
        if self._dirty:
            self._application.clean()
            self._dirty = False

    def learn(self, catalog: RelationCatalog, *, likely: Set[int] = frozenset()) -> None:
        """Read what has :attr:`changed` of the catalog's relations, and those that it does not know, as they
        are committed now; no migration's transaction may be open.

        ``likely``: the relations that the migration may lock.
        """
        self._catalog = catalog
        self._application.learn(catalog, likely, self.changed)
        self.changed = frozenset()
        while len(self._sessions) < SESSIONS:  # a migration may lock what a new session must read
            self._sessions.append(_Session(self._open()))

    def probe(self, pid: int, locked: Set[int]) -> Tried:
        """What waits for the open transaction of the backend ``pid``, in order of relations and commands.

        ``locked``: the relations that it has locked in a way that others can meet.
        """
        xid = self._xid(pid)
        targets, untried = self._application.targets({self._catalog.owner(oid) for oid in locked})
        for position, relation in enumerate(targets):
            commands = self._application.commands(relation, xid)
            self._sessions[position % len(self._sessions)].queue.extend(commands)
            self.commands_sent += len(commands)
        try:
            blocks = list(self._drive(pid))
        finally:
            for session in self._sessions:
                session.give_up()
        self._dirty = bool(targets) or self._dirty
        order = {relation.full_name: position for position, relation in enumerate(targets)}
        blocks.sort(key=lambda block: (order[block.relation], OPS.index(block.op)))
        return Tried(tuple(blocks), tuple(relation.full_name for relation in untried))

    def _open(self) -> Connection:
        conn = self._connect()
        for name, value in SETTINGS.items():
            conn.execute("SELECT set_config(%s, %s, false)", (name, value))
        return conn

    def _xid(self, pid: int) -> int | None:
        """A backend's transaction id, if it has one."""
        row = self._observer.execute(
            "SELECT min(transactionid::text::bigint) FROM pg_locks "
            "WHERE pid = %s AND granted AND locktype = 'transactionid'",
            (pid,),
        ).fetchone()
        return row[0] if row else None

    def _drive(self, migration: int) -> Iterable[Block]:
        """Let all sessions work through their commands; end each that waits for the migration."""
        for session in self._sessions:
            session.send_next()
        while busy := [session for session in self._sessions if session.current is not None]:
            ended = _await_any(busy)
            if not ended:
                waits = self._waits(migration, [session.pid for session in busy])
                for session in busy:
                    if session.pid in waits and session.current is not None:
                        yield self._block(session, waits[session.pid])
            for session in ended:
                session.send_next()

    def _block(self, session: _Session, wait: tuple[str, int, str]) -> Block:
        kind, oid, mode = wait
        command = session.current
        assert command is not None
        session.insert_waits = session.insert_waits or command.op == "INSERT"
        self._observer.execute("SELECT pg_cancel_backend(%s)", (session.pid,), prepare=True)
        while not session.has_ended():
            select.select([session.conn.fileno()], [], [], 1.0)
        waits_on = self._catalog.name(oid) if oid else command.relation
        session.send_next()
        return Block(command.relation, command.op, waits_on, kind, mode)

    def _waits(self, migration: int, pids: list[int]) -> Mapping[int, tuple[str, int, str]]:
        """Of these sessions, those that wait for the migration: lock type, relation's oid, mode."""
        text = load_query("probe_waits", self._observer.info.server_version)
        rows = self._observer.execute(text, {"migration": migration, "pids": pids}, prepare=True)
        return {pid: (kind, oid, mode) for pid, kind, oid, mode, by_migration in rows if by_migration}


def _await_any(busy: list[_Session]) -> list[_Session]:
    """The sessions whose command has ended, as soon as there is one; none if all work on for a while."""
    deadline = time.monotonic() + LOOK_AFTER_S
    while True:
        left = max(0.0, deadline - time.monotonic())
        readable, _, _ = select.select([session.conn.fileno() for session in busy], [], [], left)
        ended = [session for session in busy if session.conn.fileno() in readable and session.has_ended()]
        if ended or not left:
            return ended
