"""What only the migration's own transaction can see: new files, and how much it has scanned."""

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
    """One relation as the open transaction sees it."""

    oid: int
    schema: str
    name: str
    filenode: int
    scans: int
    """Sequential scans that the open transaction began."""
    tuples: int
    """Rows that those scans returned."""


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

    def end_transaction(self) -> None:
        """Scan counts start at 0 in the next transaction."""
        self._scans = {}

    def read(self, kind: str) -> tuple[tuple[Rewrite, ...], tuple[Validation, ...]]:
        """Existing relations rewritten, and tables scanned, since the reading before.

        TRUNCATE gives relations a new, empty file: that is no rewrite.
        """
        rows = self._cursor.execute(self._sql).fetchall()
        rewritten = () if kind == "TRUNCATE" else tuple(self._rewritten(rows))
        self._filenodes.update({row.oid: row.filenode for row in rows})
        scanned = tuple(self._scanned(rows))
        self._scans = {row.oid: (row.scans, row.tuples) for row in rows if row.scans}
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

    def _scanned(self, rows: list[InsideRow]) -> list[Validation]:
        found = []
        for row in rows:
            scans, tuples = self._scans.get(row.oid, (0, 0))
            if self._catalog.existed(row.oid) and row.scans > scans and row.tuples > tuples:
                found.append(
                    Validation(self._catalog.name(row.oid), row.tuples - tuples, float(row.scans - scans))
                )
        return found

    def _size_bytes(self, oid: int) -> int | None:
        row = self._conn.execute("SELECT pg_relation_size(%s::oid)", (oid,)).fetchone()
        return row[0] if row else None
