"""Dangers found, and the verdict over a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]
VerdictStatus = Literal["ready", "conditional", "incomplete", "not_ready"]
"""``incomplete``: nothing that was measured is in the way, but something that was asked for is missing."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the suite's files something stands."""

    file: str
    """Path below the suite's directory."""
    line: int | None = None
    """From 1; None where it is about the whole file."""

    def __str__(self) -> str:
        """``file:line``, or the file."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One danger, with the numbers behind it and the way out."""

    code: str
    severity: Severity
    migration: str | None
    statement: int | None
    relation: str | None
    message: str
    """What was measured, without the place."""
    evidence: dict[str, Any] = field(default_factory=dict)
    fix: str | None = None
    """The way out in a sentence."""
    accepted: str | None = None
    """Why the authors accept it, where they said so; it then counts for no verdict."""
    sql: str | None = None
    """The statements to run instead, with the names of this place; comments say where a transaction ends."""
    place: Place | None = None
    """Of its statement, or the file of its migration; None where it is about none."""

    @property
    def sentence(self) -> str:
        """``file:line: message``; the message alone where it is about no line."""
        return (
            self.message if self.place is None or self.place.line is None else f"{self.place}: {self.message}"
        )


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A finding that the authors accept, as a comment of a migration or ``suite.toml`` says it."""

    code: str
    because: str
    place: str
    """``file:line`` of the words."""
    migration: str | None = None
    """Its id or file; None: in every migration."""
    line: int | None = None
    """The line where the statement meant begins; None: every statement."""
    relation: str | None = None
    """With or without its schema; None: every relation."""
    problem: str | None = None
    """What is wrong with the words; they then accept nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "can we deploy this?"."""

    status: VerdictStatus
    sentence: str
    conditions: tuple[str, ...] = ()
