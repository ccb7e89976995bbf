"""What a run tells its caller while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.model.statement import Statement, StatementRun


@dataclass(frozen=True, slots=True)
class Step:
    """A new part of the run began."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """Something worth knowing that is no step: what a sweep removed, what was left out."""

    text: str


@dataclass(frozen=True, slots=True)
class Loading:
    """Data are being loaded; units are rows while copying, statements or tables afterwards."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StatementBegan:
    """A statement was sent to the server."""

    migration: str
    repeat: int
    position: int
    count: int
    statement: Statement
    held: Callable[[], tuple[str, ...]]
    """What the statement's backend holds now, strongest lock first, as the sampler saw it last."""


@dataclass(frozen=True, slots=True)
class StatementEnded:
    """A statement ended, well or not."""

    migration: str
    repeat: int
    run: StatementRun


@dataclass(frozen=True, slots=True)
class Explaining:
    """A query is being costed."""

    name: str
    position: int
    count: int


Event = Step | Said | Loading | StatementBegan | StatementEnded | Explaining
Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Tell nobody."""
