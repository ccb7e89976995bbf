"""Dangers found, and the verdict over a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]
VerdictStatus = Literal["ready", "conditional", "not_ready"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One danger, with the numbers behind it and the way out."""

    code: str
    severity: Severity
    migration: str | None
    statement: int | None
    relation: str | None
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)
    fix: str | None = None
    accepted: str | None = None
    """Why the authors accept it, where they said so; it then counts for no verdict."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "can we deploy this?"."""

    status: VerdictStatus
    sentence: str
    conditions: tuple[str, ...] = ()
