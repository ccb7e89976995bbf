"""What an index costs writers: the same rows into a copy of its table, with it and without it, in turn.

The copy has no triggers, foreign keys or policies, and a fillfactor of 60, so that updates find room on their
page and can be HOT where no index has a changed column. Each execution is rolled back; pages were touched
before, so that WAL holds no full-page images.
https://www.postgresql.org/docs/current/storage-hot.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.analyse.indexes import IndexFacts
from bench.model.index import WriteCost

SCHEMA = sql.Identifier("bench_trial")
COPY = sql.Identifier("bench_trial", "copy")
ROWS, FEWEST, REPEATS, BUILDS = 500, 100, 5, 3
"""Rows written at once; rows that a table needs to be tried; executions of each kind; builds."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What the trial found of one index."""

    build_s: tuple[float, ...]
    insert: WriteCost
    update: WriteCost | None
    """None where other values in its columns alone are refused, or it has none."""


@dataclass(slots=True)
class _Writes:
    """Executions with an index and without it."""

    with_s: list[float] = field(default_factory=list)
    without_s: list[float] = field(default_factory=list)
    with_wal: list[int] = field(default_factory=list)
    without_wal: list[int] = field(default_factory=list)
    rows: int = 0
    hot: dict[bool, int] = field(default_factory=dict)

    def cost(self, *, update: bool) -> WriteCost:
        return WriteCost(
            self.rows,
            tuple(self.with_s),
            tuple(self.without_s),
            tuple(self.with_wal),
            tuple(self.without_wal),
            self.hot.get(True) if update else None,
            self.hot.get(False) if update else None,
        )


def try_table(conn: psycopg.Connection[TupleRow], indexes: list[IndexFacts]) -> Mapping[int, Tried]:
    """Try all indexes of one table; index → figures, none where the table has too few rows."""
    with _copy(conn, indexes[0]) as rows:
        if rows < FEWEST:
            return {}
        builds = {index.oid: _build(conn, index) for index in indexes}
        conn.execute(sql.SQL("VACUUM (ANALYZE) {}").format(COPY))
        inserts = {index.oid: _Writes() for index in indexes}
        updates = {index.oid: _Writes() for index in indexes if index.columns}
        _execute(conn, _INSERT)  # touches the pages
        for repeat in range(REPEATS):
            turn = indexes[repeat % len(indexes) :] + indexes[: repeat % len(indexes)]
            for index in turn:
                for given in (True, False) if repeat % 2 else (False, True):
                    _note(inserts[index.oid], _execute(conn, _INSERT, None if given else index), given)
                    _try_update(conn, index, updates, given)
            conn.execute(sql.SQL("VACUUM {}").format(COPY))
        return {
            index.oid: Tried(
                builds[index.oid],
                inserts[index.oid].cost(update=False),
                updates[index.oid].cost(update=True) if index.oid in updates else None,
            )
            for index in indexes
        }


def _try_update(
    conn: psycopg.Connection[TupleRow], index: IndexFacts, updates: dict[int, _Writes], given: bool
) -> None:
    """Leave the index out where another one refuses what has new values in some of its columns."""
    if index.oid not in updates:
        return
    try:
        execution = _execute(conn, _update(index), None if given else index)
    except psycopg.errors.IntegrityError:
        del updates[index.oid]
    else:
        _note(updates[index.oid], execution, given)


@contextmanager
def _copy(conn: psycopg.Connection[TupleRow], index: IndexFacts) -> Iterator[int]:
    """A copy of the index's table without the rows that will be written; yields how many are in it."""
    table = sql.SQL(index.quoted_table)  # quoted by the server
    conn.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE; CREATE SCHEMA {}").format(SCHEMA, SCHEMA))
    try:
        row = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
        total = row[0] if row else 0
        share = min(40.0, 100.0 * ROWS / max(total, 1))
        for text in (
            "CREATE TABLE {copy} (LIKE {table} INCLUDING DEFAULTS INCLUDING STORAGE) WITH (fillfactor = 60)",
            "CREATE TABLE {schema}.chosen AS SELECT ctid AS place FROM {table} "
            "TABLESAMPLE BERNOULLI ({share}) REPEATABLE (1)",
            "CREATE TABLE {schema}.held AS SELECT t.* FROM {table} AS t JOIN {schema}.chosen AS c "
            "ON c.place = t.ctid",
            "INSERT INTO {copy} SELECT t.* FROM {table} AS t "
            "WHERE NOT EXISTS (SELECT FROM {schema}.chosen AS c WHERE c.place = t.ctid)",
            "CREATE TABLE {schema}.numbered AS SELECT ctid AS place, row_number() OVER () AS number "
            "FROM {copy} TABLESAMPLE BERNOULLI ({share}) REPEATABLE (2)",
            "CREATE TABLE {schema}.places AS SELECT ctid AS held, row_number() OVER () AS number "
            "FROM {schema}.held",
            "ANALYZE {copy}, {schema}.held, {schema}.numbered, {schema}.places",
        ):
            conn.execute(
                sql.SQL(text).format(copy=COPY, table=table, schema=SCHEMA, share=sql.Literal(share))
            )
        yield total
    finally:
        if not conn.closed:
            conn.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(SCHEMA))


def _build(conn: psycopg.Connection[TupleRow], index: IndexFacts) -> tuple[float, ...]:
    """Build the index on the copy, again and again; the last one stays."""
    text = index.definition.replace(f" ON {index.quoted_table} ", " ON bench_trial.copy ", 1)
    times = []
    for build in range(BUILDS):
        begin = time.perf_counter()
        conn.execute(text.encode(), prepare=False)
        times.append(time.perf_counter() - begin)
        if build < BUILDS - 1:
            conn.execute(sql.SQL("DROP INDEX {}.{}").format(SCHEMA, sql.Identifier(index.name)))
    return tuple(times)


_INSERT = sql.SQL("INSERT INTO {} SELECT * FROM {}.held").format(COPY, SCHEMA)


def _update(index: IndexFacts) -> sql.Composed:
    """Give rows the values that others have in the index's columns."""
    changes = sql.SQL(", ").join(
        sql.SQL("{} = h.{}").format(sql.Identifier(name), sql.Identifier(name)) for name in index.columns
    )
    return sql.SQL(
        "UPDATE {copy} AS c SET {changes} FROM {schema}.numbered AS n JOIN {schema}.places AS p "
        "ON p.number = n.number JOIN {schema}.held AS h ON h.ctid = p.held WHERE c.ctid = n.place"
    ).format(copy=COPY, changes=changes, schema=SCHEMA)


@dataclass(frozen=True, slots=True)
class _Execution:
    duration_s: float
    wal_bytes: int
    rows: int
    hot: int


def _execute(
    conn: psycopg.Connection[TupleRow], text: sql.Composable, without: IndexFacts | None = None
) -> _Execution:
    """Execute once, without an index if one is named, and roll back."""
    conn.execute("BEGIN")
    try:
        if without is not None:
            conn.execute(sql.SQL("DROP INDEX {}.{}").format(SCHEMA, sql.Identifier(without.name)))
        before = _counts(conn)
        row = conn.execute(
            sql.SQL("EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) {}").format(text), prepare=False
        ).fetchone()
        after = _counts(conn)
    finally:
        if not conn.closed:
            conn.execute("ROLLBACK")
    assert row is not None
    plan: dict[str, Any] = row[0][0]
    return _Execution(
        plan["Execution Time"] / 1000,
        plan["Plan"].get("WAL Bytes", 0),
        after[0] - before[0],
        after[1] - before[1],
    )


def _counts(conn: psycopg.Connection[TupleRow]) -> tuple[int, int]:
    """Rows that this transaction inserted or updated in the copy, and those updated in place."""
    row = conn.execute(
        "SELECT n_tup_ins + n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables "
        "WHERE relid = 'bench_trial.copy'::regclass"
    ).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def _note(writes: _Writes, execution: _Execution, given: bool) -> None:
    (writes.with_s if given else writes.without_s).append(execution.duration_s)
    (writes.with_wal if given else writes.without_wal).append(execution.wal_bytes)
    writes.rows, writes.hot[given] = execution.rows, execution.hot
