"""What a forecast answers first: how long the deploy takes at the target, and how long its longest lock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.analyse.quantity import count, seconds

SHOWN_TABLES = 2
TOO_SHORT = "too short"
"""In the reason of a refusal: nothing that anybody would miss."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One figure at the target, or why there is none."""

    value_s: float | None
    low_s: float | None
    high_s: float | None
    subject: str
    """As the forecast names it: ``all``, or ``lock:…``."""
    reason: str = ""
    """Why it is refused; empty where it is not."""
    cure: str = ""
    at_most_s: float = math.inf
    """Where it is refused: what its worst class comes to."""

    @property
    def lock(self) -> str:
        """Of a lock, ``the lock on public.deals``."""
        return f"the lock on {self.subject.rpartition(':')[2]}"

    @property
    def words(self) -> str:
        """``41.2 s [35.0 s, 52.1 s]``."""
        return f"{seconds(self.value_s)} [{seconds(self.low_s)}, {seconds(self.high_s)}]"


def rows_named(at: Mapping[str, int]) -> str:
    """The target in words: ``1 M deals and 250 k contacts``."""
    shown = [f"{count(rows)} {table}" for table, rows in list(at.items())[:SHOWN_TABLES]]
    left = len(at) - len(shown)
    return " and ".join(shown) + (f" and {left} more tables in proportion" if left else "")


def deploy_duration(document: Mapping[str, Any]) -> Answer | None:
    """Of all migrations together; None where the forecast says nothing of it."""
    return next(_answers(document, "duration_s", "all"), None)


def longest_lock(document: Mapping[str, Any]) -> Answer | None:
    """The longest hold, refused where one of them is that may be it; None where none is held for long enough
    to be told."""
    found = [answer for answer in _answers(document, "held_s", "lock:") if TOO_SHORT not in answer.reason]
    highest = max((answer.high_s or 0.0 for answer in found if not answer.reason), default=0.0)
    found = [answer for answer in found if not answer.reason or answer.at_most_s > highest]
    refused = next((answer for answer in found if answer.reason), None)
    return refused or max(found, key=lambda answer: answer.value_s or 0.0, default=None)


def _answers(document: Mapping[str, Any], quantity: str, subject: str) -> Iterator[Answer]:
    for forecast in document["forecasts"]:
        if forecast["quantity"] != quantity or not forecast["subject"].startswith(subject):
            continue
        refused = forecast["refused"] or {"reason": "", "cure": ""}
        yield Answer(
            forecast["value"], forecast["low"], forecast["high"], forecast["subject"],
            refused["reason"], refused["cure"], refused.get("at_most") or math.inf,
        )  # fmt: skip
