"""The traffic of one pass as the run file has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.model.load import Arrivals, SchedulingDelay, StatementSpan, Workload
from bench.workload.attribution import MigrationSession, attribute
from bench.workload.deploylocks import deploy_locks
from bench.workload.lookout import Sighting
from bench.workload.outcome import DELAYED_OVER_S, Array, Phases, class_loads, longest_waits, timeline
from bench.workload.records import QUEUED
from bench.workload.spec import TrafficMix
from bench.workload.traffic import Requests

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


def measure(found: Measured, mix: TrafficMix, *, rate_per_s: float, arrivals: Arrivals) -> Workload:
    """The workload of a repeat, all on its clock."""
    raw = found.requests.rows
    raw = raw[raw["scheduled"] >= found.zero]  # without the trial of the capacity
    spans = tuple(_shifted(each, found.zero) for each in found.spans)
    names = [each.name for each in mix.classes]
    last = float(np.max(raw["finished"], initial=found.end))
    waits = attribute(
        found.sighting.waits, raw, names, found.sessions, spans, found.relations, zero=found.zero, end=last
    )
    rows = raw.copy()
    for moment in ("scheduled", "sent", "finished"):
        rows[moment] -= found.zero
    duration_s = max(0.0, found.end - found.zero)
    begin_s = min((each.begin_s for each in spans), default=math.inf)
    phases = Phases(begin_s, max((each.end_s for each in spans), default=math.inf))
    classes = class_loads(
        mix.classes,
        rows,
        found.requests.messages,
        waits,
        phases,
        rate_per_s=rate_per_s,
        duration_s=duration_s,
    )
    notes = list(mix.notes)
    unwatched_s = _unwatched_s(found.sighting, found.spans)
    if found.sighting.error:
        notes.append(
            "The session that watches who waits for whom was lost, and nobody watched for "
            f"{unwatched_s:.3f} s of the deploy: {found.sighting.error}"
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
        locks=deploy_locks(found.sighting, found.sessions, found.relations, found.tables, found.zero, last),
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
