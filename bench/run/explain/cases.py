"""The further ways in which a query is executed: another role, a cold cache, prepared plans."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import TupleRow

from bench.model.plan import PlanMode, Query, QueryCase, QueryCost, State
from bench.observe.explain import MissingObjectError, Way, cold_cost, render
from bench.run.costs import Subject, cost_or_none, prepare
from bench.run.explain.cold import Chiller, Cold
from bench.workload.draw import draw_parameters
from bench.workload.parameters import WireClass, drawing, filled
from bench.workload.spec import RequestClass, TrafficMix

EXECUTIONS = 3
BUDGET_S = 1.0
"""For one way on one state."""


@dataclass(frozen=True, slots=True)
class OnState:
    """One state of the schema."""

    state: State
    conn: psycopg.Connection[TupleRow]


def warm_cases(side: OnState, subject: Subject, query: Query, asker: Asker | None) -> Iterator[QueryCase]:
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


def _case(side: OnState, role: str | None, mode: PlanMode, way: Way, main: QueryCost) -> Iterator[QueryCase]:
    cost = cost_or_none(side.conn, way, executions=EXECUTIONS, budget_s=BUDGET_S)
    if cost is not None:
        yield QueryCase(side.state, role, "warm", mode, _without_known_plan(cost, main))


def cold_case(state: State, chilled: Chiller, cold: Cold, subject: Subject, query: Query) -> QueryCase | None:
    """With a cold cache, otherwise as the main figures; None where those have none."""
    main = query.before if state == "before" else query.after
    if main is None or main.error is not None:
        return None
    try:
        cost = cold_cost(chilled, subject.way, executions=cold.executions, budget_s=BUDGET_S)
    except MissingObjectError:
        return None
    return QueryCase(state, subject.role, "cold", "literal", _without_known_plan(cost, main))


def _without_known_plan(cost: QueryCost, main: QueryCost) -> QueryCost:
    """A plan of the main figures' shape is in the run file once."""
    return replace(cost, plan=None) if cost.fingerprint == main.fingerprint else cost


@dataclass(frozen=True, slots=True)
class Asker:
    """A role of the application with the settings that come with one of its users."""

    role: str
    settings: Mapping[str, str]
    """The role among them."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What an application sends, each with one set of parameters drawn from the data."""

    subjects: tuple[Subject, ...] = ()
    asker: Asker | None = None
    """Who asks for views and functions; None where the application takes no role of its own."""
    wires: tuple[WireClass, ...] = ()
    """The same requests as the traffic sends them."""


def read_requests(conn: psycopg.Connection[TupleRow], mix: TrafficMix, seed: int) -> Requests:
    """Draw the parameters of every class on the state before the suite.

    UsageError for a class that nothing can be drawn for, or that does not work there.
    """
    wires = draw_parameters(conn, mix, seed)
    subjects: list[Subject] = []
    asker: Asker | None = None
    for request, wire in zip(mix.classes, wires, strict=True):
        values = drawing(wire, random.Random(seed))()
        settings = _settings(request, values)
        if asker is None and request.role is not None:
            asker = Asker(request.role, settings)
        statements = [
            text for text, step in zip(request.statements, wire.steps, strict=True) if not step.control
        ]
        subjects += _subjects(conn, request.name, statements, values, request.role, settings)
    return Requests(tuple(subjects), asker, wires)


def _settings(request: RequestClass, values: Mapping[str, str | None]) -> dict[str, str]:
    """Settings with the parameters put in, the role last, as the traffic sets them."""
    chosen = {name: filled(template, values) for name, template in request.settings.items()}
    return chosen | ({"role": request.role} if request.role is not None else {})


def _subjects(
    conn: psycopg.Connection[TupleRow],
    name: str,
    statements: Sequence[str],
    values: Mapping[str, str | None],
    role: str | None,
    settings: Mapping[str, str],
) -> Iterator[Subject]:
    for position, text in enumerate(statements, start=1):
        prepared, literals = prepare(conn, text, values)
        yield Subject(
            name if len(statements) == 1 else f"{name} #{position}",
            "workload",
            render(conn, text, values),
            prepared if literals else None,
            literals,
            role,
            settings,
        )


def with_names_of_their_own(subjects: Sequence[Subject], taken: Sequence[Subject]) -> Iterator[Subject]:
    """The subjects, renamed where another has the name already."""
    names = {subject.name for subject in taken}
    for subject in subjects:
        yield replace(subject, name=f"{subject.name} (request)") if subject.name in names else subject
