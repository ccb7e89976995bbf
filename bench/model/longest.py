"""The longest time for which reads or writes had to wait, of all that a run measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.model.load import Access

WaitSource = Literal["table lock", "locked rows", "traffic", "hazard"]
"""``table lock`` and ``locked rows``: held so long by the deploy alone, so that others would have waited;
``traffic`` and ``hazard``: requests that did, with nothing in the deploy's way and beside a hazard."""


@dataclass(frozen=True, slots=True)
class LongestWait:
    """For how long reads, or writes, wait at most, and where that was measured."""

    access: Access
    seconds: float
    source: WaitSource
    relation: str
    """What is waited for, or what the request is about, with its schema."""
    migration: str | None
    """Whose lock it is; None where a request's wait is not known to be for one."""
    statement: int | None
    place: str
    """``file:line``; of requests the name of their class."""
    mode: str | None = None
    """Of the table lock, as SQL names it."""
    rows: int | None = None
    """That are locked at once; None where they are changed in several transactions."""
    hazard: str | None = None
    lock_timeout_s: float | None = None
    """Of the pass beside a hazard, where it tried again."""
    away_s: float = 0.0
    """Seconds of it in which a recorded command was away, with its transaction open."""
