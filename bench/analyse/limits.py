"""From how many seconds, rows and shares on a measured size is worth a note, a condition or a refusal."""

from __future__ import annotations

from dataclasses import dataclass


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
