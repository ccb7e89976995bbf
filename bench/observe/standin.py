"""A session that takes again, one by one, the locks that a statement took and gave back half-way.

A statement that commits inside, such as VACUUM FULL or a procedure, leaves no transaction in which an
application's commands could be tried. The locks that it was seen to hold are taken again by this session, and
the commands are tried against those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.model.lock import LockMode
from bench.observe.holds import LockKey
from bench.observe.relations import Relation, RelationCatalog
from bench.pg.catalog import load_query

Connection = psycopg.Connection[TupleRow]
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
                each for each in known if each[0].relkind in INDEXES and each[0].table_oid == table.oid
            ]
            exclusive = [each for each in indexes if each[1] is LockMode.ACCESS_EXCLUSIVE]
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
