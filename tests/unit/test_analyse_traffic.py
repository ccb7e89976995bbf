"""Findings of the loaded pass: who waited under traffic, and what broke."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import a_class, a_lock, a_migration, a_run, a_statement, a_workload, an_error, loaded_run

from bench.analyse.conclude import conclude
from bench.model.budget import Budget
from bench.model.finding import Finding
from bench.model.load import BlockedBy, Cause, ClassLoad, HeldLock, LockOrder, RequestErrors
from bench.model.run import Pass, Run

GONE = RequestErrors("42703", 70, 0, 10, 60, "column deals.stage does not exist", 3.4)


def found(run: Run, *codes: str) -> list[Finding]:
    return [each for each in conclude(run).findings if each.code in codes]


def blocked(worst_s: float, access: str = "read", relation: str | None = "public.deals") -> ClassLoad:
    cause = Cause("001_first", 0, relation, "AccessExclusiveLock", True, "AccessShareLock")
    by = (BlockedBy(cause, 9, worst_s, worst_s),)
    return a_class(access=access, blocked_by=by, blocked_s=worst_s, worst_blocked_s=worst_s, errors=())


@pytest.mark.parametrize(
    ("worst_s", "severities"), [(0.05, []), (0.4, ["info"]), (1.2, ["warning"]), (14.0, ["error"])]
)
def test_a_wait_under_traffic_is_as_grave_as_it_is_long(worst_s: float, severities: list[str]) -> None:
    run = loaded_run(a_workload(blocked(worst_s)))
    waits = [each for each in found(run, "blocks-reads") if "under traffic" in each.message]
    assert [each.severity for each in waits] == severities
    for each in waits:
        assert (each.migration, each.statement, each.relation) == ("001_first", 0, "public.deals")
        assert each.evidence["worst_blocked_s"] == worst_s


def test_writers_of_changed_rows_are_told_apart() -> None:
    run = loaded_run(a_workload(blocked(2.0, "write", relation=None)))
    (wait,) = [each for each in found(run, "blocks-writes") if "under traffic" in each.message]
    assert "rows that it has changed" in wait.message
    assert wait.fix == "Change fewer rows in each transaction."


def test_a_class_that_fails_only_since_the_migrations_is_broken() -> None:
    run = loaded_run(a_workload(a_class(errors=(GONE,), sent_after=62)))
    (broken,) = found(run, "broken-query")
    assert broken.severity == "error"
    assert broken.migration == "001_first"
    assert "column deals.stage does not exist (42703)" in broken.message


@pytest.mark.parametrize(
    "error",
    [replace(GONE, before=3), replace(GONE, sqlstate="40P01")],
    ids=["before, too", "a deadlock"],
)
def test_other_failures_are_no_broken_query(error: RequestErrors) -> None:
    assert found(loaded_run(a_workload(a_class(errors=(error,), sent_after=62))), "broken-query") == []


def test_a_class_that_fails_for_a_while_is_a_condition() -> None:
    run = loaded_run(a_workload(a_class(errors=(replace(GONE, during=70, after=0),), sent_after=62)))
    (broken,) = found(run, "broken-query")
    assert broken.severity == "warning"
    assert "fails for a while" in broken.message


def queued(worst_s: float, **changes: object) -> ClassLoad:
    """Reads that waited for a lock which the migration itself waited for."""
    cause = Cause("001_first", 0, "public.deals", "AccessExclusiveLock", False, "AccessShareLock")
    by = (BlockedBy(cause, 9, worst_s, worst_s),)
    return a_class(blocked_by=by, blocked_s=worst_s, worst_blocked_s=worst_s, errors=(), **changes)


def beside(hazard: str | None, load: ClassLoad, lock_timeout_s: float | None = None) -> Pass:
    (repeat,) = loaded_run(a_workload(load)).passes[1].repeats
    return Pass("loaded", hazard, (repeat,), lock_timeout_s)


def with_passes(*passes: Pass) -> Run:
    run = loaded_run(a_workload(a_class(blocked_by=(), errors=())))
    return replace(run, passes=(*run.passes, *passes))


@pytest.mark.parametrize(
    ("worst_s", "severities"), [(0.05, []), (0.4, ["info"]), (1.2, ["warning"]), (14.0, ["error"])]
)
def test_a_queue_behind_a_waiting_lock_is_told_with_its_pass(worst_s: float, severities: list[str]) -> None:
    queues = found(with_passes(beside("long-reader", queued(worst_s))), "lock-queue")
    assert [each.severity for each in queues] == severities
    for each in queues:
        assert "queues for public.deals beside long-reader: 9 requests wait behind it" in each.message
        assert each.evidence["passes"][0]["hazard"] == "long-reader"
    assert found(with_passes(beside("long-reader", queued(worst_s))), "blocks-reads") == []


def test_the_pass_with_retries_speaks_for_its_hazard() -> None:
    passes = beside("long-reader", queued(14.0)), beside("long-reader", queued(0.4), 2.0)
    (queue,) = found(with_passes(*passes), "lock-queue")
    assert (queue.severity, queue.evidence["worst_blocked_s"]) == ("info", 0.4)
    (queue,) = found(with_passes(*passes, beside("backup", queued(3.0))), "lock-queue")
    assert (queue.evidence["hazard"], queue.evidence["worst_blocked_s"]) == ("backup", 3.0)


def test_a_queue_within_the_suites_budget_is_no_condition() -> None:
    run = with_passes(beside("long-reader", queued(1.9)))
    for limit, severity in ((2.25, "info"), (1.0, "warning")):
        budget = Budget("longest_blocked_read_s", limit, "bench.toml:2", "any")
        (queue,) = found(replace(run, suite=replace(run.suite, budgets=(budget,))), "lock-queue")
        assert queue.severity == severity


COMPANIES, DEALS, TASKS = "public.companies", "public.deals", "public.tasks"


def in_one_transaction(*tables: str) -> Run:
    """A migration that locks the tables one statement after the other until its end."""
    statements = [
        a_statement(
            index=n,
            locks=[replace(a_lock(relation=table), granted_at_s=float(n), released_at_s=10.0)],
        )
        for n, table in enumerate(tables)
    ]
    return a_run([a_migration(statements)])


def coming(run: Run, *orders: tuple[str, ...]) -> Run:
    """The run with requests that come to tables in these orders, the last one being waited for."""
    workload = a_workload(
        a_class(blocked_by=(), errors=()),
        lock_orders=tuple(
            LockOrder(
                f"class {n}", last, "AccessShareLock", tuple(HeldLock(t, "AccessShareLock") for t in held)
            )
            for n, (*held, last) in enumerate(orders)
        ),
    )
    repeat = replace(run.passes[0].repeats[0], workload=workload)
    return replace(run, passes=(*run.passes, Pass("loaded", None, (repeat,))))


@pytest.mark.parametrize(
    ("deploy", "requests", "pairs"),
    [
        ((COMPANIES, DEALS), [(COMPANIES, DEALS)], []),
        ((COMPANIES, DEALS), [(DEALS, COMPANIES)], [[COMPANIES, DEALS]]),
        ((COMPANIES, DEALS), [(TASKS, COMPANIES)], []),
        # Whoever has the deals first lets the other come to nothing else.
        ((DEALS, COMPANIES, TASKS), [(DEALS, TASKS, COMPANIES)], []),
        # Not where the request comes to them last.
        (
            (DEALS, COMPANIES, TASKS),
            [(TASKS, DEALS), (TASKS, DEALS, COMPANIES)],
            [[DEALS, TASKS]],
        ),
    ],
)
def test_orders_that_lead_to_a_deadlock(
    deploy: tuple[str, ...], requests: list[tuple[str, ...]], pairs: list[list[str]]
) -> None:
    orders = found(coming(in_one_transaction(*deploy), *requests), "deadlock-order")
    assert [each.evidence["deploy"] for each in orders] == pairs
    assert [each.evidence["requests"] for each in orders] == [pair[::-1] for pair in pairs]


def test_tables_locked_in_transactions_of_their_own_are_no_order() -> None:
    run = in_one_transaction(COMPANIES, DEALS)
    apart = [
        replace(
            statement,
            locks=tuple(replace(lock, released_at_s=statement.index + 0.5) for lock in statement.locks),
        )
        for statement in run.passes[0].repeats[0].migrations[0].statements
    ]
    assert found(coming(a_run([a_migration(apart)]), (DEALS, COMPANIES)), "deadlock-order") == []


def test_deadlocks_that_came_about_count_unless_the_application_had_them_before() -> None:
    deadlock = RequestErrors("40P01", 3, 2, 1, 0, "deadlock detected", 3.4, ended_before=0, ended_during=3)
    (came_about,) = found(loaded_run(a_workload(a_class(errors=(deadlock,)), deadlocks=3)), "deadlock-order")
    assert (came_about.severity, came_about.migration) == ("warning", "001_first")
    assert came_about.evidence["requests_failed"] == 3
    before = replace(deadlock, ended_before=1)
    assert found(loaded_run(a_workload(a_class(errors=(before,)), deadlocks=4)), "deadlock-order") == []


def stopping(run: Run, hazard: str | None, sqlstate: str = "55P03") -> Run:
    """The run with a loaded pass in which its migration failed."""
    failed = a_migration([a_statement(outcome="failed", error=an_error(sqlstate))])
    (repeat,) = beside(None, a_class(blocked_by=(), errors=())).repeats
    stopped = Pass("loaded", hazard, (replace(repeat, migrations=(failed,)),))
    return replace(run, passes=(*run.passes, stopped))


@pytest.mark.parametrize(("hazard", "severity"), [(None, "error"), ("backup", "warning")])
def test_a_deploy_that_stops_under_traffic_alone(hazard: str | None, severity: str) -> None:
    run = a_run([a_migration([a_statement()])])
    (stop,) = found(stopping(run, hazard), "fails-under-traffic")
    assert (stop.severity, stop.migration, stop.statement) == (severity, "001_first", 0)
    assert stop.evidence["hazard"] == hazard
    assert "(55P03)" in stop.message
    assert found(stopping(run, hazard, "40P01"), "fails-under-traffic") == [], "which is a deadlock"
    assert found(with_passes(), "fails-under-traffic") == []


def test_a_deploy_that_gets_through_with_retries_does_not_stop() -> None:
    run = with_passes(beside("backup", a_class(blocked_by=(), errors=()), lock_timeout_s=2.0))
    assert found(stopping(run, "backup"), "fails-under-traffic") == []
