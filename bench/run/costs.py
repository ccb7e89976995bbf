"""Views, functions and workload queries, costed before the suite and after it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import psycopg
from psycopg.rows import TupleRow, class_row

from bench.migrate.config import QuerySpec
from bench.model.plan import NestedPlan, Query, QueryCost, TableIndex, UserFunction
from bench.observe.explain import MissingObjectError, Way, cost, parameters, render, view_query
from bench.observe.nested import CannotLookInsideError, NestedReader
from bench.pg.catalog import load_query
from bench.pg.server import Server
from bench.run.progress import Explaining, Progress
from bench.workload.parameters import numbered


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to cost on both states of the schema."""

    name: str
    kind: Literal["view", "function", "workload"]
    text: str
    """With its values as literals."""
    prepared: str | None = None
    """With numbered parameters; None where it has none, or no value for one."""
    values: str = ""
    """Those of its parameters, as a list of literals."""
    role: str | None = None
    """Whose the main figures are; None: the owner's."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of its role, for its transaction alone."""
    refusal: str | None = None
    """Why it has no figures: a parameter's value could not be had."""

    @property
    def way(self) -> Way:
        """The way of its main figures."""
        return Way(self.text, self.settings)


def cost_queries(
    server: Server, before: str, after: str, specs: Sequence[QuerySpec], progress: Progress
) -> tuple[Query, ...]:
    """Cost every view of either database and every query of the suite, on both.

    ``before`` and ``after`` are databases with the schema before and after the suite. A query that names
    something absent has None there.
    """
    queries = []
    with (
        server.connect(before, application_name="pgrehearse explain", kind="application") as old,
        server.connect(after, application_name="pgrehearse explain", kind="application") as new,
    ):
        subjects = find_subjects(old, new, specs)
        for position, subject in enumerate(subjects):
            progress(Explaining(subject.name, position, len(subjects)))
            queries.append(main_figures(old, new, subject))
    return tuple(queries)


def find_subjects(
    old: psycopg.Connection[TupleRow], new: psycopg.Connection[TupleRow], specs: Sequence[QuerySpec]
) -> list[Subject]:
    """Views of either state and the suite's queries.

    Parameters are drawn once, from the state before where that can be, so that both sides look at the same
    rows.
    """
    return [*_views(old, new), *(_subject(spec, old, new) for spec in specs)]


def main_figures(
    old: psycopg.Connection[TupleRow], new: psycopg.Connection[TupleRow], subject: Subject
) -> Query:
    """The subject's costs before and after, warm."""
    if subject.refusal is not None:
        refused = QueryCost(None, None, None, None, None, None, error=subject.refusal)
        return Query(subject.name, subject.kind, refused, refused, subject.text, subject.role)
    before, after = cost_or_none(old, subject.way), cost_or_none(new, subject.way)
    return Query(subject.name, subject.kind, before, after, subject.text, subject.role)


def with_nested(server: Server, dbname: str, query: Query) -> Query:
    """The query with the plans of what its functions run after the suite, from one execution of their own."""
    if query.kind != "function" or query.after is None or query.after.error is not None:
        return query
    nested = _nested(server, dbname, query.text, query.after.execution_s)
    return replace(query, after=replace(query.after, nested=nested))


def _nested(server: Server, dbname: str, text: str, expected_s: float | None) -> tuple[NestedPlan, ...]:
    """Empty where this role cannot load auto_explain."""
    with server.connect(dbname, application_name="pgrehearse plans", kind="application") as conn:
        try:
            reader = NestedReader(conn)
        except CannotLookInsideError:
            return ()
        reader.begin(text, expected_s, counters=False)
        begin = time.perf_counter()
        conn.execute("BEGIN")
        try:
            conn.execute(text.encode(), prepare=False)
        except psycopg.Error:
            return ()
        finally:
            duration_s = time.perf_counter() - begin
            if not conn.closed:
                conn.execute("ROLLBACK")
        return tuple(plan for plan in reader.result(duration_s, ()).nested if plan.level > 0)


def user_functions(conn: psycopg.Connection[TupleRow]) -> tuple[UserFunction, ...]:
    """Functions that belong to no extension."""
    with conn.cursor(row_factory=class_row(UserFunction)) as cursor:
        return tuple(cursor.execute(load_query("user_functions", conn.info.server_version)).fetchall())


def table_indexes(conn: psycopg.Connection[TupleRow]) -> tuple[TableIndex, ...]:
    """The valid indexes of the database's tables."""
    rows = conn.execute(load_query("table_indexes", conn.info.server_version)).fetchall()
    return tuple(
        TableIndex(table, name, method, tuple(keys), tuple(classes), partial)
        for table, name, method, keys, classes, partial in rows
    )


def _views(*conns: psycopg.Connection[TupleRow]) -> list[Subject]:
    names: dict[tuple[str, str], None] = {}
    for conn in conns:
        rows = conn.execute(load_query("user_views", conn.info.server_version).encode()).fetchall()
        names.update(dict.fromkeys((schema, name) for schema, name in rows))
    return [
        Subject(f"{schema}.{name}", "view", view_query(conns[-1], schema, name))
        for schema, name in sorted(names)
    ]


def _subject(spec: QuerySpec, *conns: psycopg.Connection[TupleRow]) -> Subject:
    values: dict[str, Any] = {}
    kind: Literal["function", "workload"] = "function" if spec.kind == "function" else "workload"
    for name, source in spec.params.items():
        for conn in conns:
            try:
                values |= parameters(conn, {name: source})
            except MissingObjectError:
                continue
            except psycopg.Error as error:
                reason = error.diag.message_primary or "it is no query that yields a value"
                return Subject(spec.name, kind, spec.sql, refusal=f"params.{name}: {reason}")
            break
    if spec.params.keys() - values.keys():
        return Subject(spec.name, kind, spec.sql)
    prepared, literals = prepare(conns[0], spec.sql, values) if values else (None, "")
    return Subject(spec.name, kind, render(conns[0], spec.sql, values), prepared, literals)


def prepare(conn: psycopg.Connection[TupleRow], text: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """A query with numbered parameters, and their values as a list of literals."""
    prepared, names = numbered(text)
    literals = psycopg.ClientCursor(conn).mogrify(
        ", ".join(["%s"] * len(names)), [values[name] for name in names]
    )
    return prepared, literals


def cost_or_none(conn: psycopg.Connection[TupleRow], way: Way, **limits: Any) -> QueryCost | None:
    """As :func:`bench.observe.explain.cost`; None where the query names what this state does not have."""
    try:
        return cost(conn, way, **limits)
    except MissingObjectError:
        return None
