"""Which relation was locked how strongly from when to when, ready to be drawn as lanes.

One repeat is shown, that of median duration: holds of different repeats do not add up to one picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.analyse.summary import RunSummary
from bench.model.lock import WEAKEST_SHOWN, Lock, LockMode
from bench.model.run import MigrationRun, Repeat, Run, SamplerInfo


@dataclass(frozen=True, slots=True)
class Bar:
    """One hold, with the wait before it, in seconds on the timeline's clock."""

    start_s: float
    end_s: float
    mode: LockMode
    waited_s: float
    held_s_bounds: tuple[float, float] | None
    """[shortest, longest] hold that agrees with what was seen; None where no hold is known."""
    sampled: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """All shown locks of one relation."""

    relation: str
    target: str
    table: str | None
    bars: tuple[Bar, ...]
    """Weakest first, so that the strongest is drawn last."""

    @property
    def strongest(self) -> LockMode:
        return max((bar.mode for bar in self.bars), key=lambda mode: mode.strength)

    @property
    def held_s(self) -> float:
        """Seconds in which any of the bars stands."""
        total, reached = 0.0, float("-inf")
        for start, end in sorted((bar.start_s, bar.end_s) for bar in self.bars):
            total += max(0.0, end - max(start, reached))
            reached = max(reached, end)
        return total

    @property
    def longest_s_bounds(self) -> tuple[float, float] | None:
        """Bounds of the longest single hold; None where none is known."""
        known = [bar.held_s_bounds for bar in self.bars if bar.held_s_bounds is not None]
        return max(known, key=lambda bounds: (bounds[1], bounds[0]), default=None)

    @property
    def longest_s(self) -> float:
        """The longest single hold that agrees with what was seen; 0.0 where none is known."""
        return self.longest_s_bounds[1] if self.longest_s_bounds else 0.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of the time axis with a name: a statement, or a migration of the suite."""

    start_s: float
    end_s: float
    labels: tuple[str, ...]
    """Alternatives, longest first; a drawing takes the first for which it has room."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The lanes of one migration, or of the whole suite, over one repeat."""

    title: str
    repeat: int
    """Which repeat is shown, from 1."""
    repeats: int
    span_s: float
    lanes: tuple[Lane, ...]
    """Longest held first."""
    marks: tuple[Mark, ...]
    new: int
    """Locks left out because the migration created the relation."""
    weak: int
    """Locks left out because of their mode."""
    sampler: SamplerInfo | None


def migration_timeline(run: Run, summary: RunSummary, migration: str) -> Timeline | None:
    """The timeline of one migration; None where no repeat ran it."""
    repeats = run.solo
    runs = [(r, m) for r in repeats for m in r.migrations if m.id == migration and _ran(m)]
    if not runs:
        return None
    index = _median_index([m.duration_s for _, m in runs])
    repeat, shown = runs[index]
    file = next(m.file for m in summary.migrations if m.id == migration)
    return _timeline(file, repeat, repeats, [(0.0, shown)], _statement_marks(shown))


def suite_timeline(run: Run, summary: RunSummary) -> Timeline | None:
    """All migrations one after another; None where nothing ran."""
    repeats = [r for r in run.solo if any(map(_ran, r.migrations))]
    if not repeats:
        return None
    reached = max(_applied(r) for r in repeats)
    fullest = [r for r in repeats if _applied(r) == reached]
    repeat = fullest[_median_index([sum(m.duration_s or 0.0 for m in r.migrations) for r in fullest])]
    placed: list[tuple[float, MigrationRun]] = []
    marks: list[Mark] = []
    at = 0.0
    for position, migration in enumerate(filter(_ran, repeat.migrations), start=1):
        end = at + _span(migration)
        placed.append((at, migration))
        marks.append(Mark(at, end, (f"{position} · {migration.id}", f"{position}")))
        at = end
    return _timeline("whole suite", repeat, run.solo, placed, tuple(marks))


def _timeline(
    title: str,
    repeat: Repeat,
    repeats: Sequence[Repeat],
    placed: Sequence[tuple[float, MigrationRun]],
    marks: tuple[Mark, ...],
) -> Timeline:
    locks = [
        (offset + (statement.started_at_s or 0.0), offset, lock)
        for offset, migration in placed
        for statement in migration.statements
        for lock in statement.locks
        if lock.target != "toast" and not lock.relation.startswith("pg_toast.")
    ]
    existing = [pair for pair in locks if not pair[2].new]
    shown = [pair for pair in existing if pair[2].mode.strength >= WEAKEST_SHOWN.strength]
    return Timeline(
        title=title,
        repeat=repeats.index(repeat) + 1,
        repeats=len(repeats),
        span_s=max((offset + _span(migration) for offset, migration in placed), default=0.0),
        lanes=_lanes(shown),
        marks=marks,
        new=len(locks) - len(existing),
        weak=len(existing) - len(shown),
        sampler=repeat.sampler,
    )


def _lanes(locks: Iterable[tuple[float, float, Lock]]) -> tuple[Lane, ...]:
    by_relation: dict[str, list[tuple[Lock, Bar]]] = {}
    for started_s, offset_s, lock in locks:
        by_relation.setdefault(lock.relation, []).extend(
            (lock, bar) for bar in _bars(started_s, offset_s, lock)
        )
    lanes = [
        Lane(
            relation,
            group[0][0].target,
            group[0][0].table,
            tuple(sorted((bar for _, bar in group), key=lambda bar: (bar.mode.strength, bar.start_s))),
        )
        for relation, group in by_relation.items()
    ]
    return tuple(
        sorted(
            lanes, key=lambda lane: (-lane.held_s, -lane.longest_s, -lane.strongest.strength, lane.relation)
        )
    )


def _bars(started_s: float, offset_s: float, lock: Lock) -> Iterator[Bar]:
    """The certain parts of its holds; where their times are not known, one at its statement's start."""
    known = None if lock.held_s is None else (lock.held_s, lock.held_s)
    held_s = lock.held_s or 0.0
    unknown = (started_s, started_s + held_s)
    if lock.granted_at_s is not None:
        unknown = (offset_s + lock.granted_at_s, offset_s + lock.granted_at_s + held_s)
    for start, end in [(offset_s + start, offset_s + end) for start, end in lock.spells] or [unknown]:
        yield Bar(
            start_s=start,
            end_s=max(start, end),
            mode=lock.mode,
            waited_s=lock.waited_s or 0.0,
            held_s_bounds=lock.held_s_bounds or known,
            sampled=lock.source == "sampled",
        )


def _statement_marks(migration: MigrationRun) -> tuple[Mark, ...]:
    marks = []
    for statement in migration.statements:
        if statement.started_at_s is None:
            continue
        end = statement.started_at_s + (statement.duration_s or 0.0)
        line = f":{statement.line}"
        marks.append(Mark(statement.started_at_s, end, (f"{line} {statement.kind}", line)))
    return tuple(marks)


def _span(migration: MigrationRun) -> float:
    """Seconds from the first statement's start to the last end that is known, on the deploy's own clock.

    ``wall_s`` is on another clock: it counts the harness's reads between statements.
    """
    ends = [(s.started_at_s or 0.0) + (s.duration_s or 0.0) for s in migration.statements]
    releases = [lock.last_released_at_s or 0.0 for s in migration.statements for lock in s.locks]
    return max(migration.duration_s or 0.0, *ends, *releases)


def _ran(migration: MigrationRun) -> bool:
    return any(statement.outcome != "skipped" for statement in migration.statements)


def _applied(repeat: Repeat) -> int:
    return sum(migration.outcome == "applied" for migration in repeat.migrations)


def _median_index(values: Sequence[float | None]) -> int:
    """Where the low median stands; the first of several equal ones."""
    order = sorted(range(len(values)), key=lambda at: (values[at] is None, values[at] or 0.0))
    known = [at for at in order if values[at] is not None] or order
    return known[(len(known) - 1) // 2]
