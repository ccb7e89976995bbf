"""What the application met while the migrations ran: requests that waited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.analyse.dangers.evidence import Rehearsed, severity_of
from bench.analyse.limits import Limits
from bench.analyse.quantity import other_requests, seconds
from bench.model.finding import Finding
from bench.model.load import Cause, ClassLoad, Workload
from bench.model.run import Run

_Key = tuple[str, int | None, str]
"""Migration, statement and access."""


def traffic_findings(rehearsed: Rehearsed) -> Iterator[Finding]:
    """``blocks-reads`` and ``blocks-writes`` of the loaded pass without a hazard."""
    for workload in quiet_workloads(rehearsed.run):
        yield from _blocked(workload, rehearsed)


def quiet_workloads(run: Run) -> Iterator[Workload]:
    """The traffic of each loaded repeat in which neither a hazard nor a lock timeout was in the way."""
    for each in run.passes:
        if each.kind == "loaded" and each.hazard is None and each.lock_timeout_s is None:
            yield from (repeat.workload for repeat in each.repeats if repeat.workload is not None)


@dataclass(frozen=True, slots=True)
class _Block:
    """The longest wait of a class for one cause."""

    worst_s: float
    total_s: float
    waits: int
    load: ClassLoad
    cause: Cause


def _blocked(workload: Workload, rehearsed: Rehearsed) -> Iterator[Finding]:
    """For each statement and access, the class that waited longest."""
    worst: dict[_Key, _Block] = {}
    classes: dict[_Key, list[str]] = {}
    for load in workload.classes:
        for each in load.blocked_by:
            key: _Key = (each.cause.migration, each.cause.statement, load.access)
            found = _Block(each.worst_blocked_s, each.blocked_s, each.waits, load, each.cause)
            if each.cause.granted is not False and found.worst_s >= rehearsed.limits.noticeable_s:
                classes.setdefault(key, []).append(load.name)
                if key not in worst or found.worst_s > worst[key].worst_s:
                    worst[key] = found
    for place, block in worst.items():
        yield _block_finding(block, classes[place], rehearsed.limits)


def _block_finding(block: _Block, classes: list[str], limits: Limits) -> Finding:
    cause, load = block.cause, block.load
    what = f"the lock on {cause.relation}" if cause.relation else "rows that it has changed"
    others = len(set(classes)) - 1
    who = f" and {other_requests(others)} wait" if others else " waits"
    return Finding(
        code="blocks-reads" if load.access == "read" else "blocks-writes",
        severity=severity_of(block.worst_s, limits),
        migration=cause.migration,
        statement=cause.statement,
        relation=cause.relation or load.table,
        message=f'under traffic, "{load.name}"{who} up to {seconds(block.worst_s)} for {what} '
        f"({seconds(block.total_s)} in all)",
        evidence={
            "class": load.name,
            "classes": sorted(set(classes)),
            "worst_blocked_s": block.worst_s,
            "blocked_s": block.total_s,
            "waits": block.waits,
            "mode": cause.mode,
            "wanted": cause.wanted,
            "kind": cause.kind,
            "p99_s": load.latency_s.p99 if load.latency_s else None,
            "failed": load.failed,
        },
        fix="Hold the lock for less: shorter transactions, smaller batches, lock_timeout with retries."
        if cause.relation
        else "Change fewer rows in each transaction.",
    )
