"""What a deploy met besides its own statements: a hazard that stood in its way, and tries that timed out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

HazardName = Literal["long-reader", "backup", "idle-in-transaction", "autovacuum", "bulk-write", "replica"]
HAZARDS: tuple[HazardName, ...] = (
    "long-reader",
    "backup",
    "idle-in-transaction",
    "autovacuum",
    "bulk-write",
    "replica",
)
"""Every hazard, in the order in which ``all`` takes them."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


def pause_s(
    number: int, chance: float, first_s: float = FIRST_PAUSE_S, longest_s: float = LONGEST_PAUSE_S
) -> float:
    """The pause after the ``number``-th try, from 1: doubled each time up to the longest, and cut by up to a
    half by ``chance`` (0 to 1), so that several who wait do not come back together."""
    return min(longest_s, first_s * float(2 ** min(number - 1, 30))) * (1 - 0.5 * chance)


TryOutcome = Literal["applied", "lock_timeout", "failed", "rolled_back"]
"""``rolled_back``: the file came to its end, and a later one of the same transaction took it back."""


@dataclass(frozen=True, slots=True)
class HazardRecord:
    """A hazard that was there when the first migration started."""

    name: HazardName
    what: str
    """What stood in the way, in a sentence."""
    length_s: float | None
    """For how long it was to last from there; None: as long as it took."""
    lasted_s: float
    """From the moment it was seen to be there to its end."""
    ready_s: float
    """What it took until it was seen to be there."""
    ended_itself: bool
    """False: it was still there when the migrations had ended, and was ended for that."""
    evidence: dict[str, Any] = field(default_factory=dict)
    """What was seen before the first migration started, and what became of it."""
    error: str | None = None
    """What the server said, where the hazard itself failed on account of the migrations."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a migration, from where it began or went on to its end or its next lock timeout."""

    migration: str
    number: int
    """From 1, in each migration."""
    first_statement: int
    """Index of the statement where this try began: the BEGIN of the transaction that was rolled back, or the
    statement itself where it had none."""
    statement: int | None
    """Index of the statement that waited too long or failed; None where the try came to the end."""
    outcome: TryOutcome
    began_s: float
    """Seconds after the first try of the migration began."""
    duration_s: float
    blocked_s: float | None
    """How long the statement that timed out had run, nearly all of it behind others' locks, with the requests
    that queued behind it; None where the try came to the end."""
    pause_s: float | None = None
    """Back-off until the next try; None where none followed."""
    gave_up: str | None = None
    """Why no other try followed a lock timeout."""
