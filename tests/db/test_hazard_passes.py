"""The loaded passes beside hazards, as a run puts them into its file, and the dangers that they show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from load_trials import SHOP, SHOPPING

from bench.analyse.conclude import conclude
from bench.errors import UsageError
from bench.migrate.suite import Suite, find_suite
from bench.model.deploy import HAZARDS
from bench.model.finding import Finding
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.hazards import replica
from bench.run.progress import Event, Said
from bench.run.session import RunOptions, rehearse
from bench.run.template.options import DataOptions
from bench.run.traffic.onepass import TrafficOptions
from bench.run.traffic.passes import HazardOptions, refuse_hazards
from bench.run.traffic.retry import RetryPolicy
from bench.workload.spec import RequestClass, TrafficMix

QUICK = TrafficOptions(SHOPPING, rate_per_s=50.0, connections=10, warm_s=0.2, after_s=0.2, drain_s=3.0)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "base.sql").write_text(SHOP)
    (tmp_path / "001_title.sql").write_text("ALTER TABLE parents ADD COLUMN title text;")
    return find_suite(str(tmp_path))


def rehearsed(
    server: Server,
    suite: Suite,
    hazards: HazardOptions,
    said: list[str] | None = None,
    load: TrafficOptions = QUICK,
) -> Run:
    def progress(event: Event) -> None:
        if said is not None and isinstance(event, Said):
            said.append(event.text)

    options = RunOptions(
        1, explain=False, probe=False, load=load, hazards=hazards, data=DataOptions(cache=False)
    )
    return rehearse(server, suite, options, run_id="r", save=lambda _: None, progress=progress)


def test_a_hazard_that_does_not_come_about_is_told_and_the_others_go_on(server: Server, suite: Suite) -> None:
    said: list[str] = []
    hazards = HazardOptions(("autovacuum", "bulk-write"), 0.5, RetryPolicy(5.0))
    run = rehearsed(server, suite, hazards, said)
    passes = [(each.hazard, each.lock_timeout_s) for each in run.passes if each.kind == "loaded"]
    assert passes == [(None, None), ("bulk-write", None), ("bulk-write", 5.0)]
    (note,) = [each for each in run.notes if each.subject == "hazard autovacuum"]
    assert "did not come about: the largest table has" in note.text
    assert sum("autovacuum is left out" in text for text in said) == 1
    assert any(text.startswith("4 passes under traffic to come") for text in said)
    for each in run.passes[2:]:
        record = each.repeats[0].hazard
        assert record is not None
        assert record.evidence["tables"] == ["public.parents"], "of those that the deploy locks"


def test_what_a_server_cannot_have_is_refused_by_name_and_told_among_all(
    server: Server, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "WAL_ROOM_BYTES", 2**62)
    with pytest.raises(UsageError, match="--hazard replica: a second copy of the server may take"):
        refuse_hazards(server, HazardOptions(("replica",)))
    refuse_hazards(server, HazardOptions(HAZARDS))
    unmanaged = replace(server, kind="dsn")
    with pytest.raises(UsageError, match="--hazard autovacuum: it needs settings of the whole server"):
        refuse_hazards(unmanaged, HazardOptions(("long-reader", "autovacuum")))


def test_with_no_hazard_the_deploy_is_tried_once_more_with_its_lock_timeout(
    server: Server, suite: Suite
) -> None:
    run = rehearsed(server, suite, HazardOptions(policy=RetryPolicy(5.0, 3)))
    assert [(each.kind, each.lock_timeout_s, each.retries) for each in run.passes] == [
        ("solo", None, None),
        ("loaded", None, None),
        ("loaded", 5.0, 3),
    ]
    assert [each.outcome for each in run.passes[2].repeats[0].tries] == ["applied"]


def findings(run: Run, code: str) -> list[Finding]:
    return [each for each in conclude(run).findings if each.code == code]


def test_who_queues_behind_a_waiting_deploy_is_a_finding(server: Server, suite: Suite) -> None:
    run = rehearsed(server, suite, HazardOptions(("long-reader",), 1.6))
    (queue,) = findings(run, "lock-queue")
    assert (queue.migration, queue.statement, queue.relation) == ("001_title", 0, "public.parents")
    assert queue.severity == "warning"
    assert queue.evidence["hazard"] == "long-reader"
    assert queue.evidence["worst_blocked_s"] > 1.0
    assert {"read parents", "write parents", "insert children"} <= set(queue.evidence["classes"])
    assert "lock_timeout" in (queue.fix or "")
    without = replace(run, passes=run.passes[:2])
    assert findings(without, "lock-queue") == [], "with nothing in the way nobody queues"


LOCKED_CHILDREN_LAST = "BEGIN; LOCK TABLE parents; LOCK TABLE children; COMMIT;"
LOCKED_CHILDREN_FIRST = "BEGIN; LOCK TABLE children; LOCK TABLE parents; COMMIT;"


def test_an_order_of_locks_that_requests_reverse_is_a_finding(
    server: Server, suite: Suite, tmp_path: Path
) -> None:
    (tmp_path / "001_title.sql").write_text(LOCKED_CHILDREN_LAST)
    run = rehearsed(server, find_suite(str(tmp_path)), HazardOptions())
    (order,) = findings(run, "deadlock-order")
    assert order.severity == "warning"
    assert order.evidence["deploy"] == ["public.parents", "public.children"]
    assert order.evidence["requests"] == ["public.children", "public.parents"]
    assert order.evidence["classes"] == ["insert children"]
    (tmp_path / "001_title.sql").write_text(LOCKED_CHILDREN_FIRST)
    run = rehearsed(server, find_suite(str(tmp_path)), HazardOptions())
    assert findings(run, "deadlock-order") == []


def test_a_deadlock_under_traffic_is_a_finding(server: Server, suite: Suite, tmp_path: Path) -> None:
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
    (tmp_path / "001_title.sql").write_text(
        "BEGIN; LOCK TABLE parents; SELECT pg_sleep(0.3); LOCK TABLE others; COMMIT;"
    )
    load = TrafficOptions(clashing, rate_per_s=5.0, connections=5, warm_s=0.5, after_s=0.5, drain_s=5.0)
    run = rehearsed(server, find_suite(str(tmp_path)), HazardOptions(), load=load)
    reversed_, *came_about = sorted(findings(run, "deadlock-order"), key=lambda each: each.statement is None)
    assert reversed_.evidence["requests"] == ["public.others", "public.parents"]
    (deadlock,) = came_about
    assert deadlock.migration == "001_title"
    assert deadlock.evidence["deadlocks"] > 0
    assert deadlock.evidence["requests_failed"] > 0 or deadlock.severity == "error"
