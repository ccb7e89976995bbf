"""The loaded pass on a real server: planted locks, deadlocks, broken queries, and generators that die."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
from fix_db import Connect
from fix_tcp import PASSWORD, TcpServer
from load_trials import (
    NEEDED,
    SHOPPING,
    Hold,
    fill_shop,
    inside_s,
    load_of,
    rehearse_load,
    script_of,
    scripts_of,
    truths,
)
from tcp_proxy import TcpProxy

from bench.errors import ServerError, UsageError
from bench.model.load import Workload
from bench.model.lock import LockMode
from bench.model.run import Repeat
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.endpoint import parse_dsn
from bench.pg.server import Server
from bench.run.traffic.onepass import TrafficOptions, loaded_pass
from bench.workload.spec import RequestClass, TrafficMix

QUICK = TrafficOptions(
    rate_per_s=250.0, arrivals="fixed", connections=20, warm_s=0.4, after_s=0.4, trial_s=0.4, drain_s=3.0
)


@pytest.fixture
def shop(connect: Connect, database: str) -> str:
    """The name of a database that has the shop."""
    fill_shop(connect())
    return database


def workload_of(repeat: Repeat) -> Workload:
    assert repeat.workload is not None
    return repeat.workload


def test_planted_locks_block_the_classes_that_conflict_and_no_other(
    server: Server, shop: str, tmp_path: Path
) -> None:
    holds = [Hold(mode, 0.15) for mode in LockMode]
    repeat = rehearse_load(server, shop, scripts_of(tmp_path, script_of(holds)), QUICK)
    workload = workload_of(repeat)
    assert repeat.migrations[0].outcome == "applied"
    for true in truths(workload, holds):
        blocked = {each.name for each in workload.classes if inside_s(each, true.begin_s, true.end_s) > 0.02}
        expected = {name for name, mode in NEEDED.items() if true.hold.mode.conflicts_with(mode)}
        assert blocked == expected, true
    assert load_of(workload, "read children").blocked_s == load_of(workload, "write others").blocked_s == 0.0
    held = {(wait.cause.relation, wait.cause.mode) for wait in workload.waits if wait.cause.granted}
    assert ("public.parents", LockMode.ACCESS_EXCLUSIVE) in held
    assert {relation for relation, _ in held} == {"public.parents"}
    for true in truths(workload, holds):
        if true.hold.mode.strength > LockMode.ROW_EXCLUSIVE.strength:
            (span,) = [each for each in workload.locks or () if each.mode == true.hold.mode]
            assert (span.relation, span.granted) == ("public.parents", True)
            # The lock was taken inside LOCK TABLE and released inside COMMIT: both must be in what was seen.
            assert span.at_most_s[0] <= true.lock.end_s
            assert true.lock.begin_s <= span.surely_s[0] + 0.001
            assert span.surely_s[1] - 0.001 <= true.commit.end_s
            assert true.commit.begin_s <= span.at_most_s[1]
    assert all(wait.waited_s_bounds[0] <= wait.waited_s <= wait.waited_s_bounds[1] for wait in workload.waits)
    assert sum(each.failed + each.unfinished for each in workload.classes) == 0


def test_every_request_that_was_due_is_counted_once(server: Server, shop: str, tmp_path: Path) -> None:
    script = "BEGIN; LOCK TABLE parents; SELECT pg_sleep(0.5); COMMIT;"
    workload = workload_of(rehearse_load(server, shop, scripts_of(tmp_path, script), QUICK))
    sent = sum(each.sent for each in workload.classes)
    assert abs(sent - workload.offered_per_s * workload.duration_s) <= 2
    assert all(each.sent == each.ok + each.failed + each.unfinished for each in workload.classes)
    assert sum(slot.sent for slot in workload.timeline) == sent
    assert max(slot.blocked for slot in workload.timeline) > 5


def test_a_stall_delays_all_that_became_due_in_it(server: Server, shop: str, tmp_path: Path) -> None:
    script = "BEGIN; LOCK TABLE parents, children, others; SELECT pg_sleep(1.5); COMMIT;"
    workload = workload_of(rehearse_load(server, shop, scripts_of(tmp_path, script), QUICK))
    # 250 a second are due in 1.5 s; of these all but the last tenth of a second wait longer than 0.1 s,
    # though only 20 connections were there to be stalled.
    assert sum(each.delayed for each in workload.classes) > 0.8 * 250 * 1.4
    worst = max(each.latency_s.max for each in workload.classes if each.latency_s)
    assert worst > 1.4
    assert max(slot.queued for slot in workload.timeline) > 200


def test_a_query_that_breaks_shows_when_and_how(server: Server, shop: str, tmp_path: Path) -> None:
    script = "ALTER TABLE parents RENAME COLUMN name TO title;"
    workload = workload_of(rehearse_load(server, shop, scripts_of(tmp_path, script), QUICK))
    broken = load_of(workload, "read parents")
    assert [(error.sqlstate, error.before, error.message) for error in broken.errors] == [
        ("42703", 0, 'column "name" does not exist')
    ]
    assert broken.errors[0].after > 0
    assert load_of(workload, "read children").errors == ()


def test_a_deadlock_with_the_migration_is_counted(server: Server, shop: str, tmp_path: Path) -> None:
    clashing = TrafficMix(
        (
            RequestClass(
                "both",
                ("BEGIN", "UPDATE others SET name = 'd' WHERE id = 1", "SELECT pg_sleep(0.3)",
                 "UPDATE parents SET name = 'd' WHERE id = 1", "COMMIT"),
                ("public.others", "public.parents"),
                "write",
            ),
        ),
        "pgbench",
    )  # fmt: skip
    script = "BEGIN; LOCK TABLE parents; SELECT pg_sleep(0.3); LOCK TABLE others; COMMIT;"
    options = TrafficOptions(rate_per_s=5.0, connections=5, warm_s=0.5, after_s=0.5, drain_s=5.0)
    repeat = rehearse_load(server, shop, scripts_of(tmp_path, script), options, clashing)
    workload = workload_of(repeat)
    assert workload.deadlocks
    states = {error.sqlstate for each in workload.classes for error in each.errors}
    failed = repeat.migrations[0].error
    assert "40P01" in states or (failed is not None and failed.sqlstate == "40P01")


def test_the_capacity_is_tried_and_half_of_it_offered(server: Server, shop: str, tmp_path: Path) -> None:
    options = TrafficOptions(connections=8, warm_s=0.3, after_s=0.3, trial_s=0.4)
    workload = workload_of(rehearse_load(server, shop, scripts_of(tmp_path, "SELECT 1;"), options))
    assert workload.capacity_per_s
    assert workload.offered_per_s == pytest.approx(workload.capacity_per_s / 2)


def test_a_killed_generator_leaves_what_it_had_measured(server: Server, shop: str, tmp_path: Path) -> None:
    def kill() -> None:
        children = psutil.Process().children()
        worker = next(each for each in children if "bench.workload.worker" in " ".join(each.cmdline()))
        os.kill(worker.pid, signal.SIGKILL)

    killer = threading.Timer(0.1, kill)
    script = "SELECT pg_sleep(0.8);"

    def began(event: object) -> None:
        if type(event).__name__ == "StatementBegan":
            killer.start()

    kept: list[Repeat] = []
    loaded_pass(server, shop, scripts_of(tmp_path, script), SHOPPING, QUICK, keep=kept.append, progress=began)
    workload = workload_of(kept[0])
    assert workload.workers_lost == 1
    assert any("ended before their time" in note for note in workload.notes)
    assert not workload.rate_held
    assert sum(each.ok for each in workload.classes) > 20


def test_a_server_that_goes_away_ends_the_pass_with_what_was_measured(
    server: Server, connect: Connect, shop: str, tmp_path: Path
) -> None:
    """As far as this database's sessions can tell: all of them end, and none is let in again."""
    admin = connect("postgres")

    def cut() -> None:
        admin.execute(f"ALTER DATABASE {shop} ALLOW_CONNECTIONS false".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (shop,))

    def began(event: object) -> None:
        if type(event).__name__ == "StatementBegan":
            threading.Timer(0.2, cut).start()

    kept: list[Repeat] = []
    loaded_pass(
        server, shop, scripts_of(tmp_path, "SELECT pg_sleep(30);"), SHOPPING, QUICK, keep=kept.append,
        progress=began,
    )  # fmt: skip
    assert kept[0].migrations[0].outcome == "failed"
    workload = workload_of(kept[0])
    assert sum(each.ok for each in workload.classes) > 50
    assert any("watches who waits" in note for note in workload.notes)
    assert not [
        each for each in psutil.Process().children() if "bench.workload.worker" in " ".join(each.cmdline())
    ]


@pytest.mark.parametrize(
    ("request_class", "message"),
    [
        (RequestClass("a", ("SELECT * FROM nowhere",), ("x",), "read"), '"a" fails before any migration ran'),
        (
            RequestClass("b", ("SELECT %(n)s",), ("x",), "read", draw="SELECT 1 AS m"),
            r'"b" uses %\(n\)s, which its draw does not yield',
        ),
        (
            RequestClass("c", ("SELECT %(n)s",), ("x",), "read", draw="SELECT 1 AS n WHERE false"),
            '"c": its draw yields no row',
        ),
    ],
)
def test_a_class_that_cannot_work_is_refused_before_the_traffic(
    server: Server, shop: str, tmp_path: Path, request_class: RequestClass, message: str
) -> None:
    mix = TrafficMix((request_class,), "workload.toml", "w.toml")
    with pytest.raises(UsageError, match=message):
        rehearse_load(server, shop, scripts_of(tmp_path, "SELECT 1;"), QUICK, mix)


def test_too_many_connections_are_refused(server: Server, shop: str, tmp_path: Path) -> None:
    options = TrafficOptions(rate_per_s=10.0, connections=2000)
    with pytest.raises((ServerError, psycopg.OperationalError), match="connections could not be opened"):
        rehearse_load(server, shop, scripts_of(tmp_path, "SELECT 1;"), options)


def test_a_network_that_is_cut_ends_the_pass_with_what_was_measured(tcp: TcpServer, tmp_path: Path) -> None:
    dbname = new_name("test")
    create_database(tcp.admin, dbname)
    try:
        with tcp.admin.connect(dbname) as conn:
            fill_shop(conn)
        with TcpProxy(tcp.port) as proxy:
            through = replace(tcp, port=proxy.port).dsn("postgres")
            server = replace(tcp.admin, endpoint=parse_dsn(through))
            kept: list[Repeat] = []

            def began(event: object) -> None:
                if type(event).__name__ == "StatementBegan":
                    threading.Timer(0.2, proxy.cut).start()

            loaded_pass(
                server, dbname, scripts_of(tmp_path, "SELECT pg_sleep(30);"), SHOPPING, QUICK,
                keep=kept.append, progress=began,
            )  # fmt: skip
        assert kept[0].migrations[0].outcome == "failed"
        workload = workload_of(kept[0])
        assert sum(each.ok for each in workload.classes) > 50
        assert {error.sqlstate for each in workload.classes for error in each.errors} <= {"08006"}
        assert sum(each.failed + each.unfinished for each in workload.classes) > 0
        assert workload.deadlocks is None
        assert PASSWORD not in repr(kept[0])
    finally:
        drop_database(tcp.admin, dbname)
