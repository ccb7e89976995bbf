"""Whether two runs may be compared, and which migration and statement of one is which of the other."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from bench.analyse.compare.result import Difference, Presence
from bench.errors import NotComparableError
from bench.model.record import MigrationRecord, Record, StatementRecord

SIMILAR = 0.6
"""Share of words that two statements at the same place need to have in common to be one that was edited."""


@dataclass(frozen=True, slots=True)
class StatementPair:
    base: StatementRecord | None
    head: StatementRecord | None
    presence: Presence


@dataclass(frozen=True, slots=True)
class MigrationPair:
    base: MigrationRecord | None
    head: MigrationRecord | None
    presence: Presence


def match_migrations(base: Record, head: Record) -> tuple[MigrationPair, ...]:
    """Pairs by id, then by content (renamed); in the head's order, what is missing at the end."""
    old = {record.id: record for record in base.migrations}
    new_ids = {record.id for record in head.migrations}
    free = {record.sha256: record for record in base.migrations if record.id not in new_ids}
    pairs, used = [], set()
    for record in head.migrations:
        same = old.get(record.id)
        renamed = None if same else free.pop(record.sha256, None)
        migration = same or renamed
        presence: Presence = "renamed" if renamed else "added"
        if same:
            presence = "both" if same.sha256 == record.sha256 else "edited"
        if migration:
            used.add(migration.id)
        pairs.append(MigrationPair(migration, record, presence))
    pairs += [MigrationPair(record, None, "missing") for record in base.migrations if record.id not in used]
    return tuple(pairs)


def match_statements(
    base: Sequence[StatementRecord], head: Sequence[StatementRecord]
) -> tuple[StatementPair, ...]:
    """Pairs in the head's order: the same text first, then what was edited in place."""
    same = SequenceMatcher(None, [s.sha256 for s in base], [s.sha256 for s in head], autojunk=False)
    pairs: list[StatementPair] = []
    for tag, i1, i2, j1, j2 in same.get_opcodes():
        if tag == "equal":
            pairs += [StatementPair(a, b, "both") for a, b in zip(base[i1:i2], head[j1:j2], strict=True)]
        else:
            pairs += _edited(base[i1:i2], head[j1:j2])
    return tuple(pairs)


def _edited(base: Sequence[StatementRecord], head: Sequence[StatementRecord]) -> Iterator[StatementPair]:
    """Between two stretches of the same text: the most alike become pairs, whatever their order."""
    alike = sorted(
        (
            (-likeness(a, b), at, to)
            for at, a in enumerate(base)
            for to, b in enumerate(head)
            if likeness(a, b) >= SIMILAR
        ),
    )
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, at, to in alike:
        if to not in partner and at not in taken:
            partner[to] = at
            taken.add(at)
    for at, statement in enumerate(base):
        if at not in taken:
            yield StatementPair(statement, None, "missing")
    for to, statement in enumerate(head):
        if to in partner:
            old = base[partner[to]]
            yield StatementPair(old, statement, "both" if old.sha256 == statement.sha256 else "edited")
        else:
            yield StatementPair(None, statement, "added")


def likeness(one: StatementRecord, other: StatementRecord) -> float:
    """Share of words in common, 0 to 1; 0 where they begin with different commands."""
    a, b = _words(one.text), _words(other.text)
    if not a or not b or a[0] != b[0]:
        return 0.0
    common = sum(min(a.count(word), b.count(word)) for word in set(a))
    return 2 * common / (len(a) + len(b))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())


ABSENT = "(not there)"


def require_comparable(base: Record, head: Record) -> None:
    """Raise NotComparableError naming every key that differs, with its old and its new value."""
    found = differences(base.key, head.key)
    if found:
        listed = "; ".join(f"{difference.key}: {difference.old} → {difference.new}" for difference in found)
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
