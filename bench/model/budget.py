"""What a team allows its deploys, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

ANY_HAZARD = "any"
"""As :attr:`Budget.hazard`: beside every hazard that has no budget of its own of that key."""
KEYS = ("longest_blocked_read_s", "longest_blocked_write_s", "blocked_s", "error_share", "deploy_s", "hold_s")


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a measure may come to."""

    key: str
    """One of :data:`KEYS`."""
    limit: float
    """Seconds, or a share from 0 to 1."""
    place: str
    """``file:line`` where it is stated."""
    hazard: str | None = None
    """None: with nothing in the way of the deploy."""
    relation: str | None = None
    """With ``hold_s``: the table, with its schema."""


@dataclass(frozen=True, slots=True)
class BudgetCheck:
    """A budget and what was measured for it in one kind of pass."""

    key: str
    limit: float
    place: str
    measured: float | None
    """None: the run has no such pass, or no figure for it."""
    broken: bool
    hazard: str | None = None
    """Beside which hazard it was measured, or would have to be; None: with nothing in the way."""
    relation: str | None = None
    lock_timeout_s: float | None = None
    """Of the pass that was measured, where it tried again."""
    subject: str | None = None
    """What came to most: a class of requests, or a place ``file:line``."""
