"""The loaded passes as the reports show them: every number already text, the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.analyse.traffic import PassFigures, pass_figures, shown_repeat, unwatched_s, worst_first
from bench.model.deploy import HazardRecord
from bench.model.load import ClassLoad, SchedulingDelay, Workload
from bench.model.run import Pass, Repeat, Run
from bench.report import format as fmt
from bench.report.conditionsview import Table
from bench.report.requestsview import requests_table
from bench.report.trafficcauses import causes_table, deploy_locks_table, statement_places
from bench.report.traffictries import tries_table

HOW_TO_READ = (
    "A latency counts from the moment when the request was due, not from when it was sent: a server that "
    "stands still is not forgiven. Blocked: the time in which at least one request of the class waited for a "
    "lock of the deploy, itself or behind another request. Waits shorter than 10 ms may be missed."
)
CLASS_HEAD = (
    "Class", "Reads or writes", "Offered/s", "Sent", "Ok", "Failed", "p50", "p99", "Slowest", "Blocked",
    "Longest wait",
)  # fmt: skip
ERROR_HEAD = ("Class", "SQLSTATE", "Message", "Requests", "Due before", "During", "After", "First after")


@dataclass(frozen=True, slots=True)
class TrafficView:
    """One loaded pass; of several repeats the one is shown in which a request waited longest."""

    title: str
    anchor: str
    figure: str
    """Name of its picture."""
    mark: str
    """Why its figures are to be doubted; empty where they are not."""
    facts: tuple[tuple[str, str], ...]
    classes: Table
    causes: Table | None
    locks: Table | None
    tries: Table | None
    errors: Table | None
    requests: Table | None
    """Without the deploy: the same before it and after it; with the first pass alone."""
    notes: tuple[str, ...]


def figure_name(position: int) -> str:
    """File name of the picture of the run's nth loaded pass, from 1."""
    return f"traffic-{position:02d}"


def loaded_with_traffic(run: Run) -> tuple[Pass, ...]:
    """The loaded passes of which at least one repeat has traffic, in the run's order."""
    return tuple(
        each
        for each in run.passes
        if each.kind == "loaded" and any(repeat.workload for repeat in each.repeats)
    )


def traffic_views(run: Run) -> tuple[TrafficView, ...]:
    """Every loaded pass of a run, in its order."""
    found = enumerate(loaded_with_traffic(run), start=1)
    return tuple(view for position, each in found if (view := _view(run, each, position)) is not None)


def pass_title(hazard: str | None, lock_timeout_s: float | None, retries: int | None) -> str:
    """What stood in the deploy's way, and whether it gave way."""
    beside = f"Beside {hazard}" if hazard is not None else "With nothing in its way"
    if lock_timeout_s is None:
        return beside
    return f"{beside}, lock_timeout {lock_timeout_s:g} s and up to {retries} retries"


def _view(run: Run, found: Pass, position: int) -> TrafficView | None:
    figures, repeat = pass_figures(found, migrations=len(run.suite.migrations)), shown_repeat(found)
    if figures is None or repeat is None or repeat.workload is None:
        return None
    load, places = repeat.workload, statement_places(run, repeat)
    return TrafficView(
        title=pass_title(found.hazard, found.lock_timeout_s, found.retries),
        anchor=f"t{position}",
        figure=figure_name(position),
        mark=figures.doubt or "",
        facts=tuple(_facts(figures, repeat, load)),
        classes=_classes(load),
        causes=causes_table(load, places),
        locks=deploy_locks_table(load),
        tries=tries_table(repeat, places),
        errors=_errors(load),
        requests=requests_table(run) if position == 1 else None,
        notes=load.notes,
    )


def _facts(figures: PassFigures, repeat: Repeat, load: Workload) -> Iterator[tuple[str, str]]:
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


def _hazard(record: HazardRecord) -> Iterator[tuple[str, str]]:
    yield "in its way", record.what
    end = "ended of itself" if record.ended_itself else "was ended when the deploy had ended"
    yield "it lasted", f"{fmt.seconds(record.lasted_s)}, and {end}"
    if record.error:
        yield "its own failure", record.error
    for name, value in record.evidence.items():
        text = _evidence(name, value)
        if text:
            yield name.replace("_", " "), text


def _evidence(name: str, value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {each}" for key, each in value.items()) or "none"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if name.endswith("_bytes") or name == "bytes":
            return fmt.size(value)
        return fmt.seconds(value) if name.endswith("_s") else fmt.count(value)
    return "" if value is None else str(value)


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
    rows = tuple(_class(each, none_seen) for each in worst_first(load.classes))
    return Table("Requests by class", CLASS_HEAD, rows, left=2)


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
    by_state = ", ".join(f"{each.count} × {each.sqlstate}" for each in load.errors)
    unfinished = f"{load.unfinished} unfinished" if load.unfinished else ""
    return ", ".join(filter(None, (by_state or (str(load.failed) if load.failed else ""), unfinished))) or "0"


def _errors(load: Workload) -> Table | None:
    rows = tuple(
        (
            each.name, error.sqlstate, error.message, fmt.count(error.count), fmt.count(error.before),
            fmt.count(error.during), fmt.count(error.after), fmt.seconds(error.first_at_s),
        )
        for each in worst_first(load.classes)
        for error in each.errors
    )  # fmt: skip
    note = "Before, during and after the deploy; the first, counted from the traffic's beginning."
    return Table("Requests that failed", ERROR_HEAD, rows, note, left=3) if rows else None
