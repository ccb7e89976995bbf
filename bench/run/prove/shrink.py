"""The rows that a migration fails on, found by leaving out others on copies of the state before it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from bench.model.proof import OffendingRow
from bench.model.statement import Statement
from bench.pg.contents import ContentTable, plain_texts, read_tables
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.prove.play import Played, play

VALUES_SHOWN = 300
VALUE_SHOWN = 60
ROWS_SHOWN = 5
_REFERENCES = """
SELECT f.confrelid::regclass::text, f.conrelid::regclass::text, p.attname::text, c.attname::text
  FROM pg_constraint f
  JOIN pg_attribute p ON p.attrelid = f.confrelid AND p.attnum = f.confkey[1]
  JOIN pg_attribute c ON c.attrelid = f.conrelid AND c.attnum = f.conkey[1]
 WHERE f.contype = 'f' AND f.conparentid = 0 AND cardinality(f.conkey) = 1
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of one column."""

    parent: str
    child: str
    parent_column: str
    child_column: str


@dataclass(slots=True)
class Shrinking:
    """One failure, and the rows that it can do without."""

    server: Server
    dbname: str
    """The state before the migration, in a copy of its own: what is not needed is deleted from it."""
    forward: Sequence[Statement]
    failure: Played
    until: float
    """On the clock of :func:`time.monotonic`."""
    trials: int = 0
    finished: bool = True
    tables: dict[str, ContentTable] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)

    def run(self) -> tuple[OffendingRow, ...]:
        """Leave out rows table by table, those that refer to others first."""
        with self.server.connect(self.dbname, application_name="pgrehearse shrink") as conn:
            conn.execute("SET search_path = ''")
            self.references = [Reference(*row) for row in conn.execute(_REFERENCES).fetchall()]
            self.tables = {name: table for name, table in read_tables(conn).items() if table.key}
        offending: list[OffendingRow] = []
        for name in self._children_first():
            left = self._shrink(self.tables[name])
            if not self.finished:  # what is left of this table is what nobody has looked at
                break
            offending += left
        return tuple(offending[:ROWS_SHOWN])

    def _children_first(self) -> list[str]:
        order: list[str] = []
        left = set(self.tables)
        while left:
            free = {
                name
                for name in left
                if not any(r.parent == name and r.child in left and r.child != name for r in self.references)
            } or {min(left)}
            order += sorted(free)
            left -= free
        return order

    def _go_on(self) -> bool:
        if time.monotonic() < self.until:
            return True
        self.finished = False
        return False

    def _shrink(self, table: ContentTable) -> list[OffendingRow]:
        """Leave out the rows of one table to which no other table refers any more."""
        with self.server.connect(self.dbname, application_name="pgrehearse shrink") as conn:
            keys = self._free_keys(conn, table)
        if not keys:
            return []

        def fails(kept: Sequence[str]) -> bool:
            self.trials += 1
            with temporary_database(self.server, "shrink", self.dbname) as dbname:
                with self.server.connect(dbname, application_name="pgrehearse shrink") as conn:
                    if not self._delete(conn, table, keys, kept):
                        return False
                return self._same(play(self.server, dbname, self.forward))

        kept = smallest(keys, fails, self._go_on)
        with self.server.connect(self.dbname, application_name="pgrehearse shrink") as conn:
            if len(kept) < len(keys):
                self._delete(conn, table, keys, kept)
            return self._rows(conn, table, kept[:ROWS_SHOWN])

    def _same(self, played: Played) -> bool:
        known, found = self.failure, played
        return (
            found.error is not None
            and known.error is not None
            and found.error.sqlstate == known.error.sqlstate
            and found.done == known.done
        )

    def _free_keys(self, conn: psycopg.Connection[Any], table: ContentTable) -> list[str]:
        used = [
            sql.SQL("NOT EXISTS (SELECT FROM {} AS c WHERE c.{} = t.{})").format(
                sql.SQL(reference.child),
                sql.Identifier(reference.child_column),
                sql.Identifier(reference.parent_column),
            )
            for reference in self.references
            if reference.parent == table.name and reference.child != table.name
        ]
        query = sql.SQL("SELECT {0}::text FROM {1} AS t WHERE {2} ORDER BY {0}").format(
            _key(table), table.source, sql.SQL(" AND ").join([sql.SQL("true"), *used])
        )
        with plain_texts(conn):
            return [key for (key,) in conn.execute(query).fetchall()]

    def _delete(
        self, conn: psycopg.Connection[Any], table: ContentTable, keys: Sequence[str], kept: Sequence[str]
    ) -> bool:
        gone = sorted(set(keys) - set(kept))
        query = sql.SQL("DELETE FROM {} AS t WHERE {}::text = ANY({})").format(
            table.source, _key(table), sql.Literal(gone)
        )
        try:
            conn.execute(query)
        except psycopg.Error:  # something else needs one of them
            return False
        return True

    def _rows(
        self, conn: psycopg.Connection[Any], table: ContentTable, keys: Sequence[str]
    ) -> list[OffendingRow]:
        query = sql.SQL("SELECT {0}::text, to_json(t) FROM {1} AS t WHERE {0}::text = ANY({2})").format(
            _key(table), table.source, sql.Literal(list(keys))
        )
        error = self.failure.error
        told = f"{error.message} {error.detail or ''}" if error else ""
        with plain_texts(conn):
            rows = conn.execute(query).fetchall()
        return [OffendingRow(table.name, key, shown_values(values, table.key, told)) for key, values in rows]


def shown_values(row: Mapping[str, Any], key: Sequence[str], told: str) -> str:
    """A row as JSON of at most VALUES_SHOWN characters, each value of at most VALUE_SHOWN.

    The key comes first, then the columns that the server's words name, then the others as they stand.
    """
    words = set(re.findall(r"\w+", told))

    def place(column: str) -> int:
        return 0 if column in key else 1 if column in words else 2

    shown: dict[str, Any] = {}
    for column in sorted(row, key=place):
        value = row[column]
        if isinstance(value, str) and len(value) > VALUE_SHOWN:
            value = value[: VALUE_SHOWN - 1] + "…"
        text = json.dumps({**shown, column: value}, ensure_ascii=False, default=str)
        if len(text) > VALUES_SHOWN and place(column) == 2:
            break
        shown[column] = value
    return json.dumps(shown, ensure_ascii=False, default=str)


def _key(table: ContentTable) -> sql.Composed:
    return sql.SQL("ROW({})").format(
        sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(column)) for column in table.key)
    )


T = TypeVar("T")


def smallest(
    items: Sequence[T], fails: Callable[[Sequence[T]], bool], go_on: Callable[[], bool] = lambda: True
) -> list[T]:
    """A subset that fails and of which no single item can be left out; all ``items`` must fail.

    ``go_on``: asked before every trial; once it says no, the smallest subset found so far is returned.
    """
    left = list(items)
    if go_on() and fails([]):
        return []
    parts = 2
    while len(left) >= 2:
        for part in _parts(left, parts):
            rest = [item for item in left if item not in part]
            if not go_on():
                return left
            if len(rest) < len(left) and fails(part):
                left, parts = part, 2
                break
            if not go_on():
                return left
            if parts > 2 and fails(rest):
                left, parts = rest, max(parts - 1, 2)
                break
        else:
            if parts >= len(left):
                return left
            parts = min(parts * 2, len(left))
    return left


def _parts(items: Sequence[T], count: int) -> list[list[T]]:
    size, more = divmod(len(items), count)
    ends = [size * n + min(n, more) for n in range(count + 1)]
    return [list(items[begin:end]) for begin, end in pairwise(ends) if end > begin]
