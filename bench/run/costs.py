"""Views, functions and workload queries, costed before the suite and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import TupleRow

from bench.migrate.config import QuerySpec
from bench.model.plan import Query, QueryCost
from bench.observe.explain import MissingObjectError, cost, parameters, render, view_query
from bench.pg.catalog import load_query
from bench.pg.server import Server
from bench.run.progress import Explaining, Progress


@dataclass(frozen=True, slots=True)
class _Subject:
    name: str
    kind: Literal["view", "function", "workload"]
    text: str


def cost_queries(
    server: Server, before: str, after: str, specs: Sequence[QuerySpec], progress: Progress
) -> tuple[Query, ...]:
    """Cost every view of either database and every query of the suite, on both.

    ``before`` and ``after`` are databases with the schema before and after the suite. A query that names
    something absent has None there. Parameters are drawn once, from ``before`` where that can be, so that
    both sides look at the same rows.
    """
    with (
        server.connect(before, application_name="pgrehearse explain") as old,
        server.connect(after, application_name="pgrehearse explain") as new,
    ):
        subjects = [*_views(old, new), *(_subject(spec, old, new) for spec in specs)]
        queries = []
        for position, subject in enumerate(subjects):
            progress(Explaining(subject.name, position, len(subjects)))
            queries.append(
                Query(
                    subject.name,
                    subject.kind,
                    before=_cost_or_none(old, subject),
                    after=_cost_or_none(new, subject),
                    text=subject.text,
                )
            )
    return tuple(queries)


def _views(*conns: psycopg.Connection[TupleRow]) -> list[_Subject]:
    names: dict[tuple[str, str], None] = {}
    for conn in conns:
        rows = conn.execute(load_query("user_views", conn.info.server_version).encode()).fetchall()
        names.update(dict.fromkeys((schema, name) for schema, name in rows))
    return [
        _Subject(f"{schema}.{name}", "view", view_query(conns[-1], schema, name))
        for schema, name in sorted(names)
    ]


def _subject(spec: QuerySpec, *conns: psycopg.Connection[TupleRow]) -> _Subject:
    values: dict[str, Any] = {}
    for name, source in spec.params.items():
        for conn in conns:
            try:
                values |= parameters(conn, {name: source})
            except MissingObjectError:
                continue
            break
    missing = spec.params.keys() - values.keys()
    text = spec.sql if missing else render(conns[0], spec.sql, values)
    return _Subject(spec.name, "function" if spec.kind == "function" else "workload", text)


def _cost_or_none(conn: psycopg.Connection[TupleRow], subject: _Subject) -> QueryCost | None:
    try:
        return cost(conn, subject.text)
    except MissingObjectError:
        return None
