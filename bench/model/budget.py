"""What a team allows its deploys, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ANY_HAZARD = "any"
"""As :attr:`Budget.hazard`: beside every hazard that has no budget of its own of that key."""
KEYS: Mapping[str, str] = {
    "longest_blocked_read_s": "the longest wait of a request that reads for a lock of the deploy, in seconds",
    "longest_blocked_write_s": "the longest wait of a request that writes",
    "blocked_s": "how long requests of one kind wait in all",
    "error_share": "which share of the requests may fail, from 0 to 1",
    "deploy_s": "how long the deploy takes under traffic",
    "hold_s": "how long a lock that blocks writers of a table is held",
}
"""Each measure that can have a budget."""


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
