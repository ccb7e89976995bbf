"""The tries of a deploy that gives up its place in the queue: how long each blocked, and how long in all."""

from __future__ import annotations

from bench.analyse.traffic import timed_out
from bench.model.deploy import Try
from bench.model.run import Repeat
from bench.report import format as fmt
from bench.report.conditionsview import Table
from bench.report.trafficcauses import Places

MOST_TRIES = 40
_HEAD = ("Try", "Ended at", "Ended", "Began", "Took", "Waited for the lock", "Pause after it")
_OUTCOMES = {
    "applied": "applied",
    "lock_timeout": "lock timeout",
    "failed": "failed",
    "rolled_back": "rolled back",
}


def tries_table(repeat: Repeat, places: Places) -> Table | None:
    """Every try of the migrations that needed more than one; None where none was made."""
    if not repeat.tries:
        return None
    again = {each.migration for each in repeat.tries if each.outcome != "applied" or each.number > 1}
    shown = [each for each in repeat.tries if each.migration in again]
    return Table(
        "Tries, each until it got through or a lock timeout",
        _HEAD,
        tuple(_row(each, places) for each in shown[:MOST_TRIES]),
        _note(repeat, len(again), max(0, len(shown) - MOST_TRIES)),
        left=3,
    )


def _row(each: Try, places: Places) -> tuple[str, ...]:
    ended = _OUTCOMES.get(each.outcome, each.outcome)
    return (
        f"{each.migration}, try {each.number}",
        places.get((each.migration, each.statement), fmt.UNKNOWN)
        if each.statement is not None
        else "its end",
        f"{ended}: {each.gave_up}" if each.gave_up else ended,
        fmt.seconds(each.began_s),
        fmt.seconds(each.duration_s),
        fmt.seconds(each.blocked_s),
        fmt.seconds(each.pause_s),
    )


def _note(repeat: Repeat, again: int, cut: int) -> str:
    timeouts = timed_out(repeat.tries)
    migrations = len({each.migration for each in repeat.tries})
    waited = [each.blocked_s for each in timeouts if each.blocked_s is not None]
    paused = sum(each.pause_s or 0.0 for each in repeat.tries)
    parts = [f"{migrations - again} of {migrations} migrations got through at the first try."]
    if waited:
        parts.append(
            f"{len(timeouts)} lock timeouts: {fmt.seconds(sum(waited))} waited in all, "
            f"{fmt.seconds(max(waited))} at the longest, and {fmt.seconds(paused)} paused in between. "
            "A migration that sets lock_timeout itself keeps its own."
        )
    if cut:
        parts.append(f"{cut} more tries are not shown.")
    return " ".join(parts)
