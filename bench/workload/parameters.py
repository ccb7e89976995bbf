"""From a class of requests to what goes over the wire: numbered placeholders, and values for them."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.sql.kinds import classify
from bench.workload.pgbench import evaluate
from bench.workload.spec import Generator, RequestClass

_PLACEHOLDER = re.compile(r"%\(([^)]*)\)s|%%")


def names_in(*texts: str) -> set[str]:
    """The parameters that texts use."""
    return {match[1] for text in texts for match in _PLACEHOLDER.finditer(text) if match[1] is not None}


def numbered(text: str) -> tuple[str, tuple[str, ...]]:
    """SQL with ``$1``, ``$2`` … for ``%(name)s``, and the names in that order; ``%%`` becomes ``%``."""
    order: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%"
        return f"${order.setdefault(match[1], len(order) + 1)}"

    return _PLACEHOLDER.sub(place, text), tuple(order)


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, with the names of its parameters in the order of their numbers."""

    sql: str
    names: tuple[str, ...]
    control: bool = False
    """Whether it begins or ends a transaction."""


@dataclass(frozen=True, slots=True)
class WireClass:
    """A class as a worker needs it: plain data that goes through a pipe as JSON."""

    name: str
    weight: float
    steps: tuple[Step, ...]
    setup: Step | None
    """Sets role and settings for the transaction; its parameters are templates of values."""
    rows: tuple[tuple[str | None, ...], ...] = ()
    """Sets of drawn values, in the order of ``columns``."""
    columns: tuple[str, ...] = ()
    generate: Mapping[str, Generator] = field(default_factory=dict)
    prepared: bool = False
    """Each session prepares its steps when it opens, and keeps them."""

    def as_json(self) -> dict[str, Any]:
        """Types of JSON alone."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> WireClass:
        """The class that :meth:`as_json` gave."""

        def step(document: Mapping[str, Any]) -> Step:
            return Step(document["sql"], tuple(document["names"]), document["control"])

        return cls(
            name=found["name"],
            weight=found["weight"],
            steps=tuple(step(item) for item in found["steps"]),
            setup=step(found["setup"]) if found["setup"] else None,
            rows=tuple(tuple(row) for row in found["rows"]),
            columns=tuple(found["columns"]),
            generate={
                name: Generator(**{**item, "values": tuple(item["values"])})
                for name, item in found["generate"].items()
            },
            prepared=found["prepared"],
        )


def to_wire(
    request: RequestClass, columns: Sequence[str], rows: Sequence[tuple[str | None, ...]]
) -> WireClass:
    """The class with the rows that were drawn for it."""
    steps = tuple(
        Step(*numbered(text), classify(text).transaction_control is not None) for text in request.statements
    )
    return WireClass(
        request.name, request.weight, steps, _setup(request), tuple(rows), tuple(columns), request.generate,
        request.prepared is True,
    )  # fmt: skip


def statement_name(cls: int, step: int) -> bytes:
    """Under which name a session keeps a step of a class as a prepared statement."""
    return f"pgrehearse_{cls}_{step}".encode()


def encoded(step: Step, values: Mapping[str, str | None]) -> list[bytes | None]:
    """The values of a step's parameters as they go over the wire."""
    return [None if (value := values[name]) is None else value.encode() for name in step.names]


def _setup(request: RequestClass) -> Step | None:
    """``set_config`` of role and settings: as ``SET LOCAL``, but with values as parameters.

    https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SET
    """
    chosen = {**request.settings, **({"role": request.role} if request.role else {})}
    if not chosen:
        return None
    calls = ", ".join(
        "set_config('{}', ${}, true)".format(name.replace("'", "''"), n)
        for n, name in enumerate(chosen, start=1)
    )
    return Step(f"SELECT {calls}", tuple(chosen.values()))


def drawing(request: WireClass, random_: random.Random) -> Callable[[], dict[str, str | None]]:
    """A function that gives the values for the next request."""

    def draw() -> dict[str, str | None]:
        values: dict[str, str | None] = {}
        if request.rows:
            values.update(zip(request.columns, random_.choice(request.rows), strict=True))
        for name, generator in request.generate.items():
            values[name] = _generated(generator, values, random_)
        return values

    return draw


def _generated(generator: Generator, values: Mapping[str, str | None], random_: random.Random) -> str:
    match generator.kind:
        case "integer":
            return str(random_.randint(generator.low, generator.high))
        case "choice":
            return random_.choice(generator.values)
        case "expression":
            return str(evaluate(generator.expression, values, random_))
        case _:
            return str(uuid.UUID(int=random_.getrandbits(128), version=4))


def filled(template: str, values: Mapping[str, str | None]) -> str:
    """A setting's value, with the parameters put in; nothing for NULL."""
    return _PLACEHOLDER.sub(lambda match: "%" if match[1] is None else values[match[1]] or "", template)
