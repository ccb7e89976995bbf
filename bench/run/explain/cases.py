"""The further ways in which a query is executed: another role, a cold cache, prepared plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import TupleRow

from bench.model.plan import PlanMode, Query, QueryCase, QueryCost, State
from bench.observe.explain import MissingObjectError, Way, cold_cost
from bench.run.costs import Subject, cost_or_none
from bench.run.explain.cold import Chiller, Cold
from bench.run.explain.requests import Asker

EXECUTIONS = 3
BUDGET_S = 1.0
"""For one way on one state."""


@dataclass(frozen=True, slots=True)
class Side:
    """One state of the schema."""

    state: State
    conn: psycopg.Connection[TupleRow]


def warm_cases(side: Side, subject: Subject, query: Query, asker: Asker | None) -> Iterator[QueryCase]:
    """As the other role, and prepared."""
    main = query.before if side.state == "before" else query.after
    if main is None or main.error is not None:
        return
    other = _other_role(subject, asker)
    if other is not None:
        role, way = other
        yield from _case(side, role, "literal", way, main)
    modes: tuple[PlanMode, ...] = ("custom", "generic")
    for mode in modes if subject.prepared is not None else ():
        way = Way(subject.text, subject.settings, mode, subject.prepared or "", subject.values)
        yield from _case(side, subject.role, mode, way, main)


def _other_role(subject: Subject, asker: Asker | None) -> tuple[str | None, Way] | None:
    """The owner where the main figures are a role's, the application's role where they are the owner's."""
    if subject.role is not None:
        return None, Way(subject.text)
    return (asker.role, Way(subject.text, asker.settings)) if asker is not None else None


def _case(side: Side, role: str | None, mode: PlanMode, way: Way, main: QueryCost) -> Iterator[QueryCase]:
    found = cost_or_none(side.conn, way, executions=EXECUTIONS, budget_s=BUDGET_S)
    if found is not None:
        yield QueryCase(side.state, role, "warm", mode, _without_known_plan(found, main))


def cold_case(state: State, chilled: Chiller, cold: Cold, subject: Subject, query: Query) -> QueryCase | None:
    """With a cold cache, otherwise as the main figures; None where those have none."""
    main = query.before if state == "before" else query.after
    if main is None or main.error is not None:
        return None
    try:
        found = cold_cost(chilled, subject.way, executions=cold.executions, budget_s=BUDGET_S)
    except MissingObjectError:
        return None
    return QueryCase(state, subject.role, "cold", "literal", _without_known_plan(found, main))


def _without_known_plan(found: QueryCost, main: QueryCost) -> QueryCost:
    """A plan of the main figures' shape is in the run file once."""
    return replace(found, plan=None) if found.fingerprint == main.fingerprint else found
