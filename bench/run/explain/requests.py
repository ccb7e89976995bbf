"""The application's requests as subjects to cost, as the role that sends them; and who else might ask."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import TupleRow

from bench.observe.explain import render
from bench.run.costs import Subject, prepare
from bench.workload.draw import draw_parameters
from bench.workload.parameters import WireClass, drawing, filled
from bench.workload.spec import RequestClass, TrafficMix


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
    names = {each.name for each in taken}
    for each in subjects:
        yield replace(each, name=f"{each.name} (request)") if each.name in names else each
