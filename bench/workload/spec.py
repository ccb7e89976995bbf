"""What the application asks of the database: classes of requests, and where their parameters come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.model.load import Access


@dataclass(frozen=True, slots=True)
class Generator:
    """Makes a parameter's value anew for each request."""

    kind: str
    """``integer``: from ``low`` to ``high``, both included; ``uuid``; ``choice`` among ``values``;
    ``expression``: pgbench's, over the parameters before it."""
    low: int = 0
    high: int = 0
    values: tuple[str, ...] = ()
    expression: str = ""


@dataclass(frozen=True, slots=True)
class RequestClass:
    """Requests that are alike but for their parameters."""

    name: str
    statements: tuple[str, ...]
    """Sent one after the other, with ``%(name)s`` for each parameter; almost always one."""
    tables: tuple[str, ...]
    access: Access
    weight: float = 1.0
    role: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Setting → value, in which ``%(name)s`` stands for a parameter; local to the request, as is the role."""
    draw: str | None = None
    """SQL whose rows are sets of parameters, one for each column; read once, before the traffic."""
    generate: Mapping[str, Generator] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrafficMix:
    """All classes of an application."""

    classes: tuple[RequestClass, ...]
    source: str
    """``workload.toml``, ``catalog`` or ``pgbench``."""
    path: str | None = None
    notes: tuple[str, ...] = ()
