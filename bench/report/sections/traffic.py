"""The loaded passes: what happened to the requests, what they waited for, and the deploy among them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bench.analyse.traffic import PassFigures, pass_figures, shown_repeat, timed_out, unwatched_s, worst_first
from bench.model.deploy import HazardRecord, Try
from bench.model.load import (
    BlockedBy,
    Cause,
    ClassLoad,
    ComparedRequest,
    LockSpan,
    RequestSide,
    SchedulingDelay,
    Workload,
)
from bench.model.lock import LockMode
from bench.model.run import Pass, Repeat, Run
from bench.report import format as fmt
from bench.report.document import (
    Block,
    Bullets,
    Facts,
    Failure,
    Figure,
    Paragraph,
    Section,
    Table,
    Words,
    columns,
)
from bench.report.format import excerpt

READING_TRAFFIC = (
    "A latency counts from the moment when the request was due, not from when it was sent: a server that "
    "stands still is not forgiven. Blocked: the time in which at least one request of the class waited for a "
    "lock of the deploy, itself or behind another request. Waits shorter than 10 ms may be missed."
)
CLASS_HEAD = columns(
    "Class", "Reads or writes", ">Offered/s", ">Sent", ">Ok", ">Failed", ">p50", ">p99", ">Slowest",
    ">Blocked", ">Longest wait",
)  # fmt: skip
ERROR_HEAD = columns(
    "Class", "SQLSTATE", "Message", ">Requests", ">Due before", ">During", ">After", ">First after"
)


def figure_name(position: int) -> str:
    """File name of the picture of the run's nth loaded pass, from 1."""
    return f"traffic-{position:02d}"


def loaded_with_traffic(run: Run) -> tuple[Pass, ...]:
    """The loaded passes of which at least one repeat has traffic, in the run's order."""
    return tuple(part for part in run.loaded if part.workloads)


def traffic(run: Run) -> tuple[Section, ...]:
    """Every loaded pass of a run, in its order; nothing where there is none."""
    passes = (_pass(run, loaded, at) for at, loaded in enumerate(loaded_with_traffic(run), start=1))
    sections = tuple(section for section in passes if section is not None)
    lead = Paragraph(READING_TRAFFIC, "lead")
    return (Section("Under traffic", (lead, *sections), "traffic"),) if sections else ()


def pass_title(hazard: str | None, lock_timeout_s: float | None, retries: int | None) -> str:
    """What stood in the deploy's way, and whether it gave way."""
    beside = f"Beside {hazard}" if hazard is not None else "With nothing in its way"
    if lock_timeout_s is None:
        return beside
    return f"{beside}, lock_timeout {lock_timeout_s:g} s and up to {retries} retries"


def _pass(run: Run, loaded: Pass, position: int) -> Section | None:
    """Of several repeats the one is shown in which a request waited longest."""
    figures, repeat = pass_figures(loaded, migrations=len(run.suite.migrations)), shown_repeat(loaded)
    if figures is None or repeat is None or repeat.workload is None:
        return None
    title = pass_title(loaded.hazard, loaded.lock_timeout_s, loaded.retries)
    return Section(title, tuple(_blocks(run, figures, repeat, repeat.workload, position)), f"t{position}")


def _blocks(run: Run, figures: PassFigures, repeat: Repeat, load: Workload, position: int) -> Iterator[Block]:
    places = statement_places(run, repeat)
    if figures.doubt:
        yield Failure(f"Marked: {figures.doubt}")
    yield Figure(figure_name(position))
    yield Facts(tuple(_facts(figures, repeat, load)))
    tables = (
        _classes(load),
        causes_table(load, places),
        tries_table(repeat, places),
        _errors(load),
        requests_table(run) if position == 1 else None,
        deploy_locks_table(load),
    )
    yield from (table for table in tables if table is not None)
    if load.notes:
        yield Bullets(load.notes)


def _facts(figures: PassFigures, repeat: Repeat, load: Workload) -> Iterator[tuple[str, Words]]:
    if figures.n > 1:
        yield "shown", f"repeat {repeat.index + 1} of {figures.n}, where a request waited longest"
    yield "the deploy", _deploy(figures)
    if repeat.hazard is not None:
        yield from _hazard(repeat.hazard)
    capacity = f", of {load.capacity_per_s:,.0f} that the server can do" if load.capacity_per_s else ""
    yield (
        "traffic",
        f"{load.offered_per_s:,.0f} requests/s{capacity}, {load.arrivals} arrivals, "
        f"{load.connections} connections, classes from {load.source}",
    )
    yield "load generator", _generator(load)
    waited = f"{fmt.count(load.wait_count)}, the longest {fmt.seconds(figures.worst_s)}"
    yield "requests that waited", waited if load.wait_count else "none was seen"
    if load.unwatched_s:
        yield "not watched", f"{fmt.seconds(load.unwatched_s)}: the session that watches who waits was lost"
    if figures.queued:
        slowest = f"the slowest request took {fmt.seconds(figures.slowest_s)}"
        yield "queued for a connection", f"at most {fmt.count(figures.queued)} at a time; {slowest}"
    yield "deadlocks", fmt.count(load.deadlocks)


def _deploy(figures: PassFigures) -> str:
    stop = figures.stop
    if stop is None:
        return fmt.spread_seconds(figures.deploy_s)
    where = f"{stop.migration}, line {stop.line}" if stop.line else stop.migration
    state = f" ({stop.sqlstate})" if stop.sqlstate else ""
    return f"failed after {fmt.seconds(stop.after_s)} in {where}: {stop.message}{state}"


def _hazard(record: HazardRecord) -> Iterator[tuple[str, Words]]:
    yield "in its way", record.what
    end = "ended of itself" if record.ended_itself else "was ended when the deploy had ended"
    yield "it lasted", f"{fmt.seconds(record.lasted_s)}, and {end}"
    if record.error:
        yield "its own failure", record.error
    for name, value in record.evidence.items():
        if value not in (None, ""):
            yield fmt.evidence_label(name), fmt.evidence(name, value)


def _generator(load: Workload) -> str:
    achieved = load.achieved_per_s
    if achieved is None or not load.offered_per_s:
        return "sent nothing"
    off = 100 * (achieved / load.offered_per_s - 1)
    lost = (
        f"; {load.workers_lost} of {load.workers} processes ended before their time"
        if load.workers_lost
        else ""
    )
    return f"sent {achieved:,.1f} requests/s ({off:+.1f} %), {_delay(load.scheduling_delay_s)}{lost}"


def _delay(delay: SchedulingDelay | None) -> str:
    if delay is None:
        return "its own delay is not known"
    return f"half of them at most {fmt.seconds(delay.p50)} late, 99 % at most {fmt.seconds(delay.p99)}"


def _classes(load: Workload) -> Table:
    none_seen = "not seen" if unwatched_s(load) else "no wait seen"
    rows = tuple(_class(other, none_seen) for other in worst_first(load.classes))
    return Table(CLASS_HEAD, rows, "Requests by class")


def _class(load: ClassLoad, none_seen: str) -> tuple[str, ...]:
    times = load.latency_s
    quantiles = (times.p50, times.p99, times.max) if times else (None, None, None)
    return (
        load.name,
        f"{load.access}s {load.table}",
        f"{load.offered_per_s:,.1f}",
        fmt.count(load.sent),
        fmt.count(load.ok),
        _failures(load),
        *map(fmt.seconds, quantiles),
        fmt.seconds(load.blocked_s) if load.blocked_s else none_seen,
        fmt.seconds(load.worst_blocked_s) if load.worst_blocked_s else fmt.UNKNOWN,
    )


def _failures(load: ClassLoad) -> str:
    by_state = ", ".join(f"{errors.count} × {errors.sqlstate}" for errors in load.errors)
    unfinished = f"{load.unfinished} unfinished" if load.unfinished else ""
    return ", ".join(filter(None, (by_state or (str(load.failed) if load.failed else ""), unfinished))) or "0"


def _errors(load: Workload) -> Table | None:
    rows = tuple(
        (
            other.name, error.sqlstate, error.message, fmt.count(error.count), fmt.count(error.before),
            fmt.count(error.during), fmt.count(error.after), fmt.seconds(error.first_at_s),
        )
        for other in worst_first(load.classes)
        for error in other.errors
    )  # fmt: skip
    note = "Before, during and after the deploy; the first, counted from the traffic's beginning."
    return Table(ERROR_HEAD, rows, "Requests that failed", note) if rows else None


MOST_CAUSES = 25
MOST_CLASSES = 4
MOST_LOCKS = 12
_SQL_WIDTH = 60
_MODES = {mode.value: mode.sql_name for mode in LockMode}
_HEAD = columns(
    "Statement", "Its lock", "Classes, the longest wait first", ">Waits", ">Blocked", ">Longest wait"
)
_LOCK_HEAD = columns("Lock", "Migration", ">From", ">Waited", ">Held, at least", ">Held, at most")

Places = Mapping[tuple[str, int | None], str]
"""Where a statement stands and how it begins, by migration and index."""


def statement_places(run: Run, repeat: Repeat) -> Places:
    """The places of every statement of a repeat; None as an index: between two statements."""
    numbers = {file.id: number for number, file in enumerate(run.suite.migrations, start=1)}
    places: dict[tuple[str, int | None], str] = {}
    for migration in repeat.migrations:
        number = numbers.get(migration.id, 0)
        places[migration.id, None] = f"{number}: between two statements"
        for statement in migration.statements:
            places[migration.id, statement.index] = (
                f"{number}:{statement.line} {excerpt(statement.text, _SQL_WIDTH)}"
            )
    return places


@dataclass(slots=True)
class _Group:
    """All classes that one lock of one statement blocked."""

    waits: int = 0
    blocked_s: float = 0.0
    """Of the class that it blocked longest."""
    worst_s: float = 0.0
    worst_of: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, blocker: BlockedBy) -> None:
        self.waits += blocker.waits
        self.blocked_s = max(self.blocked_s, blocker.blocked_s)
        self.worst_s = max(self.worst_s, blocker.worst_blocked_s)
        self.worst_of[name] = max(self.worst_of.get(name, 0.0), blocker.worst_blocked_s)


def causes_table(load: Workload, places: Places) -> Table | None:
    """One row for each statement and lock behind which requests waited; None where none did."""
    groups: dict[tuple[str, str], _Group] = {}
    for request_class in load.classes:
        for blocker in request_class.blocked_by:
            cause = blocker.cause
            place = places.get((cause.migration, cause.statement), cause.migration)
            groups.setdefault((place, lock_words(cause)), _Group()).add(request_class.name, blocker)
    if not groups:
        return None
    ordered = sorted(groups.items(), key=lambda item: -item[1].worst_s)
    rows = tuple(
        (
            place, lock, _class_names(group), fmt.count(group.waits), fmt.seconds(group.blocked_s),
            fmt.seconds(group.worst_s),
        )
        for (place, lock), group in ordered[:MOST_CAUSES]
    )  # fmt: skip
    note = "Blocked: of the class that it blocked longest. A statement is given as migration:line."
    if len(ordered) > MOST_CAUSES:
        least = fmt.seconds(ordered[MOST_CAUSES][1].worst_s)
        note += f" {len(ordered) - MOST_CAUSES} more, behind which nobody waited longer than {least}."
    return Table(_HEAD, rows, "What they waited for", note)


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


def _class_names(group: _Group) -> str:
    names = sorted(group.worst_of, key=lambda name: -group.worst_of[name])
    more = len(names) - MOST_CLASSES
    return ", ".join(names[:MOST_CLASSES]) + (f" and {more} more" if more > 0 else "")


def deploy_locks_table(load: Workload) -> Table | None:
    """The locks of the deploy itself, seen while the traffic ran; None where nobody looked.

    Those that reads or writes wait for come first, the longest of each kind before the others.
    """
    if not load.locks:
        return None
    longest = sorted(
        load.locks, key=lambda span: (not _is_felt(span), span.at_most_s[0] - span.at_most_s[1])
    )[:MOST_LOCKS]
    rows = tuple(_lock(span) for span in sorted(longest, key=lambda span: span.at_most_s))
    note = "In the order of their beginnings, from the traffic's; seen by single looks, 4 to 25 ms apart."
    if len(load.locks) > MOST_LOCKS:
        shown = f"{MOST_LOCKS} of {fmt.count(len(load.locks))}: those that block others, then the longest"
        note = f"{shown}. {note}"
    return Table(_LOCK_HEAD, rows, "Table locks that the deploy held or waited for", note)


def _is_felt(span: LockSpan) -> bool:
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


MOST_TRIES = 40
_TRIES_HEAD = columns(
    "Try", "Ended at", "Ended", ">Began", ">Took", ">Waited for the lock", ">Pause after it"
)
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
    again = {
        attempt.migration for attempt in repeat.tries if attempt.outcome != "applied" or attempt.number > 1
    }
    shown = [attempt for attempt in repeat.tries if attempt.migration in again]
    return Table(
        _TRIES_HEAD,
        tuple(_try(attempt, places) for attempt in shown[:MOST_TRIES]),
        "Tries, each until it got through or a lock timeout",
        _tries_note(repeat, len(again), max(0, len(shown) - MOST_TRIES)),
    )


def _try(attempt: Try, places: Places) -> tuple[str, ...]:
    ended = _OUTCOMES.get(attempt.outcome, attempt.outcome)
    return (
        f"{attempt.migration}, try {attempt.number}",
        places.get((attempt.migration, attempt.statement), fmt.UNKNOWN)
        if attempt.statement is not None
        else "its end",
        f"{ended}: {attempt.gave_up}" if attempt.gave_up else ended,
        fmt.seconds(attempt.began_s),
        fmt.seconds(attempt.duration_s),
        fmt.seconds(attempt.blocked_s),
        fmt.seconds(attempt.pause_s),
    )


def _tries_note(repeat: Repeat, again: int, cut: int) -> str:
    timeouts = timed_out(repeat.tries)
    migrations = len({attempt.migration for attempt in repeat.tries})
    waited = [attempt.blocked_s for attempt in timeouts if attempt.blocked_s is not None]
    paused = sum(attempt.pause_s or 0.0 for attempt in repeat.tries)
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


_REQUESTS_HEAD = columns(
    "Class", "As", ">Requests", ">Rows before", ">Rows after", ">Failed after", ">Median before",
    ">Median after", ">Range before", ">Range after",
)  # fmt: skip


def requests_table(run: Run) -> Table | None:
    """A line for each class, those that changed most first; None where nothing was compared."""
    if not run.requests:
        return None
    return Table(
        columns=_REQUESTS_HEAD,
        rows=tuple(_request(request) for request in sorted(run.requests, key=_factor, reverse=True)),
        title="The same requests before and after",
        note="Sent one after the other with the same parameters to the state before the migrations and to "
        "the state after, twice each, and rolled back; of each the faster execution, on warm caches.",
    )


def _factor(request: ComparedRequest) -> tuple[int, float]:
    before, after = _median(request.before), _median(request.after)
    other_rows = request.steady and request.before.rows != request.after.rows
    return int(other_rows or request.after.failed > 0), after / before if before and after else 0.0


def _request(request: ComparedRequest) -> tuple[str, ...]:
    before, after = request.before, request.after
    return (
        request.name,
        request.role or "the migrating role",
        fmt.count(after.sent),
        fmt.count(before.rows),
        fmt.count(after.rows),
        fmt.count(after.failed),
        fmt.seconds(_median(before)),
        fmt.seconds(_median(after)),
        _range(before),
        _range(after),
    )


def _median(side: RequestSide) -> float | None:
    return statistics.median(side.latency_s) if side.latency_s else None


def _range(side: RequestSide) -> str:
    if not side.latency_s:
        return fmt.seconds(None)
    return f"{fmt.seconds(min(side.latency_s))} to {fmt.seconds(max(side.latency_s))}"
