"""A forecast: what a deploy will take at a size that was not rehearsed. Field names are the run file's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SubjectKind = Literal["all", "migration", "statement", "lock", "query"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a figure is about."""

    kind: SubjectKind
    migration: str = ""
    statement: int | None = None
    """Its index in the migration."""
    relation: str = ""
    """Of a lock."""
    query: str = ""

    @property
    def key(self) -> str:
        """As the run file has it: ``all``, ``migration:<id>``, ``statement:<migration>#<index>``,
        ``lock:<migration>:<relation>``, ``query:<name>``."""
        if self.kind == "statement":
            return f"statement:{self.migration}#{self.statement}"
        if self.kind == "lock":
            return f"lock:{self.migration}:{self.relation}"
        if self.kind == "migration":
            return f"migration:{self.migration}"
        return f"query:{self.query}" if self.kind == "query" else "all"

    @classmethod
    def read(cls, key: str) -> Subject:
        """The subject of a key of the run file."""
        kind, _, name = key.partition(":")
        if kind == "statement":
            migration, _, index = name.rpartition("#")
            return cls("statement", migration, int(index))
        if kind == "lock":
            migration, _, relation = name.rpartition(":")
            return cls("lock", migration, relation=relation)
        if kind == "migration":
            return cls("migration", name)
        return cls("query", query=name) if kind == "query" else WHOLE


WHOLE = Subject("all")
"""The deploy."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no figure, and the cheapest thing that would give one."""

    reason: str
    cure: str
    at_most: float | None = None
    """What it would come to if it grew as its worst class does."""
    short: bool = False
    """It took too little at every size for anybody to miss the figure."""
    blamed: str | None = None
    """Of a sum, the key of the part that leaves it open."""
    between: tuple[float, float] | None = None
    """The interval that leaves too much open."""


@dataclass(frozen=True, slots=True)
class ForecastFigure:
    """A quantity of one thing at the target, in the unit that the quantity's name says."""

    subject: str
    quantity: str
    at: dict[str, int]
    """Rows of tables."""
    value: float | None
    low: float | None
    """``low`` and ``high``: the interval that should hold 90 of 100 targets."""
    high: float | None
    growth: str | None
    exponent: float | None
    refused: Refusal | None
    bounded: tuple[str, ...] = ()
    """Keys of small parts without a figure of their own, that count with their worst class."""

    @property
    def about(self) -> Subject:
        return Subject.read(self.subject)


@dataclass(frozen=True, slots=True)
class Capacity:
    """The figures of what is whole, at a multiple of the target."""

    factor: int
    at: dict[str, int]
    forecasts: tuple[ForecastFigure, ...]


@dataclass(frozen=True, slots=True)
class Break:
    """From which size on a budget is broken; None: it is not, up to ``known_to_scale``."""

    key: str
    relation: str | None
    limit: float
    place: str
    scale: float | None
    at: dict[str, int] | None
    earliest_scale: float | None
    latest_scale: float | None
    known_to_scale: float | None


@dataclass(frozen=True, slots=True)
class MeasuredRegime:
    """How the server did it."""

    dominating: tuple[str, ...]
    present: tuple[str, ...]
    spilled: bool | None
    rewrites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeasuredMemory:
    """What was used of one kind of memory, and what there was."""

    used_bytes: float
    limit_bytes: float


@dataclass(frozen=True, slots=True)
class MeasuredPoint:
    """The repeats at one size."""

    scale: float
    values: tuple[float, ...]
    counters: dict[str, float]
    regime: MeasuredRegime
    memory: dict[str, MeasuredMemory]


@dataclass(frozen=True, slots=True)
class MeasuredSeries:
    """What a figure rests on."""

    subject: str
    quantity: str
    points: tuple[MeasuredPoint, ...]

    @property
    def about(self) -> Subject:
        return Subject.read(self.subject)


@dataclass(frozen=True, slots=True)
class Machine:
    """Whose times the figures are: those of production where its calibration is known."""

    calibration_s: float | None = None
    calibration_here_s: float | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class ForecastDocument:
    """All of a forecast."""

    at: dict[str, int]
    scale: float
    scales: tuple[float, ...]
    forecasts: tuple[ForecastFigure, ...]
    machine: Machine = field(default_factory=Machine)
    capacity: tuple[Capacity, ...] = ()
    budgets: tuple[Break, ...] = ()
    measured: tuple[MeasuredSeries, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    """Where a statement or a migration stands, and how it begins, by its key."""
