"""Fill the empty tables of any schema, in one transaction: all of it is there afterwards, or nothing."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from datagen.anyschema.catalog import Schema, Table, read_schema
from datagen.anyschema.guess import Override
from datagen.anyschema.plan import FillPlan, TablePlan
from datagen.anyschema.planner import Wishes, make_fill_plan
from datagen.engine.parallel import Connection, connect
from datagen.engine.progress import Listener, Meter
from datagen.errors import UsageError, server_error

DEFAULT_ROWS = 1000
BLOCK = 2048
TRIAL = 100
"""Rows of each table that are tried before the load begins."""
EXISTING = 100_000
"""Rows of a table that holds some already, among which parents are drawn."""


_SETVAL = "SELECT setval({0}, greatest(max({1}), 1)) FROM {2} HAVING max({1}) IS NOT NULL"


@dataclass(frozen=True, slots=True)
class FillResult:
    """What was filled."""

    seed: int
    load_s: float
    tables: tuple[tuple[str, int, int], ...]
    """Schema-qualified name, rows, bytes on disk with indexes and TOAST."""
    notes: tuple[str, ...]
    """What could not be as asked, by column."""


def fill(
    conninfo: str,
    *,
    rows: dict[str, int] | None = None,
    like: Mapping[str, int] | None = None,
    default_rows: int = DEFAULT_ROWS,
    columns: dict[str, Override] | None = None,
    seed: int = 1,
    say: Callable[[str], None] = lambda text: None,
    progress: Listener | None = None,
) -> FillResult:
    """Fill every empty table of a database; ``say`` hears what cannot be as asked, before anything is loaded.

    ``like`` are rows by table elsewhere, to which ``rows`` are exceptions; what is not here does not count.

    Raises UsageError where a column cannot be given any value that its constraints allow, or a name is
    unknown; ServerError where the server refuses.
    """
    started = time.perf_counter()
    meter = Meter(progress)
    with connect(conninfo) as conn:
        schema = read_schema(conn)
        wishes = Wishes(_rows_here(schema, rows or {}, like or {}), default_rows, columns or {}, seed)
        _check_names(schema, wishes)
        plan = make_fill_plan(schema, wishes, _read_existing(conn, schema))
        for note in plan.notes:
            say(note)
        _refuse(plan.problems)
        try:
            with conn.transaction():
                _Loading(conn, schema, plan, meter).run()
            for table in _filled(plan):
                conn.execute(sql.SQL("VACUUM (FREEZE, ANALYZE) {}").format(_identifier(table)))
        except psycopg.Error as error:
            raise server_error(error, "filling the tables") from error
        sizes = _sizes(conn, plan)
    return FillResult(seed, time.perf_counter() - started, sizes, tuple(plan.notes))


def _rows_here(schema: Schema, rows: Mapping[str, int], like: Mapping[str, int]) -> dict[str, int]:
    tables = (table for table in schema.tables if table.label in like and table.name not in rows)
    return {table.label: like[table.label] for table in tables} | dict(rows)


def read_overrides(path: Path) -> tuple[dict[str, int], dict[str, Override]]:
    """Rows by table and what columns are to hold, from a TOML file; UsageError where it cannot be used."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = {str(name): int(count) for name, count in document.pop("rows", {}).items()}
        columns = {str(name): _override(given) for name, given in document.pop("columns", {}).items()}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path}: {error}",
            '[rows] "public.t" = 500, [columns."public.t.c"] values = ["a"], faker = "word", null = 0.2',
        ) from error
    if document:
        raise UsageError(f"{path}: unknown section {sorted(document)[0]}", "there are rows and columns")
    return rows, columns


def _override(given: dict[str, Any]) -> Override:
    unknown = set(given) - {"values", "faker", "null"}
    if unknown:
        raise ValueError(f"unknown key {sorted(unknown)[0]}")
    values = given.get("values")
    null = given.get("null")
    if values is not None and (not isinstance(values, list) or not values):
        raise ValueError("values must be a list with a value")
    if null is not None and not 0 <= float(null) <= 1:
        raise ValueError("null must be a share from 0 to 1")
    return Override(
        tuple(str(value) for value in values) if values is not None else None,
        given.get("faker"),
        None if null is None else float(null),
    )


def _check_names(schema: Schema, wishes: Wishes) -> None:
    labels = {table.oid: table.label for table in schema.tables}
    tables = {*labels.values(), *(table.name for table in schema.tables)}
    columns = {f"{labels[column.table]}.{column.name}" for column in schema.columns}
    for what, name, known in [("table", name, tables) for name in wishes.rows] + [
        ("column", name, columns) for name in wishes.columns
    ]:
        if name not in known:
            raise UsageError(f"there is no {what} {name} to fill", f"known: {', '.join(sorted(known)[:20])}")


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise UsageError(
            f"{len(problems)} constraints cannot be satisfied: " + " | ".join(problems[:10]),
            "give these columns values in a TOML file, or the table no rows",
        )


def _identifier(table: TablePlan) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)


def _filled(plan: FillPlan) -> list[TablePlan]:
    return [table for table in plan.tables.values() if table.existing is None and table.rows]


def _read_existing(conn: Connection, schema: Schema) -> dict[int, dict[int, list[str | None]]]:
    """The columns that others refer to, of tables that hold rows already."""
    found = {}
    for table in (table for table in schema.tables if table.filled):
        names = {c.number: c.name for c in schema.columns if c.table == table.oid}
        wanted = sorted({n for f in schema.foreign if f.parent == table.oid for n in f.parent_columns})
        found[table.oid] = _existing(conn, table, {number: names[number] for number in wanted})
    return found


def _existing(conn: Connection, table: Table, wanted: dict[int, str]) -> dict[int, list[str | None]]:
    if not wanted:
        return {}
    names = [sql.Identifier(name) for name in wanted.values()]
    query = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT {}").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(name) for name in names),
        sql.Identifier(table.schema, table.name),
        sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(name) for name in names),
        sql.SQL(", ").join(names),
        sql.Literal(EXISTING),
    )
    rows = conn.execute(query).fetchall()
    return {number: [row[position] for row in rows] for position, number in enumerate(wanted)}


@dataclass(slots=True)
class _Loading:
    """One load, inside its transaction."""

    conn: Connection
    schema: Schema
    plan: FillPlan
    meter: Meter

    def run(self) -> None:
        tables = _filled(self.plan)
        oids = {table.oid for table in tables}
        foreign = [foreign_key for foreign_key in self.schema.foreign if foreign_key.table in oids]
        for foreign_key in foreign:
            self._alter(
                foreign_key.table, sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(foreign_key.name))
            )
        self._triggers(oids, enable=False)
        for table in tables:
            self._try(table)
        self.meter.begin("copy", sum(table.rows for table in tables))
        for table in tables:
            self._copy(table, table.rows)
        self._advance_sequences(tables)
        for foreign_key in foreign:
            added = sql.SQL("ADD CONSTRAINT {} {}").format(
                sql.Identifier(foreign_key.name), sql.SQL(foreign_key.definition)
            )
            self._alter(foreign_key.table, added)
            if foreign_key.comment is not None:
                comment = sql.SQL("COMMENT ON CONSTRAINT {} ON {} IS {}")
                place = _identifier(self.plan.tables[foreign_key.table])
                self.conn.execute(
                    comment.format(sql.Identifier(foreign_key.name), place, sql.Literal(foreign_key.comment))
                )
        self._triggers(oids, enable=True)

    def _alter(self, table: int, action: sql.Composable) -> None:
        self.conn.execute(sql.SQL("ALTER TABLE {} {}").format(_identifier(self.plan.tables[table]), action))

    def _triggers(self, oids: set[int], *, enable: bool) -> None:
        words = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
        for trigger in self.schema.triggers:
            row = self.conn.execute("SELECT %s::oid::regclass::text", [trigger.table]).fetchone()
            assert row is not None
            action = words[trigger.enabled] if enable else "DISABLE"
            statement = f"ALTER TABLE {row[0]} {action} TRIGGER "  # regclass quotes what needs it
            self.conn.execute(sql.SQL(statement) + sql.Identifier(trigger.name))

    def _try(self, table: TablePlan) -> None:
        """Send the first rows and take them back, so that a refusal is told before the load."""
        rows = min(table.rows, TRIAL)
        try:
            with self.conn.transaction(force_rollback=True):
                self._send(table, rows)
        except psycopg.Error as error:
            what = error.diag.column_name or error.diag.constraint_name or ""
            context = (error.diag.context or "").split("\n")[0]
            _refuse([f"{table.label}.{what}: {error.diag.message_primary or error} ({context[:200]})"])

    def _copy(self, table: TablePlan, rows: int) -> None:
        try:
            self._send(table, rows)
        except psycopg.IntegrityError as error:
            _refuse([f"{table.label}: {error.diag.message_primary}; nothing was loaded"])

    def _send(self, table: TablePlan, rows: int) -> None:
        columns = {n: c for n, c in table.columns.items() if c.sent}
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns.values())
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(_identifier(table), names)
        if not columns:
            for _ in range(rows):
                self.conn.execute(sql.SQL("INSERT INTO {} DEFAULT VALUES").format(_identifier(table)))
            return
        with self.conn.cursor() as cursor, cursor.copy(copy) as sink:
            for row in self._rows(table, list(columns), rows):
                sink.write_row(row)

    def _rows(self, table: TablePlan, columns: list[int], rows: int) -> Iterator[tuple[str | None, ...]]:
        for first in range(0, rows, BLOCK):
            numbers = np.arange(first, min(first + BLOCK, rows), dtype=np.int64)
            yield from zip(*(self.plan.texts(table.oid, number, numbers) for number in columns), strict=True)
            self.meter.add(len(numbers))

    def _advance_sequences(self, tables: Sequence[TablePlan]) -> None:
        """Let the next value of a serial or identity column follow those that were loaded."""
        for table in tables:
            for column in (column for column in table.columns.values() if column.sent):
                name = sql.Literal(_identifier(table).as_string(self.conn))
                found = self.conn.execute(
                    sql.SQL("SELECT pg_get_serial_sequence({}, {})").format(name, sql.Literal(column.name))
                ).fetchone()
                if found is not None and found[0] is not None:
                    self.conn.execute(
                        sql.SQL(_SETVAL).format(
                            sql.Literal(found[0]), sql.Identifier(column.name), _identifier(table)
                        )
                    )


def _sizes(conn: Connection, plan: FillPlan) -> tuple[tuple[str, int, int], ...]:
    query = """SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint
               FROM (SELECT relid FROM pg_partition_tree(%(oid)s::oid) UNION SELECT %(oid)s::oid) AS parts"""
    sizes = []
    for table in plan.tables.values():
        row = conn.execute(query, {"oid": table.oid}).fetchone()
        count = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(_identifier(table))).fetchone()
        sizes.append((table.label, count[0] if count else 0, row[0] if row else 0))
    return tuple(sizes)
