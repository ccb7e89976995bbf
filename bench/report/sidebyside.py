"""Several runs side by side: how long each made the application wait, in the same units and axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.analyse.traffic import PassFigures, loaded_passes, merged, shown_repeat
from bench.model.load import SLOT_S, Workload
from bench.model.run import Pass, Run
from bench.report import format as fmt
from bench.report.document import Paragraph, Table, named
from bench.report.heat import column_s
from bench.report.render.terminal import print_blocks, print_copyable
from bench.report.trafficchart import MOST_COLUMNS, Column, load_columns

QUIET = "nothing in its way"


@dataclass(frozen=True, slots=True)
class Side:
    """One run. Its loaded pass with nothing in its way is drawn, the others are told in figures."""

    name: str
    """The suite, or run id where two runs have the same."""
    run_id: str
    """Of several runs that are shown as one, all of theirs."""
    facts: tuple[str, ...]
    """Data, rate, duration; each in a few words."""
    quiet: PassFigures | None
    columns: tuple[Column, ...]
    """From the begin of the first statement."""
    blocked: tuple[tuple[float, float], ...]
    """When at least one request waited for the deploy, on the same clock."""
    passes: tuple[PassFigures, ...]


@dataclass(frozen=True, slots=True)
class SideBySide:
    """All runs, and the axes that they share."""

    sides: tuple[Side, ...]
    low_s: float
    high_s: float
    column_s: float
    most: int
    """Requests that stand still, blocked or queued, in the highest column."""
    rows: tuple[tuple[str | None, bool], ...]
    """(hazard, with retries) of every pass that at least one run has, in their order."""
    differ: tuple[str, ...]
    """What the runs do not have in common, and their waits may come from."""


def side_by_side(given: Sequence[Run]) -> SideBySide:
    """The runs in the order given. A run without a loaded pass has no columns.

    Runs of the same files on the same data and server at the same rate that met different hazards are one.
    """
    runs = _joined(given)
    loads = [_quiet_workload(run) for run in runs]
    zeros = [_zero(load) for load in loads]
    spans = [(-zero, _end(load) - zero) for load, zero in zip(loads, zeros, strict=True) if load]
    low, high = min((a for a, _ in spans), default=0.0), max((b for _, b in spans), default=1.0)
    width = column_s(high - low, MOST_COLUMNS)
    sides = tuple(
        _side(run, _name(run, runs), load, zero, width)
        for run, load, zero in zip(runs, loads, zeros, strict=True)
    )
    return SideBySide(
        sides=sides,
        low_s=low,
        high_s=high,
        column_s=width,
        most=max((c.blocked + c.queued for side in sides for c in side.columns), default=0),
        rows=tuple(dict.fromkeys((p.hazard, p.retried) for side in sides for p in side.passes)),
        differ=tuple(_differences(runs)),
    )


def _joined(runs: Sequence[Run]) -> list[Run]:
    found: list[Run] = []
    for run in runs:
        for position, other in enumerate(found):
            if _conditions(run) == _conditions(other) and not _hazards(run) & _hazards(other):
                found[position] = _together(other, run)
                break
        else:
            found.append(run)
    return found


def _conditions(run: Run) -> tuple[object, ...]:
    """What must be the same for two runs to be parts of one."""
    load, data, server = _quiet_workload(run), run.dataset, run.environment.server
    return (
        tuple((file.id, file.sha256) for file in run.suite.migrations),
        (data.scale, data.seed, tuple((t.name, t.rows) for t in data.tables)) if data else None,
        (server.version, server.kind, run.environment.host),
        (load.offered_per_s, load.arrivals, load.connections) if load else None,
        run.suite.name,
    )


def _hazards(run: Run) -> set[str]:
    """Of its passes; two runs that met none stay apart."""
    return {traffic_pass.hazard for traffic_pass in run.passes if traffic_pass.hazard is not None} or {QUIET}


def _together(first: Run, second: Run) -> Run:
    """The repeats of both under the passes of the first, and the passes that the first has not."""

    def key(traffic_pass: Pass) -> tuple[object, ...]:
        return traffic_pass.kind, traffic_pass.hazard, traffic_pass.lock_timeout_s, traffic_pass.retries

    more = {key(loaded): loaded for loaded in second.passes}
    passes = [
        replace(loaded, repeats=(*loaded.repeats, *more.pop(key(loaded)).repeats))
        if key(loaded) in more
        else loaded
        for loaded in first.passes
    ]
    return replace(first, run_id=f"{first.run_id}, {second.run_id}", passes=(*passes, *more.values()))


def of_row(side: Side, row: tuple[str | None, bool]) -> PassFigures | None:
    """The pass of a side that is meant by a row; None where it was not measured."""
    return next((traffic for traffic in side.passes if (traffic.hazard, traffic.retried) == row), None)


def row_name(row: tuple[str | None, bool]) -> str:
    """What stood in the deploy's way."""
    hazard, retried = row
    return f"{hazard or QUIET}{', with retries' if retried else ''}"


def pass_words(figures: PassFigures | None) -> str:
    """A pass in a few words: longest wait, in brackets the time blocked, whether the deploy fails, tries."""
    if figures is None:
        return "not measured"
    none_seen = "not seen" if figures.unwatched_s else "no wait seen"
    parts = [fmt.seconds(figures.worst_s) if figures.worst_s else none_seen]
    if figures.blocked_s:
        parts[0] += f" ({fmt.seconds(figures.blocked_s)})"
    if figures.stop is not None:
        parts.append("fails")
    if figures.timeouts:
        parts.append(f"{figures.timeouts + 1} tries")
    return ", ".join(parts)


def document(found: SideBySide) -> dict[str, Any]:
    """The same for programs; times in seconds."""
    return {
        "runs": [
            {
                "run_id": side.run_id,
                "name": side.name,
                "passes": [_pass_document(traffic) for traffic in side.passes],
            }
            for side in found.sides
        ],
        "differ": list(found.differ),
    }


def print_sides(found: SideBySide, picture: Path, console: Console) -> None:
    """A table with a column for each run, and where the picture is."""
    print_blocks((Paragraph(f"{side.name}: {', '.join(side.facts)}") for side in found.sides), console)
    rows = ((row_name(row), *(pass_words(of_row(side, row)) for side in found.sides)) for row in found.rows)
    head = named(("Longest wait (blocked in all)", *(side.name for side in found.sides)))
    console.print()
    print_blocks((Table(head, tuple(rows)),), console)
    if found.differ:
        print_blocks((Paragraph(f"The runs differ in {', '.join(found.differ)}."),), console)
    print_copyable("Picture", str(picture), console)


def _pass_document(figures: PassFigures) -> dict[str, Any]:
    return {
        "hazard": figures.hazard,
        "lock_timeout_s": figures.lock_timeout_s,
        "applied": figures.stop is None,
        "error": figures.stop.sqlstate if figures.stop else None,
        "deploy_s": figures.deploy_s.median if figures.deploy_s else None,
        "worst_blocked_s": figures.worst_s,
        "worst_blocked_read_s": figures.reads.worst_s if figures.reads else None,
        "worst_blocked_write_s": figures.writes.worst_s if figures.writes else None,
        "blocked_s": figures.blocked_s,
        "waits": figures.waits,
        "queued": figures.queued,
        "slowest_s": figures.slowest_s,
        "timeouts": figures.timeouts,
        "rate_held": figures.doubt is None,
    }


def _quiet_workload(run: Run) -> Workload | None:
    repeat = shown_repeat(run.quiet) if run.quiet is not None else None
    return repeat.workload if repeat is not None else None


def _zero(load: Workload | None) -> float:
    return min((span.begin_s for span in load.statements), default=0.0) if load else 0.0


def _end(load: Workload) -> float:
    return max((slot.at_s + SLOT_S for slot in load.timeline), default=load.duration_s)


def _name(run: Run, runs: Sequence[Run]) -> str:
    same = sum(other.suite.name == run.suite.name for other in runs)
    return run.suite.name if same == 1 else run.run_id


def _side(run: Run, name: str, load: Workload | None, zero: float, width: float) -> Side:
    passes = loaded_passes(run)
    quiet = next((figures for figures in passes if figures.quiet), None)
    slots, classes = (load.timeline, load.classes) if load else ((), ())
    return Side(
        name=name,
        run_id=run.run_id,
        facts=tuple(_facts(run, quiet)),
        quiet=quiet,
        columns=tuple(load_columns(slots, round(width / SLOT_S), zero)),
        blocked=merged((b - zero, e - zero) for request_class in classes for b, e in request_class.blocked),
        passes=passes,
    )


def _facts(run: Run, quiet: PassFigures | None) -> Iterator[str]:
    if run.dataset is not None:
        yield f"{fmt.count(run.dataset.rows)} rows"
    if quiet is None:
        yield "no loaded pass"
        return
    yield f"{quiet.offered_per_s:,.0f} requests/s"
    if quiet.stop is not None:
        state = f" ({quiet.stop.sqlstate})" if quiet.stop.sqlstate else ""
        yield f"fails after {fmt.seconds(quiet.stop.after_s)}{state}"
    elif quiet.deploy_s is not None:
        yield f"takes {fmt.seconds(quiet.deploy_s.median)}"


def _differences(runs: Sequence[Run]) -> Iterator[str]:
    scales = [f"{run.dataset.scale:g}" if run.dataset and run.dataset.scale else "none" for run in runs]
    if len(set(scales)) > 1:
        yield f"scale ({', '.join(scales)})"
    rates = [load.offered_per_s if (load := _quiet_workload(run)) else None for run in runs]
    known = [rate for rate in rates if rate is not None]
    if known and max(known) > 1.02 * min(known):
        yield f"rate ({', '.join('none' if rate is None else f'{rate:,.0f}/s' for rate in rates)})"
    servers = [f"PostgreSQL {r.environment.server.version} {r.environment.server.kind}" for r in runs]
    if len(set(servers)) > 1:
        yield f"server ({', '.join(servers)})"
    hosts = {run.environment.host for run in runs}
    if len(hosts) > 1:
        yield "machine"
