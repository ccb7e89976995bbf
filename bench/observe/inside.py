"""What only the migration's own session can see: new files, scans, changed rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, class_row

from bench.model.statement import Rewrite, RowChanges, Validation
from bench.observe.relations import Relation, RelationCatalog
from bench.pg.catalog import load_query

_WRITE_ANEW = frozenset({"ALTER TABLE", "ALTER MATERIALIZED VIEW", "CLUSTER", "VACUUM", "REINDEX TABLE"})
"""Commands that give a table a new file to put its rows in; of others, a new file without a scan is empty."""


@dataclass(frozen=True, slots=True)
class InsideRow:
    """One relation as the migration's session sees it; the counts are running totals."""

    oid: int
    schema: str
    name: str
    filenode: int
    scans: int
    tuples: int
    """Rows that the scans returned."""
    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Inside:
    """What one statement did to relations from before the migration."""

    rewrites: tuple[Rewrite, ...] = ()
    validations: tuple[Validation, ...] = ()
    truncated: tuple[str, ...] = ()
    row_changes: tuple[RowChanges, ...] = ()
    moved: tuple[tuple[int, Relation], ...] = ()
    """New oids of indexes from before that were made again under their names."""


_NOTHING = InsideRow(0, "", "", 0, 0, 0, 0, 0, 0)


class InsideReader:
    """Compares the relations' files and counts with the reading before.

    Must not read before the first statement of a transaction, since SET TRANSACTION has to come before
    any query, nor after an error.
    """

    def __init__(self, conn: psycopg.Connection[TupleRow], catalog: RelationCatalog) -> None:
        self._conn = conn
        self._cursor = conn.cursor(row_factory=class_row(InsideRow))
        self._catalog = catalog
        self._files = {
            relation.oid: (relation, relation.filenode)
            for relation in catalog.existing()
            if relation.filenode
        }
        """Oid now → the relation as it was before the migration, and its file as of the last reading."""
        self._undo: list[tuple[int, tuple[Relation, int] | None]] = []
        """What the entries were that the open transaction has changed."""
        self._counts: dict[int, InsideRow] = {}
        self._moved: list[tuple[int, Relation]] = []

    def flush(self) -> None:
        """Outside a transaction: hand the counts over, so that the next transaction starts at 0.

        Before 15 a backend hands them over when it likes; counts of a transaction may then be taken for
        those of the one before.
        """
        self._counts = {}
        self._undo.clear()
        if self._conn.info.server_version >= 150000:
            self._conn.execute("SELECT pg_stat_force_next_flush()")

    def roll_back(self) -> None:
        """The transaction was rolled back: every relation has the file again that it had before it."""
        for oid, known in reversed(self._undo.copy()):
            self._remember(oid, known)
        self._undo.clear()

    def go_back(self, locked: Iterable[int]) -> None:
        """The transaction went back to a savepoint, which gives some relations the file of before again."""
        touched = {oid for oid, _ in self._undo}
        self.roll_back()
        self.read("ROLLBACK TO", touched.union(locked))

    def mark(self) -> None:
        """Outside a transaction: the state before a statement that makes transactions of its own."""
        self.flush()
        self._counts = {row.oid: row for row in self._fetch("inside_flushed")}

    def read(self, kind: str, locked: Iterable[int]) -> Inside:
        """What happened since the reading before, in the open transaction, to the relations ``locked`` by it.

        A relation that the transaction has not locked is one that it has neither written nor scanned.
        """
        return self._compare(kind, self._fetch("inside_transaction", oids=sorted(locked)), set(locked))

    def count_locked(self, inside: Inside) -> Inside:
        """The same with how many rows from before the open transaction it keeps locked, each counted once.

        For a statement that may have changed the same row twice; reads the tables that it changed.
        """
        oids = {relation.full_name: relation.oid for relation in self._catalog.existing()}
        counted = tuple(
            replace(change, locked=self._locked_rows(oids[change.relation], change))
            if change.updated + change.deleted > 1
            else change
            for change in inside.row_changes
        )
        if counted != inside.row_changes:
            again = self._fetch(
                "inside_transaction", oids=sorted(oids[changes.relation] for changes in counted)
            )
            self._counts |= {row.oid: row for row in again}  # without what this has read itself
        return replace(inside, row_changes=counted)

    def _locked_rows(self, oid: int, change: RowChanges) -> int | None:
        """Rows that the transaction has written and that are there now, those that it has deleted, less those
        that it has inserted: None where row-level security, a timeout or a subtransaction that was rolled
        back makes this uncertain."""
        known = self._counts.get(oid)
        row = self._conn.execute(
            "SELECT n.nspname, c.relname, row_security_active(c.oid) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s",
            (oid,),
        ).fetchone()
        if known is None or row is None or row[2]:
            return None
        written = sql.SQL("SELECT count(*) FROM ONLY {} WHERE age(xmin) <= 0").format(
            sql.Identifier(row[0], row[1])
        )
        self._conn.execute("SAVEPOINT pgrehearse_rows")
        try:
            here: int = (self._conn.execute(written).fetchone() or (0,))[0]
        except psycopg.Error:
            return None
        finally:  # with the locks that the query took
            self._conn.execute("ROLLBACK TO SAVEPOINT pgrehearse_rows")
            self._conn.execute("RELEASE SAVEPOINT pgrehearse_rows")
        locked = here + known.deleted - known.inserted
        in_all = known.updated + known.deleted
        return min(locked, change.updated + change.deleted) if 0 <= locked <= in_all else None

    def read_marked(self, kind: str) -> Inside:
        """Outside a transaction: what happened since :meth:`mark`."""
        if self._conn.info.server_version >= 150000:
            self._conn.execute("SELECT pg_stat_force_next_flush()")
        return self._compare(kind, self._fetch("inside_flushed"), None)

    def _fetch(self, name: str, **parameters: object) -> list[InsideRow]:
        query = load_query(name, self._conn.info.server_version)
        return self._cursor.execute(query, parameters or None).fetchall()

    def _compare(self, kind: str, rows: list[InsideRow], locked: set[int] | None) -> Inside:
        changes = {row.oid: self._since_last(row) for row in rows}
        written = self._new_files(rows, self._files.keys() if locked is None else locked)
        emptied = [
            relation
            for relation, row in written
            if relation.relkind in ("r", "m") and self._is_emptied(kind, changes[row.oid], row.oid)
        ]
        empty = {relation.oid for relation in emptied}
        self._counts |= {row.oid: row for row in rows}
        return Inside(
            rewrites=tuple(
                self._rewrite(relation, row.oid)
                for relation, row in written
                if relation.oid not in empty and self._owner(relation) not in empty
            ),
            validations=tuple(self._scans(changes, empty)),
            truncated=tuple(relation.full_name for relation in emptied if relation.relkind == "r"),
            row_changes=tuple(self._row_changes(changes)),
            moved=tuple(self._moved),
        )

    def _since_last(self, row: InsideRow) -> InsideRow:
        last = self._counts.get(row.oid, _NOTHING)
        return InsideRow(
            row.oid,
            row.schema,
            row.name,
            row.filenode,
            row.scans - last.scans,
            row.tuples - last.tuples,
            row.inserted - last.inserted,
            row.updated - last.updated,
            row.deleted - last.deleted,
        )

    def _new_files(self, rows: list[InsideRow], locked: Set[int]) -> list[tuple[Relation, InsideRow]]:
        """Existing relations with another file than before: by oid; and an index that was dropped and built
        again in one statement, which has a new oid under its old name, by name."""
        self._moved = []
        present = {row.oid: row for row in rows}
        by_name = {(row.schema, row.name): row for row in rows}
        found = []
        for oid in sorted(locked & self._files.keys()):
            relation, filenode = self._files[oid]
            row = present.get(oid)
            if row is None:  # dropped: a later relation of its name is another one
                row = by_name.get((relation.schema, relation.name)) if relation.relkind == "i" else None
                self._remember(oid, None)
            if row is None:
                continue
            if row.oid != oid:
                self._moved.append((row.oid, relation))
            if row.filenode != filenode:
                found.append((relation, row))
            if (row.oid, row.filenode) != (oid, filenode):
                self._remember(row.oid, (relation, row.filenode))
        return found

    def _remember(self, oid: int, known: tuple[Relation, int] | None) -> None:
        self._undo.append((oid, self._files.pop(oid, None)))
        if known is not None:
            self._files[oid] = known

    def _is_emptied(self, kind: str, change: InsideRow, oid: int) -> bool:
        """Whether a new file came from TRUNCATE or WITH NO DATA: what writes anew reads rows first."""
        if kind == "TRUNCATE":
            return True
        return kind not in _WRITE_ANEW and (change.tuples == 0 or not self._size_bytes(oid))

    def _owner(self, relation: Relation) -> int:
        """The table that an index, a TOAST table or its index belongs to in the end; 0 for a table."""
        owner = self._catalog.find(relation.table_oid) if relation.table_oid else None
        return 0 if owner is None else self._owner(owner) or owner.oid

    def _rewrite(self, relation: Relation, oid: int) -> Rewrite:
        table = self._catalog.table_of(relation.oid)
        return Rewrite(relation.full_name, relation.target, table, self._size_bytes(oid))

    def _scans(self, changes: Mapping[int, InsideRow], empty: Set[int]) -> Iterable[Validation]:
        """Tables and materialized views alone: an index has scans of another kind.

        The indexes of a relation that is emptied are built anew on nothing.
        """
        for oid, change in changes.items():
            relation = self._catalog.before(oid)
            if relation is None or oid in empty:
                continue
            if relation.relkind in ("r", "m") and change.scans > 0:
                yield Validation(relation.full_name, change.tuples, float(change.scans))

    def _row_changes(self, changes: Mapping[int, InsideRow]) -> Iterable[RowChanges]:
        for oid, change in changes.items():
            relation = self._catalog.before(oid)
            counts = (change.inserted, change.updated, change.deleted)
            # TRUNCATE takes back what was counted before it.
            if relation is not None and relation.relkind == "r" and any(count > 0 for count in counts):
                inserted, updated, deleted = (max(0, count) for count in counts)
                yield RowChanges(relation.full_name, inserted, updated, deleted)

    def _size_bytes(self, oid: int) -> int | None:
        row = self._conn.execute("SELECT pg_relation_size(%s::oid)", (oid,)).fetchone()
        return row[0] if row else None
