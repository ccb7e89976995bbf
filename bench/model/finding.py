"""Dangers found, and the verdict over a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

FINDING_CODES = frozenset(
    {
        "access-opened",
        "advisory-lock",
        "blocks-reads",
        "blocks-writes",
        "broken-query",
        "cached-plan",
        "cascade",
        "columns-gone",
        "constraint-contradiction",
        "constraint-unenforced",
        "copy-misses-writes",
        "deadlock-order",
        "definer-search-path",
        "did-nothing",
        "error-swallowed",
        "estimate-wrong",
        "extension-missing",
        "fails-on-data",
        "fails-under-traffic",
        "false-success",
        "fan-out",
        "fewer-rows",
        "function-fails",
        "growth",
        "held-across",
        "index-built-under-lock",
        "invalid-index",
        "lock-queue",
        "lock-table-full",
        "more-rows",
        "name-cut",
        "no-lock-timeout",
        "non-transactional",
        "not-idempotent",
        "partial-failure",
        "plpgsql-syntax",
        "policy-cost",
        "refused",
        "rewrite",
        "rollback-incomplete",
        "row-locks",
        "row-security",
        "rows-gone",
        "scan-under-lock",
        "server-warning",
        "set-local-outside-transaction",
        "side-effect-on-failure",
        "slower-query",
        "suppression",
        "temporary-view",
        "timer-frozen",
        "transaction-claim",
        "trigger-off",
        "truncated",
        "unlogged",
    }
)
"""Every code that a finding can have."""

Severity = Literal["info", "warning", "error"]
VerdictStatus = Literal["ready", "conditional", "incomplete", "not_ready"]
"""``incomplete``: nothing that was measured is in the way, but something that was asked for is missing."""


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
    """The way out in a sentence."""
    accepted: str | None = None
    """Why the authors accept it, where they said so; it then counts for no verdict."""
    sql: str | None = None
    """The statements to run instead, with the names of this place; comments say where a transaction ends."""


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
