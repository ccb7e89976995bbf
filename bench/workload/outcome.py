"""From single requests and waits to what the run file holds of the traffic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

from bench.model.load import (
    SLOT_S,
    Arrivals,
    BlockedBy,
    Cause,
    ClassLoad,
    LatencySummary,
    LoadSlot,
    RequestErrors,
    SchedulingDelay,
    StatementSpan,
    Wait,
    Workload,
    bucket_of,
    encode_heat,
)
from bench.workload.attribution import Attributed, MigrationSession, attribute, deploy_locks, length_s, union
from bench.workload.lookout import Sighting
from bench.workload.records import FAILED, OK, QUEUED, UNFINISHED, Said
from bench.workload.spec import RequestClass, TrafficMix
from bench.workload.traffic import Requests

Array = npt.NDArray[Any]

DELAYED_OVER_S = 0.1
HDR_HIGHEST_US = 3600 * 10**6
HDR_DIGITS = 3
SOON_S = 1.0
"""Who waited for the deploy may hear of a deadlock up to ``deadlock_timeout`` later."""
WAITS_KEPT = 200
"""Single waits in the run file; every class keeps its longest."""


@dataclass(frozen=True, slots=True)
class Phases:
    """When the deploy began and ended, on the workload's clock; both infinite where it never began."""

    begin_s: float
    end_s: float


def class_loads(
    classes: Sequence[RequestClass],
    rows: Array,
    said: Mapping[tuple[int, str], Said],
    waits: Sequence[Attributed],
    phases: Phases,
    *,
    rate_per_s: float,
    duration_s: float,
) -> tuple[ClassLoad, ...]:
    """One for each class, in their order; times in ``rows`` are on the workload's clock."""
    total = sum(request_class.weight for request_class in classes)
    return tuple(
        _class_load(
            request,
            rows[rows["cls"] == position],
            {state: first for (cls, state), first in said.items() if cls == position},
            [attributed.wait for attributed in waits if attributed.cls == position],
            phases,
            offered_per_s=rate_per_s * request.weight / total,
            duration_s=duration_s,
        )
        for position, request in enumerate(classes)
    )


def _class_load(
    request: RequestClass,
    rows: Array,
    said: Mapping[str, Said],
    waits: Sequence[Wait],
    phases: Phases,
    *,
    offered_per_s: float,
    duration_s: float,
) -> ClassLoad:
    latencies = rows["finished"] - rows["scheduled"]
    before = rows["scheduled"] < phases.begin_s
    after = rows["scheduled"] > phases.end_s
    blocked = union(_interval(wait) for wait in waits)
    ended = rows["outcome"] != UNFINISHED
    return ClassLoad(
        name=request.name,
        table=request.tables[0],
        tables=request.tables,
        access=request.access,
        role=request.role,
        weight=request.weight,
        sent=len(rows),
        ok=int(np.count_nonzero(rows["outcome"] == OK)),
        failed=int(np.count_nonzero(rows["outcome"] == FAILED)),
        unfinished=int(np.count_nonzero(~ended)),
        latency_s=summarise(latencies),
        latency_before_s=summarise(latencies[before]),
        blocked_s=length_s(blocked),
        worst_blocked_s=max((wait.waited_s for wait in waits), default=0.0),
        offered_per_s=offered_per_s,
        achieved_per_s=float(np.count_nonzero(ended)) / duration_s if duration_s else None,
        delayed=int(np.count_nonzero(latencies > DELAYED_OVER_S)),
        sent_after=int(np.count_nonzero(after)),
        sent_before=int(np.count_nonzero(before)),
        prepared=request.prepared,
        rows_before=_rows_per_request(rows[before]),
        rows_after=_rows_per_request(rows[after]),
        errors=_errors(rows, said, before, after, phases),
        blocked=blocked,
        blocked_by=_by_cause(waits),
        heat=_heat(rows["scheduled"], latencies),
        latency_hdr=_histogram(latencies),
    )


def summarise(latencies: Array) -> LatencySummary | None:
    """Quantiles by nearest rank: each is a latency that a request had. None of nothing."""
    if not len(latencies):
        return None
    ordered = np.sort(latencies)

    def at(q: float) -> float:
        return float(ordered[max(0, math.ceil(q * len(ordered)) - 1)])

    return LatencySummary(at(0.5), at(0.9), at(0.99), at(0.999), float(ordered[-1]))


def timeline(rows: Array, waits: Iterable[Attributed], duration_s: float) -> tuple[LoadSlot, ...]:
    """A slot for each tenth of a second, until the last request has ended."""
    last = max(duration_s, float(np.max(rows["finished"], initial=0.0)))
    edges = np.arange(0.0, math.ceil(last / SLOT_S) + 1) * SLOT_S
    unsent = np.isnan(rows["sent"])
    left_queue = np.where(unsent, rows["finished"], rows["sent"])
    sent = rows["sent"][~unsent]
    intervals = [_interval(attributed.wait) for attributed in waits]
    blocked = _inside(edges, np.array([b for b, _ in intervals]), np.array([e for _, e in intervals]))
    flying = _inside(edges, sent, rows["finished"][~unsent])
    queued = _inside(edges, rows["scheduled"], left_queue)
    due, _ = np.histogram(rows["scheduled"], edges)
    ok, _ = np.histogram(rows["finished"][rows["outcome"] == OK], edges)
    failed, _ = np.histogram(rows["finished"][rows["outcome"] == FAILED], edges)
    return tuple(
        LoadSlot(round(float(at), 3), *(int(count) for count in counts))
        for at, *counts in zip(edges[:-1], due, ok, failed, flying[1:], queued[1:], blocked[1:], strict=True)
    )


def longest_waits(waits: Sequence[Attributed]) -> tuple[Wait, ...]:
    """The longest ones, longest first, and the longest of each class among them."""
    ordered = sorted((attributed.wait for attributed in waits), key=lambda wait: -wait.waited_s)
    firsts: dict[str, Wait] = {}
    for wait in ordered:
        firsts.setdefault(wait.name, wait)
    chosen = {id(wait): wait for wait in (*ordered[:WAITS_KEPT], *firsts.values())}
    return tuple(sorted(chosen.values(), key=lambda wait: -wait.waited_s))


def _inside(edges: Array, begins: Array, ends: Array) -> Array:
    """How many intervals each edge lies in."""
    return np.searchsorted(np.sort(begins), edges, side="right") - np.searchsorted(
        np.sort(ends), edges, side="right"
    )


def _interval(wait: Wait) -> tuple[float, float]:
    return wait.began_s, wait.began_s + wait.waited_s


def _by_cause(waits: Sequence[Wait]) -> tuple[BlockedBy, ...]:
    grouped: dict[Cause, list[Wait]] = {}
    for wait in waits:
        grouped.setdefault(wait.cause, []).append(wait)
    blockers = [
        BlockedBy(
            cause,
            len(group),
            length_s(union(_interval(wait) for wait in group)),
            max(wait.waited_s for wait in group),
        )
        for cause, group in grouped.items()
    ]
    return tuple(sorted(blockers, key=lambda blocker: -blocker.blocked_s))


def _errors(
    rows: Array, said: Mapping[str, Said], before: Array, after: Array, phases: Phases
) -> tuple[RequestErrors, ...]:
    errors = []
    ended_before = rows["finished"] < phases.begin_s
    ended_during = ~ended_before & (rows["finished"] <= phases.end_s + SOON_S)
    for state in np.unique(rows["sqlstate"][rows["outcome"] == FAILED]):
        same = (rows["sqlstate"] == state) & (rows["outcome"] == FAILED)
        text = state.decode()
        old, new = int(np.count_nonzero(same & before)), int(np.count_nonzero(same & after))
        count = int(np.count_nonzero(same))
        first_at_s = float(np.min(rows["scheduled"][same]))
        first = said.get(text, Said("", None))
        errors.append(
            RequestErrors(
                text, count, old, count - old - new, new, first.message, first_at_s,
                ended_before=int(np.count_nonzero(same & ended_before)),
                ended_during=int(np.count_nonzero(same & ended_during)),
                constraint=first.constraint,
            )
        )  # fmt: skip
    return tuple(sorted(errors, key=lambda error: -error.count))


def _rows_per_request(rows: Array) -> float | None:
    good = rows["rows"][rows["outcome"] == OK]
    return float(np.mean(good)) if len(good) else None


def _heat(scheduled: Array, latencies: Array) -> str:
    slots = np.maximum(scheduled / SLOT_S, 0).astype(int)
    buckets = np.array([bucket_of(float(latency)) for latency in latencies], dtype=int)
    cells, counts = np.unique(np.stack([slots, buckets]), axis=1, return_counts=True)
    return encode_heat(
        (int(slot), int(bucket), int(n)) for (slot, bucket), n in zip(cells.T, counts, strict=True)
    )


def _histogram(latencies: Array) -> str | None:
    if not len(latencies):
        return None
    histogram = HdrHistogram(1, HDR_HIGHEST_US, HDR_DIGITS)
    values, counts = np.unique(np.maximum(latencies * 1e6, 1).astype(int), return_counts=True)
    for value, count in zip(values, counts, strict=True):
        histogram.record_value(min(int(value), HDR_HIGHEST_US), int(count))
    return bytes(histogram.encode()).decode("ascii")


RATE_WITHIN = 0.02
LATE_S = 0.005
CHANCE = 3.0
"""So many standard deviations a Poisson count may be off."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was heard and seen; readings of ``time.perf_counter``."""

    requests: Requests
    sighting: Sighting
    sessions: Sequence[MigrationSession]
    spans: Sequence[StatementSpan]
    relations: Mapping[int, str]
    """Name by oid."""
    tables: frozenset[int]
    """The oids of the tables of before the migrations."""
    zero: float
    """When the open loop began."""
    end: float
    """When no more requests became due."""


def measure(outcome: Measured, mix: TrafficMix, *, rate_per_s: float, arrivals: Arrivals) -> Workload:
    """The workload of a repeat, all on its clock."""
    raw = outcome.requests.rows
    raw = raw[raw["scheduled"] >= outcome.zero]  # without the trial of the capacity
    spans = tuple(_shifted(span, outcome.zero) for span in outcome.spans)
    names = [request_class.name for request_class in mix.classes]
    last = float(np.max(raw["finished"], initial=outcome.end))
    waits = attribute(
        outcome.sighting.waits,
        raw,
        names,
        outcome.sessions,
        spans,
        outcome.relations,
        zero=outcome.zero,
        end=last,
    )
    rows = raw.copy()
    for moment in ("scheduled", "sent", "finished"):
        rows[moment] -= outcome.zero
    duration_s = max(0.0, outcome.end - outcome.zero)
    begin_s = min((span.begin_s for span in spans), default=math.inf)
    phases = Phases(begin_s, max((span.end_s for span in spans), default=math.inf))
    classes = class_loads(
        mix.classes,
        rows,
        outcome.requests.said,
        waits,
        phases,
        rate_per_s=rate_per_s,
        duration_s=duration_s,
    )
    notes = list(mix.notes)
    unwatched_s = _unwatched_s(outcome.sighting, outcome.spans)
    if outcome.sighting.error:
        notes.append(
            "The session that watches who waits for whom was lost, and nobody watched for "
            f"{unwatched_s:.3f} s of the deploy: {outcome.sighting.error}"
        )
    workload = Workload(
        offered_per_s=rate_per_s,
        classes=classes,
        timeline=timeline(rows, waits, duration_s),
        source=mix.source,
        arrivals=arrivals,
        duration_s=duration_s,
        delayed_over_s=DELAYED_OVER_S,
        statements=spans,
        waits=longest_waits(waits),
        wait_count=len(waits),
        locks=deploy_locks(
            outcome.sighting, outcome.sessions, outcome.relations, outcome.tables, outcome.zero, last
        ),
        notes=tuple(notes),
        unwatched_s=unwatched_s,
    )
    return _with_rate(workload, rows)


def _unwatched_s(seen: Sighting, spans: Sequence[StatementSpan]) -> float:
    """How long nobody looked between the first statement's begin and the last one's end."""
    begin = min((span.begin_s for span in spans), default=math.inf)
    end = max((span.end_s for span in spans), default=-math.inf)
    return sum((max(0.0, min(to, end) - max(since, begin)) for since, to in seen.lost), 0.0)


def _shifted(span: StatementSpan, zero: float) -> StatementSpan:
    return replace(span, begin_s=span.begin_s - zero, end_s=span.end_s - zero)


def _with_rate(workload: Workload, rows: Array) -> Workload:
    """How well the generator itself did; what waited for a connection is not its fault."""
    if not len(rows) or not workload.duration_s:
        return replace(workload, rate_held=False, rate_note="no request was due")
    achieved = len(rows) / workload.duration_s
    own = rows[((rows["flags"] & QUEUED) == 0) & ~np.isnan(rows["sent"])]
    delays = np.sort(own["sent"] - own["scheduled"])
    delay = None
    if len(delays):
        delay = SchedulingDelay(float(np.quantile(delays, 0.5)), float(np.quantile(delays, 0.99)))
    expected = workload.offered_per_s * workload.duration_s
    chance = CHANCE * math.sqrt(expected) / expected if workload.arrivals == "poisson" else 1 / expected
    off = achieved / workload.offered_per_s - 1
    troubles = []
    if abs(off) > max(RATE_WITHIN, chance):
        troubles.append(f"it offered {achieved:.1f} requests/s for {workload.offered_per_s:.1f}")
    if delay is not None and delay.p99 > LATE_S:
        troubles.append(f"it sent one request in a hundred more than {delay.p99 * 1000:.1f} ms late")
    note = f"The generator did not hold its rate: {'; '.join(troubles)}." if troubles else None
    return replace(
        workload,
        achieved_per_s=achieved,
        scheduling_delay_s=delay,
        rate_held=not troubles,
        rate_note=note,
    )
