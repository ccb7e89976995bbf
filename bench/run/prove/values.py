"""What the constraints that a suite brings accept and refuse: values at their bounds, tried on real rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from bench.errors import BenchError
from bench.model.proof import ValueTrial
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.progress import Progress, Said
from bench.run.prove.boundaries import candidates
from bench.run.prove.deletes import answered, foreign_trials
from bench.run.prove.states import State
from bench.run.prove.trial import TableCopy, ask, find_rows, here, listed, places, taken_back, usable_row
from datagen.anyschema.catalog import Check, Column, Schema, Unique, read_schema
from datagen.anyschema.checks import Limits, apply_check
from datagen.anyschema.load import fill

ROWS_FOR_EMPTY = 3


def try_values(server: Server, before: State, after: State, progress: Progress) -> tuple[ValueTrial, ...]:
    """Try every constraint and typed column that ``after`` has and ``before`` has not, on a copy.

    Tables without a row are given a few, made by what their schema demands.
    """
    brought = frozenset(name for name in after.schema if before.schema.get(name) != after.schema[name])
    if not any(name.startswith(("column ", "constraint ", "index ")) for name in brought):
        return ()
    with temporary_database(server, "values", after.dbname) as dbname:
        with server.connect(dbname, application_name="pgrehearse values", kind="application") as conn:
            empty = any(not table.filled for table in read_schema(conn).tables)
        if empty:
            try:
                fill(server.conninfo(dbname, "application"), default_rows=ROWS_FOR_EMPTY)
            except BenchError as error:
                progress(Said(f"tables without rows: their values are not tried: {error}"))
        with server.connect(dbname, application_name="pgrehearse values", kind="application") as conn:
            schema = read_schema(conn)
            trials = tuple(_Trying(conn, schema, brought, _quoted_names(conn, schema)).run())
    if not any(_is_refused_deletion(trial) for trial in trials):
        return trials
    known = _refused_before(server, before)
    return tuple(
        replace(trial, refused_before=(_parent(trial), trial.constraint) in known)
        if _is_refused_deletion(trial)
        else trial
        for trial in trials
    )


def _is_refused_deletion(trial: ValueTrial) -> bool:
    return trial.kind == "delete" and trial.accepted is False


def _parent(trial: ValueTrial) -> str:
    """What is deleted from, as the trial's words begin."""
    return trial.tried.partition(" that ")[0]


def _refused_before(server: Server, before: State) -> frozenset[tuple[str, str | None]]:
    """Deletions that the state before refused already, with the rule that they break."""
    with (
        temporary_database(server, "values_before", before.dbname) as dbname,
        server.connect(dbname, application_name="pgrehearse values", kind="application") as conn,
    ):
        schema = read_schema(conn)
        known = places(schema)
        trials = [
            trial
            for foreign in schema.foreign
            if foreign.table in known
            for trial in foreign_trials(conn, schema, known, foreign)
        ]
    return frozenset((_parent(trial), trial.constraint) for trial in trials if _is_refused_deletion(trial))


def _quoted_names(conn: psycopg.Connection[Any], schema: Schema) -> dict[str, str]:
    """Each name as the server quotes it."""
    names = {name for table in schema.tables for name in (table.schema, table.name)}
    names |= {column.name for column in schema.columns} | {check.name for check in schema.checks}
    names |= {unique.name for unique in schema.uniques} | {foreign.name for foreign in schema.foreign}
    return dict(conn.execute("SELECT n, quote_ident(n) FROM unnest(%s::text[]) n", [list(names)]).fetchall())


@dataclass(frozen=True, slots=True)
class _Trying:
    conn: psycopg.Connection[Any]
    schema: Schema
    brought: frozenset[str]
    """What the suite brought, as the schema's description names it."""
    quoted: Mapping[str, str]

    def run(self) -> Iterator[ValueTrial]:
        known = places(self.schema)
        for place in known.values():
            yield from self._columns(place)
            yield from self._checks(place)
            yield from self._uniques(place)
        for foreign in self.schema.foreign:
            if foreign.table in known and self._touches(known[foreign.table], foreign.name):
                yield from foreign_trials(self.conn, self.schema, known, foreign)

    def _new(self, kind: str, place: TableCopy, name: str) -> bool:
        relation = f"{self.quoted[place.table.schema]}.{self.quoted[place.table.name]}"
        return f"{kind} {relation}.{self.quoted[name]}" in self.brought

    def _touches(self, place: TableCopy, constraint: str) -> bool:
        """Whether the suite brought this constraint, or a rule of the table that its action may break."""
        own = [check.name for check in self.schema.checks if check.table == place.table.oid]
        return any(self._new("constraint", place, name) for name in (constraint, *own))

    def _checks_of(self, place: TableCopy) -> list[Check]:
        return [check for check in self.schema.checks if check.table == place.table.oid and check.kind == "c"]

    def _limits(self, place: TableCopy, column: Column) -> Limits:
        limits = Limits()
        for expression in column.checks:
            apply_check(expression, ["VALUE"], {"VALUE": limits})
        for check in self._checks_of(place):
            if check.columns == [column.number]:
                apply_check(check.expression, [column.name], {column.name: limits})
            elif column.number in check.columns:
                limits.opaque.append(check.expression)
        return limits

    def _columns(self, place: TableCopy) -> Iterator[ValueTrial]:
        row: str | None = None
        refers = {
            number
            for foreign in self.schema.foreign
            if foreign.table == place.table.oid
            for number in foreign.columns
        }
        for column in place.columns.values():
            rules = [c.name for c in self._checks_of(place) if c.columns == [column.number]]
            is_new = self._new("column", place, column.name)
            if not is_new and not any(self._new("constraint", place, name) for name in rules):
                continue
            if column.generated or column.identity or column.number in refers:
                continue
            row = (
                row
                or usable_row(self.conn, place)
                or next(iter(find_rows(self.conn, place, sql.SQL("true"), 1)), None)
            )
            yield from self._column(place, column, row, rules[0] if rules else column.name)

    def _column(self, place: TableCopy, column: Column, row: str | None, rule: str) -> Iterator[ValueTrial]:
        limits = self._limits(place, column)
        unique = any(u.columns == [column.number] for u in self._uniques_of(place))
        if column.has_default:
            trial = ValueTrial(
                place.table.label, column.name, "default", (column.name,), "DEFAULT", True, None
            )
            yield self._put(place, column, row, trial, sql.SQL("DEFAULT"))
        for candidate in candidates(column, limits, unique=unique):
            subject = rule if candidate.about == "check" else column.name
            shown = "NULL" if candidate.value is None else candidate.value
            trial = ValueTrial(
                place.table.label, subject, candidate.about, (column.name,), shown, candidate.expected, None
            )
            yield self._put(place, column, row, trial, sql.Literal(candidate.value))

    def _put(
        self, place: TableCopy, column: Column, row: str | None, trial: ValueTrial, value: sql.Composable
    ) -> ValueTrial:
        if row is None:
            return trial
        change = sql.SQL("UPDATE {0} SET {1} = {2} WHERE {3} RETURNING {1}::text").format(
            place.relation, sql.Identifier(column.name), value, here(row)
        )
        with taken_back(self.conn):
            answer = ask(self.conn, change)
        if answer.constraint in self._rules_of_others(place, column):
            return trial  # the row is refused for what else is in it
        return answered(trial, answer, answer.row[0] if answer.row else None)

    def _rules_of_others(self, place: TableCopy, column: Column) -> set[str]:
        return {check.name for check in self._checks_of(place) if column.number not in check.columns}

    def _checks(self, place: TableCopy) -> Iterator[ValueTrial]:
        """Of a check over several columns that may be NULL: none of them set, and one alone."""
        for check in self._checks_of(place):
            columns = [place.columns[number] for number in check.columns if number in place.columns]
            if len(columns) < 2 or any(column.required for column in columns):
                continue
            if not self._new("constraint", place, check.name):
                continue
            names = tuple(column.name for column in columns)
            for kept in (None, *names):
                tried = f"only {kept} set" if kept else "none of them set"
                trial = ValueTrial(place.table.label, check.name, "check", names, tried, None, None)
                yield self._alone(place, trial, kept)

    def _alone(self, place: TableCopy, trial: ValueTrial, kept: str | None) -> ValueTrial:
        has = sql.SQL("{} IS NOT NULL").format(sql.Identifier(kept)) if kept else sql.SQL("true")
        rows = find_rows(self.conn, place, has, 1)
        if not rows:
            return trial
        cleared = sql.SQL(", ").join(
            sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in trial.columns if name != kept
        )
        change = sql.SQL("UPDATE {} SET {} WHERE {}").format(place.relation, cleared, here(rows[0]))
        with taken_back(self.conn):
            return answered(trial, ask(self.conn, change))

    def _uniques_of(self, place: TableCopy) -> list[Unique]:
        return [unique for unique in self.schema.uniques if unique.table == place.table.oid]

    def _uniques(self, place: TableCopy) -> Iterator[ValueTrial]:
        """Give a row the values of another."""
        for unique in self._uniques_of(place):
            is_constraint = self._new("constraint", place, unique.name)
            index = f"index {self.quoted[place.table.schema]}.{self.quoted[unique.name]}"
            if unique.expression or not (is_constraint or index in self.brought):
                continue
            names = place.names(unique.columns)
            expected = False if is_constraint else None
            trial = ValueTrial(
                place.table.label, unique.name, "unique", names, "the values of another row", expected, None
            )
            full = sql.SQL(" AND ").join(
                sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for name in names
            )
            rows = find_rows(self.conn, place, full, 2)
            if len(rows) < 2 or any(place.columns[number].generated for number in unique.columns):
                yield trial
                continue
            change = sql.SQL("UPDATE {0} SET ({1}) = (SELECT {1} FROM {0} WHERE {2}) WHERE {3}").format(
                place.relation, listed(names), here(rows[0]), here(rows[1])
            )
            with taken_back(self.conn):
                yield answered(trial, ask(self.conn, change))
