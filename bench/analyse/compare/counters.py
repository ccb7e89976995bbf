"""E1: counters that repeat exactly on a clone, whatever else the machine does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Literal

from bench.analyse.compare.result import Gate, Outcome
from bench.model.record import StatementRecord

FLOORS: dict[str, tuple[float, Literal["blocks", "records", "images", "bytes"]]] = {
    "blocks": (64, "blocks"),
    "blocks_dirtied": (64, "blocks"),
    "wal_records": (16, "records"),
    "wal_fpi": (16, "images"),
    "wal_bytes": (64 * 1024, "bytes"),
    "temp_bytes": (64 * 1024, "bytes"),
}
"""What is too little to speak of, and the unit."""
SAME, WORSE = 0.01, 0.10
REPEATS_WITHIN = 0.01
NEEDED = 2
"""Solo repeats on each side, without which nobody knows whether a counter repeats."""


def counter_gates(base: StatementRecord, head: StatementRecord) -> Iterator[Gate]:
    """Every counter that differs between the two sides by more than the floor."""
    for name, (floor, unit) in FLOORS.items():
        old, new = (_known(side.counters.get(name, ())) for side in (base, head))
        if not old or not new:
            continue
        decided = judge(old, new, floor)
        if decided is None:
            continue
        outcome, note = decided
        yield Gate("E1", "counter", outcome, name, median(old), median(new), unit, note)


def judge(old: Sequence[int], new: Sequence[int], floor: float) -> tuple[Outcome, str | None] | None:
    """Outcome and note for one counter's repeats on two sides; None where it is the same.

    |Δ| ≤ max(1 %, floor) is the same, more than 10 % more a regression, in between a warning, more than
    10 % less an improvement. A counter that does not repeat within 1 % on its own side cannot say.
    """
    if max(*old, *new) - min(*old, *new) <= floor:
        return None
    was, now = median(old), median(new)
    change = now - was
    unsteady = [side for side, values in (("base", old), ("head", new)) if not repeats(values)]
    if unsteady:
        if was and abs(change) <= WORSE * abs(was):
            return None
        return "pass", f"not compared: it differs from repeat to repeat ({' and '.join(unsteady)})"
    if abs(change) <= max(SAME * abs(was), floor):
        return None
    if change < 0:
        return ("improved", None) if change < -WORSE * abs(was) else None
    if len(old) < NEEDED or len(new) < NEEDED:
        return "inconclusive", f"needs {NEEDED} solo repeats on each side"
    return ("fail" if change > WORSE * abs(was) else "warn"), None


def repeats(values: Sequence[int]) -> bool:
    """Whether the values lie within 1 % of their median."""
    return max(values) - min(values) <= REPEATS_WITHIN * abs(median(values))


def added_work(
    pairs: Sequence[tuple[StatementRecord | None, StatementRecord | None]],
) -> Iterator[Gate]:
    """What statements that only the head has cost on top of what others in their migration cost less.

    ``pairs`` are the statements of one migration that were edited, are missing or were added. An edit that
    moves work from one statement to another is no more work; work that came on top is.
    """
    for name, (floor, unit) in FLOORS.items():
        if any(
            statement and not _known(statement.counters.get(name, ())) for pair in pairs for statement in pair
        ):
            continue  # what one of them saved or took is not known
        added = _sum(name, [head for base, head in pairs if base is None and head is not None])
        saved = _sum(name, [base for base, head in pairs if head is None and base is not None])
        saved += sum(max(0.0, _less(name, base, head)) for base, head in pairs if base and head)
        change = added - saved
        if change > max(floor, SAME * saved):
            outcome: Outcome = "fail" if change > WORSE * saved else "warn"
            yield Gate("E1", "added-work", outcome, name, saved, added, unit)


def _less(name: str, base: StatementRecord, head: StatementRecord) -> float:
    old, new = (_known(side.counters.get(name, ())) for side in (base, head))
    return median(old) - median(new) if old and new else 0.0


def _sum(name: str, statements: Sequence[StatementRecord]) -> float:
    values = [_known(statement.counters.get(name, ())) for statement in statements]
    return sum(median(value) for value in values if value)


def _known(values: Sequence[int | None]) -> list[int]:
    return [value for value in values if value is not None]
