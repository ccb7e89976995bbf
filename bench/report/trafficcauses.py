"""For what the requests of a loaded pass waited, and for what the deploy itself did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.model.load import BlockedBy, Cause, LockSpan, Workload
from bench.model.lock import LockMode
from bench.model.run import Repeat, Run
from bench.report import format as fmt
from bench.report.conditionsview import Table
from bench.report.excerpt import excerpt

MOST_CAUSES = 25
MOST_CLASSES = 4
MOST_LOCKS = 12
_SQL_WIDTH = 60
_MODES = {mode.value: mode.sql_name for mode in LockMode}
_HEAD = ("Statement", "Its lock", "Classes, the longest wait first", "Waits", "Blocked", "Longest wait")
_LOCK_HEAD = ("Lock", "Migration", "From", "Waited", "Held, at least", "Held, at most")

Places = Mapping[tuple[str, int | None], str]
"""Where a statement stands and how it begins, by migration and index."""


def statement_places(run: Run, repeat: Repeat) -> Places:
    """The places of every statement of a repeat; None as an index: between two statements."""
    numbers = {each.id: number for number, each in enumerate(run.suite.migrations, start=1)}
    places: dict[tuple[str, int | None], str] = {}
    for migration in repeat.migrations:
        number = numbers.get(migration.id, 0)
        places[migration.id, None] = f"{number}: between two statements"
        for each in migration.statements:
            places[migration.id, each.index] = f"{number}:{each.line} {excerpt(each.text, _SQL_WIDTH)}"
    return places


@dataclass(slots=True)
class _Group:
    """All classes that one lock of one statement blocked."""

    waits: int = 0
    blocked_s: float = 0.0
    """Of the class that it blocked longest."""
    worst_s: float = 0.0
    worst_of: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, found: BlockedBy) -> None:
        self.waits += found.waits
        self.blocked_s = max(self.blocked_s, found.blocked_s)
        self.worst_s = max(self.worst_s, found.worst_blocked_s)
        self.worst_of[name] = max(self.worst_of.get(name, 0.0), found.worst_blocked_s)


def causes_table(load: Workload, places: Places) -> Table | None:
    """One row for each statement and lock behind which requests waited; None where none did."""
    groups: dict[tuple[str, str], _Group] = {}
    for each in load.classes:
        for found in each.blocked_by:
            cause = found.cause
            place = places.get((cause.migration, cause.statement), cause.migration)
            groups.setdefault((place, lock_words(cause)), _Group()).add(each.name, found)
    if not groups:
        return None
    ordered = sorted(groups.items(), key=lambda item: -item[1].worst_s)
    rows = tuple(
        (
            place, lock, _classes(group), fmt.count(group.waits), fmt.seconds(group.blocked_s),
            fmt.seconds(group.worst_s),
        )
        for (place, lock), group in ordered[:MOST_CAUSES]
    )  # fmt: skip
    note = "Blocked: of the class that it blocked longest. A statement is given as migration:line."
    if len(ordered) > MOST_CAUSES:
        least = fmt.seconds(ordered[MOST_CAUSES][1].worst_s)
        note += f" {len(ordered) - MOST_CAUSES} more, behind which nobody waited longer than {least}."
    return Table("What they waited for", _HEAD, rows, note, left=3)


def lock_words(cause: Cause) -> str:
    """The deploy's lock in words: on what, in which mode, and whether it had it yet."""
    if cause.relation is None:
        return (
            "rows that it has changed"
            if cause.kind in ("transactionid", "tuple")
            else f"a lock ({cause.kind})"
        )
    mode = _MODES.get(cause.mode or "", cause.mode)
    if mode is None:
        return f"a lock on {cause.relation}"
    if cause.granted is False:
        return f"{mode} on {cause.relation}, for which it waits itself"
    return f"{mode} on {cause.relation}"


def _classes(group: _Group) -> str:
    names = sorted(group.worst_of, key=lambda name: -group.worst_of[name])
    more = len(names) - MOST_CLASSES
    return ", ".join(names[:MOST_CLASSES]) + (f" and {more} more" if more > 0 else "")


def deploy_locks_table(load: Workload) -> Table | None:
    """The locks of the deploy itself, seen while the traffic ran; None where nobody looked.

    Those that reads or writes wait for come first, the longest of each kind before the others.
    """
    if not load.locks:
        return None
    longest = sorted(load.locks, key=lambda span: (not _blocks(span), span.at_most_s[0] - span.at_most_s[1]))[
        :MOST_LOCKS
    ]
    rows = tuple(_lock(span) for span in sorted(longest, key=lambda span: span.at_most_s))
    note = "In the order of their beginnings, from the traffic's; seen by single looks, 4 to 25 ms apart."
    if len(load.locks) > MOST_LOCKS:
        shown = f"{MOST_LOCKS} of {fmt.count(len(load.locks))}: those that block others, then the longest"
        note = f"{shown}. {note}"
    return Table("Table locks that the deploy held or waited for", _LOCK_HEAD, rows, note, left=2)


def _blocks(span: LockSpan) -> bool:
    """Whether reads or writes of a table wait for it; unknown modes count as if they did."""
    return span.mode not in set(LockMode) or LockMode(span.mode).blocks_writes


def _lock(span: LockSpan) -> tuple[str, ...]:
    mode = _MODES.get(span.mode, span.mode)
    on = span.relation or "rows of another session"
    most = fmt.seconds(span.at_most_s[1] - span.at_most_s[0])
    begin = fmt.seconds(span.at_most_s[0])
    if not span.granted:
        return f"{mode} on {on}", span.migration, begin, most, fmt.UNKNOWN, fmt.UNKNOWN
    least = fmt.seconds(span.surely_s[1] - span.surely_s[0])
    return f"{mode} on {on}", span.migration, begin, fmt.UNKNOWN, least, most
