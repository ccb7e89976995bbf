"""What the application asks of the database: classes of requests, and where their parameters come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.model.load import Access

_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)


def access_of(statements: Sequence[str]) -> Access:
    """What requests with these statements do where nobody says; SELECT … FOR UPDATE waits as a write does."""
    return "write" if any(_WRITES.search(text) for text in statements) else "read"


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
    """Sent one after the other, with ``%(name)s`` for each parameter; almost always one. BEGIN and COMMIT are
    statements of their own."""
    tables: tuple[str, ...]
    access: Access
    weight: float = 1.0
    role: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Setting → value, in which ``%(name)s`` stands for a parameter; local to the request, as is the role."""
    draw: str | None = None
    """SQL whose rows are sets of parameters, one for each column; read once, before the traffic."""
    generate: Mapping[str, Generator] = field(default_factory=dict)
    prepared: bool | None = None
    """Whether each session prepares its statements once and keeps them; None: nobody says."""
    rows: int | None = None
    """Rows that each request returns or changes; None: any number."""
    min_rows: int | None = None
    """The fewest of them."""

    @property
    def expected(self) -> str | None:
        """How many rows a request has, in words; None where its author does not say."""
        if self.rows is not None:
            return f"{self.rows} row" if self.rows == 1 else f"{self.rows} rows"
        return None if self.min_rows is None else f"at least {self.min_rows}"

    def expects(self, rows: int) -> bool:
        """Whether its author expects so many rows."""
        if self.rows is not None:
            return rows == self.rows
        return self.min_rows is None or rows >= self.min_rows


@dataclass(frozen=True, slots=True)
class TrafficMix:
    """All classes of an application."""

    classes: tuple[RequestClass, ...]
    source: str
    """``workload.toml``, ``catalog`` or ``pgbench``."""
    path: str | None = None
    notes: tuple[str, ...] = ()
