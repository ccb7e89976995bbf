"""One loaded repeat ready to be drawn on one time axis, whose zero is the begin of the first statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analyse.traffic import merged, shown_repeat, unwatched_s, worst_first
from bench.model.load import SLOT_S, ClassLoad, LoadSlot, LockSpan, Workload
from bench.model.lock import LockMode
from bench.model.run import Pass, Repeat, Run
from bench.report.heat import HeatMap, column_s, heat_map
from bench.report.timeline import Mark

MOST_COLUMNS = 180
MOST_PANELS = 7
"""Classes with a panel of their own; of more, all but the worst share the last one."""
MOST_LANES = 8
_MODES = {mode.value: mode for mode in LockMode}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A table lock of the deploy, held or waited for."""

    begin_s: float
    end_s: float
    mode: LockMode
    granted: bool
    longest_s: float
    """That agrees with what was seen."""


@dataclass(frozen=True, slots=True)
class LockLane:
    """One relation's locks."""

    relation: str
    stretches: tuple[Stretch, ...]

    def longest_s(self, *, granted: bool) -> float:
        """The longest single hold, or wait; 0.0 where there is none."""
        return max(
            (stretch.longest_s for stretch in self.stretches if stretch.granted is granted), default=0.0
        )


@dataclass(frozen=True, slots=True)
class Column:
    """The requests of all classes in one column of time."""

    begin_s: float
    due_per_s: float
    ok_per_s: float
    failed_per_s: float
    in_flight: int
    """The most at the end of a slot; so are the two below."""
    queued: int
    blocked: int


@dataclass(frozen=True, slots=True)
class Panel:
    """The latencies of one class, or of several that share the panel."""

    name: str
    access: str
    heat: HeatMap
    blocked: tuple[tuple[float, float], ...]
    worst_s: float
    """The longest wait for the deploy; 0.0: none was seen."""
    p99_s: float | None
    """Of all its requests; None where several classes share it or nothing was due."""
    failures: tuple[tuple[float, str], ...]
    """(when the first one was due, SQLSTATE)."""


@dataclass(frozen=True, slots=True)
class TrafficChart:
    """All that a picture of one loaded repeat shows."""

    repeat: int
    repeats: int
    low_s: float
    high_s: float
    began: bool
    """Whether the deploy ran; where not, zero is the begin of the traffic."""
    migrations: tuple[Mark, ...]
    statements: tuple[Mark, ...]
    watched: bool
    lanes: tuple[LockLane, ...]
    folded: int
    """Relations without a lane."""
    columns: tuple[Column, ...]
    column_s: float
    panels: tuple[Panel, ...]


def traffic_chart(run: Run, traffic_pass: Pass) -> TrafficChart | None:
    """The repeat in which a request waited longest; None where the pass has no traffic."""
    repeat = shown_repeat(traffic_pass)
    if repeat is None or repeat.workload is None:
        return None
    load = repeat.workload
    zero = min((span.begin_s for span in load.statements), default=0.0)
    end = max((slot.at_s + SLOT_S for slot in load.timeline), default=load.duration_s)
    width = column_s(max(end, SLOT_S), MOST_COLUMNS)
    lanes = _lanes(load.locks or (), zero)
    return TrafficChart(
        repeat=repeat.index + 1,
        repeats=len(traffic_pass.repeats),
        low_s=-zero,
        high_s=max(end, SLOT_S) - zero,
        began=bool(load.statements),
        migrations=tuple(_migrations(run, load, zero)),
        statements=tuple(_statements(run, repeat, load, zero)),
        watched=load.locks is not None and not unwatched_s(load),
        lanes=lanes[:MOST_LANES],
        folded=len(lanes[MOST_LANES:]),
        columns=tuple(load_columns(load.timeline, round(width / SLOT_S), zero)),
        column_s=width,
        panels=tuple(_panels(load.classes, width, zero)),
    )


def _migrations(run: Run, load: Workload, zero: float) -> Iterator[Mark]:
    numbers = {file.id: number for number, file in enumerate(run.suite.migrations, start=1)}
    for name in dict.fromkeys(span.migration for span in load.statements):
        spans = [span for span in load.statements if span.migration == name]
        number = str(numbers.get(name, "?"))
        begin, end = min(span.begin_s for span in spans), max(span.end_s for span in spans)
        yield Mark(begin - zero, end - zero, (f"{number} · {name}", number))


def _statements(run: Run, repeat: Repeat, load: Workload, zero: float) -> Iterator[Mark]:
    """Every one that ran, those of tries that timed out as often as they ran."""
    numbers = {file.id: number for number, file in enumerate(run.suite.migrations, start=1)}
    known = {(m.id, s.index): s for m in repeat.migrations for s in m.statements}
    for span in load.statements:
        statement = known.get((span.migration, span.statement))
        line = f"{numbers.get(span.migration, '?')}:{statement.line if statement else '?'}"
        labels = (f"{line} {statement.kind}", line) if statement else (line,)
        yield Mark(span.begin_s - zero, span.end_s - zero, labels)


def _lanes(spans: Sequence[LockSpan], zero: float) -> tuple[LockLane, ...]:
    """The relations for which requests can have waited longest first."""
    by_relation: dict[str, list[Stretch]] = {}
    for span in spans:
        mode = _MODES.get(span.mode)
        if mode is not None:
            by_relation.setdefault(span.relation or "rows of others", []).append(
                Stretch(
                    span.surely_s[0] - zero,
                    span.surely_s[1] - zero,
                    mode,
                    span.granted,
                    span.at_most_s[1] - span.at_most_s[0],
                )
            )
    lanes = [
        LockLane(
            relation, tuple(sorted(stretches, key=lambda stretch: (stretch.mode.strength, stretch.begin_s)))
        )
        for relation, stretches in by_relation.items()
    ]

    def weight(lane: LockLane) -> tuple[float, float, str]:
        strong = [s for s in lane.stretches if s.mode.blocks_writes]
        return -sum(s.longest_s for s in strong), -sum(s.longest_s for s in lane.stretches), lane.relation

    return tuple(sorted(lanes, key=weight))


def load_columns(slots: Sequence[LoadSlot], per_column: int, zero: float) -> Iterator[Column]:
    """So many slots in each column; ``zero`` is where the time axis begins."""
    for first in range(0, len(slots), per_column):
        part = slots[first : first + per_column]
        width_s = SLOT_S * len(part)
        yield Column(
            begin_s=part[0].at_s - zero,
            due_per_s=sum(slot.sent for slot in part) / width_s,
            ok_per_s=sum(slot.ok for slot in part) / width_s,
            failed_per_s=sum(slot.failed for slot in part) / width_s,
            in_flight=max(slot.in_flight for slot in part),
            queued=max(slot.queued for slot in part),
            blocked=max(slot.blocked for slot in part),
        )


def _panels(classes: Sequence[ClassLoad], width_s: float, zero: float) -> Iterator[Panel]:
    ordered = worst_first(classes)
    alone = ordered if len(ordered) <= MOST_PANELS else ordered[: MOST_PANELS - 1]
    for load in alone:
        p99 = load.latency_s.p99 if load.latency_s else None
        yield _panel(load.name, load.access, (load,), width_s, zero, p99)
    rest = ordered[len(alone) :]
    if rest:
        yield _panel(f"{len(rest)} other classes", "together", rest, width_s, zero, None)


def _panel(
    name: str, access: str, classes: Sequence[ClassLoad], width_s: float, zero: float, p99_s: float | None
) -> Panel:
    failures = {error.sqlstate: error.first_at_s - zero for load in classes for error in load.errors}
    return Panel(
        name=name,
        access=access,
        heat=heat_map(classes, width_s),
        blocked=merged((begin - zero, end - zero) for load in classes for begin, end in load.blocked),
        worst_s=max((load.worst_blocked_s for load in classes), default=0.0),
        p99_s=p99_s,
        failures=tuple(sorted((at, state) for state, at in failures.items())),
    )
