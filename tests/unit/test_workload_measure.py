"""From single requests and sightings to the workload of the run file, on made-up readings of a clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from bench.model.load import StatementSpan, Workload, decode_heat
from bench.workload.attribution import MigrationSession, length_s, union
from bench.workload.lookout import SeenHold, SeenWait, Sighting
from bench.workload.outcome import Measured, measure
from bench.workload.records import DTYPE, FAILED, OK, QUEUED, UNFINISHED, Said
from bench.workload.spec import RequestClass, TrafficMix
from bench.workload.traffic import Requests

ZERO = 1000.0
MIX = TrafficMix(
    (
        RequestClass("read", ("SELECT 1",), ("public.deals",), "read"),
        RequestClass("write", ("SELECT 2",), ("public.tasks",), "write"),
    ),
    "workload.toml",
)
MIGRATION = 77
SESSION = MigrationSession("001_first", MIGRATION, ZERO + 2, ZERO + 6)
SPANS = (StatementSpan("001_first", 0, ZERO + 2, ZERO + 3), StatementSpan("001_first", 1, ZERO + 3, ZERO + 5))
AX = "AccessExclusiveLock"

Row = tuple[int, int, int, int, int, bytes, float, float, float]


def request(
    cls: int = 0, at: float = 0.0, took: float = 0.001, *, pid: int = 1, outcome: int = OK, state: bytes = b""
) -> Row:
    begin = ZERO + at
    return (cls, outcome, 0, pid, 1, state, begin, begin, begin + took)


def seen(pid: int, begin: float, end: float | None, blockers: Sequence[int], relation: int = 9) -> SeenWait:
    """A wait that the server's record dates, met by looks 5 ms around its ends."""
    return SeenWait(
        pid, "relation", relation, "AccessShareLock", ZERO + begin - 0.005, ZERO + begin + 0.005,
        ZERO + (end or 9.0) - 0.005, None if end is None else ZERO + end + 0.005, ZERO + begin,
        tuple(blockers), frozenset({(9, AX, True)}),
    )  # fmt: skip


def measured(
    rows: Sequence[Row],
    waits: Sequence[SeenWait] = (),
    rate_per_s: float = 1.0,
    end: float = 10.0,
    holds: Sequence[SeenHold] = (),
) -> Workload:
    found = Measured(
        Requests(np.array(list(rows), dtype=DTYPE), {(0, "42703"): Said("gone", None)}),
        Sighting(list(waits), list(holds)),
        (SESSION,),
        SPANS,
        {9: "public.deals", 11: "public.made_by_it"},
        frozenset({9}),
        zero=ZERO,
        end=ZERO + end,
    )
    return measure(found, MIX, rate_per_s=rate_per_s, arrivals="fixed")


def test_no_request_at_all_is_told_as_such() -> None:
    workload = measured([])
    assert not workload.rate_held
    assert [each.sent for each in workload.classes] == [0, 0]
    assert workload.classes[0].latency_s is None


def test_a_request_that_waited_for_the_migration_is_told_with_its_cause() -> None:
    workload = measured([request(at=3.4, took=0.601)], [seen(1, 3.4, 4.0, [MIGRATION])])
    (wait,) = workload.waits
    assert (wait.name, wait.direct, wait.ended) == ("read", True, True)
    assert wait.began_s == pytest.approx(3.4)
    assert wait.waited_s == pytest.approx(0.601)
    assert wait.waited_s_bounds == pytest.approx((0.595, 0.601))
    assert (wait.cause.migration, wait.cause.statement) == ("001_first", 1)
    assert (wait.cause.relation, wait.cause.mode, wait.cause.granted) == ("public.deals", AX, True)
    reading, writing = workload.classes
    assert reading.blocked_s == reading.worst_blocked_s == pytest.approx(0.601)
    assert writing.blocked_s == writing.worst_blocked_s == 0.0


def test_who_waits_behind_one_that_waits_for_the_migration_is_blocked_by_it_too() -> None:
    rows = [request(0, 3.0, 1.0, pid=1), request(1, 3.2, 0.9, pid=2)]
    workload = measured(rows, [seen(1, 3.0, 4.0, [MIGRATION]), seen(2, 3.2, 4.1, [1])])
    assert {(wait.name, wait.direct) for wait in workload.waits} == {("read", True), ("write", False)}


@pytest.mark.parametrize(("granted", "statement"), [(False, 1), (True, 0)])
def test_at_the_boundary_of_statements_the_one_that_still_waits_is_the_cause(
    granted: bool, statement: int
) -> None:
    wait = seen(1, 2.9995, 4.0, [MIGRATION])
    wait.migration_locks = frozenset({(9, AX, granted)})
    (told,) = measured([request(at=2.999, took=1.002)], [wait]).waits
    assert (told.cause.granted, told.cause.statement) == (granted, statement)


def test_requests_that_wait_for_each_other_alone_are_not_blocked_by_the_migration() -> None:
    rows = [request(0, 3.0, 1.0, pid=1), request(1, 3.2, 0.9, pid=2)]
    workload = measured(rows, [seen(1, 3.0, 4.0, [2]), seen(2, 3.2, 4.1, [1])])
    assert workload.waits == ()
    assert [each.blocked_s for each in workload.classes] == [0.0, 0.0]


def test_a_wait_for_a_session_of_another_time_is_not_the_migration_s() -> None:
    workload = measured([request(at=7.0, took=1.0)], [seen(1, 7.0, 8.0, [MIGRATION])])
    assert workload.waits == ()


def test_what_the_migration_held_and_waited_for_is_told_within_its_bounds() -> None:
    def hold(pid: int, relation: int, begin: float, end: float | None) -> SeenHold:
        return SeenHold(
            pid, relation, AX, ZERO + begin - 0.01, ZERO + begin + 0.01, ZERO + (end or 5.5) - 0.01,
            None if end is None else ZERO + end + 0.01,
        )  # fmt: skip

    own_wait = seen(MIGRATION, 2.5, 3.0, [5])
    holds = [hold(MIGRATION, 9, 3.0, 4.0), hold(MIGRATION, 11, 3.0, 4.0), hold(5, 9, 3.0, 4.0)]
    waited, held = measured([], [own_wait], holds=holds).locks or ()
    assert (waited.migration, waited.relation, waited.granted) == ("001_first", "public.deals", False)
    assert waited.surely_s == pytest.approx((2.5, 2.995))
    assert waited.at_most_s == pytest.approx((2.5, 3.005))
    assert (held.relation, held.mode, held.granted) == ("public.deals", AX, True)
    assert held.surely_s == pytest.approx((3.01, 3.99))
    assert held.at_most_s == pytest.approx((2.99, 4.01))
    (open_end,) = measured([], holds=[hold(MIGRATION, 9, 3.0, None)]).locks or ()
    assert open_end.at_most_s[1] == pytest.approx(6.0)  # the end of its session


def test_overlapping_waits_count_once() -> None:
    rows = [request(0, 3.1, 1.0, pid=1), request(0, 3.6, 1.0, pid=2)]
    workload = measured(rows, [seen(1, 3.1, 4.1, [MIGRATION]), seen(2, 3.6, 4.6, [MIGRATION])])
    assert workload.classes[0].blocked_s == pytest.approx(1.5)
    assert workload.classes[0].worst_blocked_s == pytest.approx(1.0)
    assert workload.classes[0].blocked_by[0].waits == 2


def test_errors_are_parted_by_when_their_request_was_due() -> None:
    rows = [
        request(at=at, outcome=FAILED, state=b"42703") for at in (1.0, 2.5, 3.5, 6.0, 7.0, 8.0)
    ]  # fmt: skip
    (error,) = measured(rows).classes[0].errors
    assert (error.count, error.before, error.during, error.after, error.message) == (6, 1, 2, 3, "gone")


def test_what_never_got_a_connection_is_counted_with_what_it_had_waited() -> None:
    row = (0, UNFINISHED, QUEUED, 0, 0, b"", ZERO + 4, math.nan, ZERO + 10)
    load = measured([row]).classes[0]
    assert (load.sent, load.unfinished, load.delayed) == (1, 1, 1)
    assert load.latency_s is not None
    assert load.latency_s.max == 6.0


def test_a_generator_that_was_late_or_slow_says_so() -> None:
    late = [(0, OK, 0, 1, 1, b"", ZERO + n, ZERO + n + 0.02, ZERO + n + 0.03) for n in range(10)]
    workload = measured(late)
    assert not workload.rate_held
    assert "more than 20.0 ms late" in (workload.rate_note or "")
    assert "offered 1.0 requests/s for 2.0" in (measured(late, rate_per_s=2.0).rate_note or "")
    assert measured([request(at=float(n)) for n in range(10)]).rate_held


latencies = st.lists(st.floats(1e-6, 50.0), min_size=1, max_size=60)


@given(latencies)
def test_heat_and_histogram_hold_every_request(took: list[float]) -> None:
    rows = [request(at=n / 10, took=each) for n, each in enumerate(took)]
    load = measured(rows).classes[0]
    assert sum(count for _, _, count in decode_heat(load.heat)) == len(took)
    assert load.latency_hdr is not None
    histogram = HdrHistogram.decode(load.latency_hdr)
    assert histogram.get_total_count() == len(took)
    assert histogram.get_max_value() == pytest.approx(max(took) * 1e6, rel=0.002, abs=2)
    assert load.latency_s is not None
    assert load.latency_s.p50 <= load.latency_s.p90 <= load.latency_s.p99 <= load.latency_s.max


intervals = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)).map(lambda p: (p[0], p[0] + p[1])))


@given(intervals)
def test_a_union_covers_its_parts_and_no_more(parts: list[tuple[float, float]]) -> None:
    whole = union(parts)
    assert all(any(begin <= a and b <= end for begin, end in whole) for a, b in parts)
    assert all(before[1] < after[0] for before, after in pairwise(whole))
    assert length_s(whole) <= sum(b - a for a, b in parts) + 1e-6
