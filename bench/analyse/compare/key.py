"""Whether two runs may be compared at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from bench.analyse.compare.result import Difference
from bench.errors import NotComparableError
from bench.model.record import Record

ABSENT = "(not there)"


def require_comparable(base: Record, head: Record) -> None:
    """Raise NotComparableError naming every key that differs, with its old and its new value."""
    found = differences(base.key, head.key)
    if found:
        listed = "; ".join(f"{each.key}: {each.old} → {each.new}" for each in found)
        raise NotComparableError(
            f"{base.run_id} and {head.run_id} are not comparable: {listed}",
            "run both sides with the same server, settings and data, or accept a new baseline",
        )


def machine_digest(machine: Mapping[str, str]) -> str:
    """The same for two runs on one machine with one kind of server."""
    told = "\n".join(f"{key}={machine[key]}" for key in sorted(machine))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def differences(old: dict[str, str], new: dict[str, str]) -> tuple[Difference, ...]:
    """The keys whose values differ, in the order of the old side."""
    keys = [*old, *(key for key in new if key not in old)]
    return tuple(
        Difference(key, old.get(key, ABSENT), new.get(key, ABSENT))
        for key in keys
        if old.get(key) != new.get(key)
    )
