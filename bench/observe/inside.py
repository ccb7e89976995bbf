"""What only the migration's own session can see: new files, and how much it has scanned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow, class_row

from bench.model.statement import Rewrite, Validation
from bench.observe.relations import RelationCatalog
from bench.pg.catalog import load_query


@dataclass(frozen=True, slots=True)
class InsideRow:
    """One relation as the migration's session sees it."""

    oid: int
    schema: str
    name: str
    filenode: int
    scans: int
    """Scans that are not in the shared statistics yet."""
    tuples: int
    """Rows that those scans returned."""
    scans_flushed: int
    """Scans in the shared statistics."""
    tuples_flushed: int


class InsideReader:
    """Compares the relations' files and scan counts with the reading before.

    Must not read before the first statement of a transaction, since SET TRANSACTION has to come before
    any query, nor after an error.
    """

    def __init__(self, conn: psycopg.Connection[TupleRow], catalog: RelationCatalog) -> None:
        self._conn = conn
        self._cursor = conn.cursor(row_factory=class_row(InsideRow))
        self._sql = load_query("inside_transaction", conn.info.server_version)
        self._catalog = catalog
        self._filenodes: dict[int, int] = {}
        self._scans: dict[int, tuple[int, int]] = {}

    def flush(self) -> None:
        """Outside a transaction: hand the scan counts over, so that the next transaction starts at 0.

        Before 15 a backend hands them over when it likes; scans of a transaction may then be counted with
        those of the one before.
        """
        self._scans = {}
        if self._conn.info.server_version >= 150000:
            self._conn.execute("SELECT pg_stat_force_next_flush()")

    def mark(self) -> None:
        """Outside a transaction: the state before a statement that makes transactions of its own."""
        self.flush()
        rows = self._cursor.execute(self._sql).fetchall()
        self._scans = {row.oid: (row.scans_flushed, row.tuples_flushed) for row in rows}

    def read(self, kind: str, *, marked: bool = False) -> tuple[tuple[Rewrite, ...], tuple[Validation, ...]]:
        """Existing relations rewritten, and tables scanned, since the reading before.

        ``marked``: since :meth:`mark`. TRUNCATE gives relations a new, empty file: that is no rewrite.
        """
        if marked and self._conn.info.server_version >= 150000:
            self._conn.execute("SELECT pg_stat_force_next_flush()")
        rows = self._cursor.execute(self._sql).fetchall()
        rewritten = () if kind == "TRUNCATE" else tuple(self._rewritten(rows))
        self._filenodes.update({row.oid: row.filenode for row in rows})
        counts = {
            row.oid: (row.scans_flushed, row.tuples_flushed) if marked else (row.scans, row.tuples)
            for row in rows
        }
        scanned = tuple(self._scanned(counts))
        self._scans = counts
        return rewritten, scanned

    def _rewritten(self, rows: list[InsideRow]) -> list[Rewrite]:
        """By oid; and an index that was dropped and built again under its name, by name."""
        present: Mapping[int, InsideRow] = {row.oid: row for row in rows}
        by_name = {(row.schema, row.name): row for row in rows}
        found = []
        for relation in self._catalog.existing():
            if not relation.filenode:
                continue
            row = present.get(relation.oid)
            if row is None and relation.relkind == "i":
                row = by_name.get((relation.schema, relation.name))
            known = self._filenodes.get(row.oid, relation.filenode) if row else 0
            if row is not None and row.filenode != known:
                found.append(
                    Rewrite(
                        relation=relation.full_name,
                        target=relation.target,
                        table=self._catalog.table_of(relation.oid),
                        bytes=self._size_bytes(row.oid),
                    )
                )
        return found

    def _scanned(self, counts: Mapping[int, tuple[int, int]]) -> list[Validation]:
        """Tables and materialized views alone: an index has scans of another kind."""
        found = []
        for oid, (scans, tuples) in counts.items():
            relation = self._catalog.before(oid)
            scans_before, tuples_before = self._scans.get(oid, (0, 0))
            if relation is None or relation.relkind not in ("r", "m"):
                continue
            if scans > scans_before and tuples > tuples_before:
                found.append(
                    Validation(relation.full_name, tuples - tuples_before, float(scans - scans_before))
                )
        return found

    def _size_bytes(self, oid: int) -> int | None:
        row = self._conn.execute("SELECT pg_relation_size(%s::oid)", (oid,)).fetchone()
        return row[0] if row else None
