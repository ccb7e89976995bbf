"""The accuracy of the traffic: planted locks, a long stall, the rate. Timings, run by `make perf`."""

from __future__ import annotations

from pathlib import Path

import pytest
from fix_db import Connect
from load_trials import (
    NEEDED,
    Hold,
    fill_shop,
    inside_s,
    load_of,
    rehearse_load,
    script_of,
    scripts_of,
    truths,
)

from bench.model.lock import LockMode
from bench.pg.server import Server
from bench.run.traffic.onepass import TrafficOptions

HOLDS = [
    *(Hold(mode, held_s) for held_s in (0.05, 0.5) for mode in LockMode),
    Hold(LockMode.ACCESS_EXCLUSIVE, 5.0),
]

pytestmark = pytest.mark.timing


@pytest.fixture
def shop(connect: Connect, database: str) -> str:
    """The name of a database that has the shop."""
    fill_shop(connect())
    return database


def test_planted_locks_come_back_within_10_ms_or_2_percent(server: Server, shop: str, tmp_path: Path) -> None:
    """Of each lock: the stretch in which a class was blocked, against the lock's own begin and end."""
    options = TrafficOptions(rate_per_s=1500.0, arrivals="fixed", connections=60, warm_s=1.0, after_s=1.0)
    workload = rehearse_load(server, shop, scripts_of(tmp_path, script_of(HOLDS)), options).workload
    assert workload is not None
    errors: dict[float, list[float]] = {}
    for true in truths(workload, HOLDS):
        hold, begin_s, end_s = true.hold, true.begin_s, true.end_s
        for load in workload.classes:
            needed = NEEDED.get(load.name)
            expected = needed is not None and hold.mode.conflicts_with(needed)
            found_s = inside_s(load, begin_s, end_s)
            assert expected == (found_s > 0), (hold, load.name)
            if expected:
                errors.setdefault(hold.held_s, []).append(found_s - (end_s - begin_s))
                assert abs(errors[hold.held_s][-1]) <= max(0.010, 0.02 * hold.held_s), (hold, load.name)
    for held_s, found in errors.items():
        print(f"{held_s} s: n={len(found)}, off by {min(found) * 1e3:+.1f} to {max(found) * 1e3:+.1f} ms")
    worst = load_of(workload, "read parents").worst_blocked_s
    assert abs(worst - 5.0) <= 0.1


def test_a_stall_of_5_s_at_200_a_second_delays_a_thousand_requests(
    server: Server, shop: str, tmp_path: Path
) -> None:
    script = "BEGIN; LOCK TABLE parents, children, others; SELECT pg_sleep(5); COMMIT;"
    options = TrafficOptions(rate_per_s=200.0, connections=40, warm_s=2.0, after_s=2.0)
    workload = rehearse_load(server, shop, scripts_of(tmp_path, script), options).workload
    assert workload is not None
    delayed = sum(each.delayed for each in workload.classes)
    p99_s = [each.latency_s.p99 for each in workload.classes if each.latency_s]
    print(f"{delayed} delayed, p99 {min(p99_s):.2f} to {max(p99_s):.2f} s")
    assert delayed == pytest.approx(1000, rel=0.15)
    assert all(4.6 <= each <= 5.2 for each in p99_s)


@pytest.mark.parametrize("rate_per_s", [200.0, 500.0, 1000.0])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_rate_is_held_or_the_pass_says_that_it_was_not(
    server: Server, shop: str, tmp_path: Path, rate_per_s: float, workers: int
) -> None:
    options = TrafficOptions(
        rate_per_s=rate_per_s, workers=workers, arrivals="fixed", warm_s=2.0, after_s=2.0
    )
    scripts = scripts_of(tmp_path, "SELECT pg_sleep(2);")
    workload = rehearse_load(server, shop, scripts, options).workload
    assert workload is not None
    assert workload.achieved_per_s is not None
    assert workload.scheduling_delay_s is not None
    delay = workload.scheduling_delay_s
    print(f"{workload.achieved_per_s:.1f}/s, late p50 {delay.p50 * 1e3:.2f} p99 {delay.p99 * 1e3:.2f} ms")
    held = abs(workload.achieved_per_s / rate_per_s - 1) <= 0.02 and delay.p99 <= 0.005
    assert workload.rate_held == held
    assert held == (workload.rate_note is None)
