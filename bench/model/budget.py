"""What a team allows its deploys, what counts where it says nothing, and what became of it."""

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


@dataclass(frozen=True, slots=True)
class Limits:
    """How long reads, writes or rows may be blocked, and how much may be used up."""

    noticeable_s: float = 0.1
    """A wait of less than this is not worth a reader's time, where only its length makes it a danger."""
    conditional_s: float = 1.0
    """Above this somebody has to agree: users notice a pause of a second."""
    not_ready_s: float = 10.0
    """Above this it is an outage: request timeouts and connection pools run out."""
    many_rows: int = 1000
    """Fewer locked rows than this meet few of an application's writers."""
    slower_factor: float = 3.0
    """A request that takes so many times as long after the deploy, on warm caches, is worth a condition."""
    slower_s: float = 0.001
    """And longer by so much at least: below that the way to the server and back is most of it."""
    far_slower_factor: float = 10.0
    far_slower_s: float = 0.01
    """From both on it is an outage where the requests are many."""
    lock_table_noted: float = 0.1
    lock_table_full: float = 0.5
    """Share of the shared lock table: what is left must do for every other session."""


DEFAULT_LIMITS = Limits()
