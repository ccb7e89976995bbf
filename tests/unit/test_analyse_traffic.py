"""Findings of the loaded pass: who waited under traffic, and what broke."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from factories import a_class, a_lock, a_migration, a_run, a_statement, a_workload, an_error, loaded_run

from bench.analyse.conclude import conclude
from bench.model.budget import Budget
from bench.model.finding import Finding
from bench.model.load import (
    BlockedBy,
    Cause,
    ClassLoad,
    ComparedRequest,
    HeldLock,
    KeptError,
    LockOrder,
    RequestErrors,
    RequestSide,
)
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


def broken_by(error: RequestErrors, *texts: str) -> Finding:
    run = loaded_run(a_workload(a_class(errors=(error,), sent_after=62)))
    statements = [a_statement(index, text) for index, text in enumerate(texts)]
    repeats = a_run([a_migration(statements)]).passes
    (broken,) = found(replace(run, passes=(*repeats, run.passes[1])), "broken-query")
    return broken


ADDED = "ALTER TABLE deals ADD COLUMN region text"
DROPPED = "ALTER TABLE deals DROP COLUMN stage"


def test_a_broken_request_is_told_at_the_statement_that_defines_what_it_misses() -> None:
    broken = broken_by(
        GONE, ADDED, "UPDATE deals SET region = stage", DROPPED, "CREATE INDEX ON deals (region)"
    )
    assert broken.statement == 2
    assert broken.place is not None
    assert broken.place.line == 21
    gone = RequestErrors("42P01", 60, 0, 0, 60, 'relation "deals" does not exist', 3.4)
    assert broken_by(gone, "DROP TABLE deals").statement == 0


@pytest.mark.parametrize(
    "texts",
    [
        (ADDED,),
        (ADDED, DROPPED, "ALTER TABLE contacts RENAME COLUMN phase TO stage"),
        (DROPPED, "DO $$ stage $$"),
    ],
    ids=["none names it", "two name it", "a block may have done it"],
)
def test_a_broken_request_has_no_statement_where_it_may_be_another(texts: tuple[str, ...]) -> None:
    assert broken_by(GONE, *texts).statement is None


@pytest.mark.parametrize(
    "error",
    [
        RequestErrors("42703", 70, 30, 10, 30, "column deals.stage does not exist", 0.4),
        RequestErrors("40P01", 3, 0, 2, 1, "deadlock detected", 3.4),
        RequestErrors("40001", 4, 1, 1, 2, "could not serialize access", 0.4),
        RequestErrors("23505", 5, 0, 2, 3, "duplicate key value violates a constraint", 3.1),
        RequestErrors("23503", 5, 1, 1, 3, "violates foreign key constraint", 0.9),
    ],
    ids=["before as after", "deadlocks", "serialization", "keys drawn twice", "rows deleted by others"],
)
def test_failures_that_requests_bring_on_each_other_are_no_broken_query(error: RequestErrors) -> None:
    load = a_class(errors=(error,), sent_before=62, sent_after=62)
    assert found(loaded_run(a_workload(load)), "broken-query") == []


@pytest.mark.parametrize(
    ("error", "sent_before"),
    [
        (RequestErrors("55000", 62, 0, 0, 62, "cannot update table without a replica identity", 3.4), 62),
        (RequestErrors("23505", 60, 0, 0, 60, "duplicate key value", 3.4), 62),
        (RequestErrors("23505", 62, 2, 0, 60, "duplicate key value", 3.4), 62),
        (RequestErrors("40001", 60, 1, 0, 59, "could not serialize access", 0.4), 62),
        (RequestErrors("08006", 62, 0, 0, 62, "the connection broke", 3.4), 62),
        (RequestErrors("P0001", 1, 0, 0, 1, "stage is not allowed", 4.4), None),
    ],
)
def test_whatever_fails_since_the_migrations_is_broken(error: RequestErrors, sent_before: int | None) -> None:
    load = a_class(errors=(error,), sent_before=sent_before, sent_after=62)
    (broken,) = found(loaded_run(a_workload(load)), "broken-query")
    assert (broken.severity, broken.evidence["sqlstate"]) == ("error", error.sqlstate)


def test_a_request_that_was_due_before_and_failed_for_the_deploy_is_no_failure_before_it() -> None:
    error = RequestErrors("42703", 62, 1, 1, 60, "no column", 2.9, ended_before=0, ended_during=20)
    (broken,) = found(loaded_run(a_workload(a_class(errors=(error,), sent_after=62))), "broken-query")
    assert broken.severity == "error"


def test_more_that_fail_during_the_deploy_than_before_it_are_told() -> None:
    error = RequestErrors("40001", 52, 2, 50, 0, "could not serialize access", 0.4, 2, 50)
    load = a_class(errors=(error,), sent=300, sent_before=150, sent_after=90)
    (broken,) = found(loaded_run(a_workload(load)), "broken-query")
    assert (broken.severity, "for a while during them, 50 requests" in broken.message) == ("warning", True)


def test_a_fault_of_part_of_the_rows_lasts() -> None:
    error = RequestErrors("23514", 184, 0, 164, 20, "violates check constraint", 3.4)
    (broken,) = found(loaded_run(a_workload(a_class(errors=(error,), sent_after=270))), "broken-query")
    assert broken.severity == "error"
    assert "fails after them for part of the rows, 20 of 270 requests" in broken.message


@pytest.mark.parametrize(
    ("constraint", "way_out"), [(None, "Keep a partition"), ("deals_check", "check allows")]
)
def test_rows_without_a_partition_are_told_from_a_check_in_any_language(
    constraint: str | None, way_out: str
) -> None:
    message = "keine Partition von Relation »deals« gefunden"
    error = RequestErrors("23514", 184, 0, 164, 20, message, 3.4, constraint=constraint)
    (broken,) = found(loaded_run(a_workload(a_class(errors=(error,), sent_after=270))), "broken-query")
    assert way_out in (broken.fix or "")


def side(sent: int = 60, **changes: Any) -> RequestSide:
    return replace(RequestSide(sent, 0, sent, 0, latency_s=(0.0002,) * sent), **changes)


def compared(before: RequestSide, after: RequestSide, **changes: Any) -> Run:
    request = replace(ComparedRequest("deal list", "public.deals", "read", before, after), **changes)
    return replace(loaded_run(a_workload(a_class(errors=()))), requests=(request,))


def test_a_chance_failure_that_the_same_parameters_show_is_broken() -> None:
    error = RequestErrors("23503", 9, 0, 4, 5, "violates foreign key constraint", 3.4)
    run = compared(side(), side(failed=6, sqlstate="23503", message="violates foreign key constraint"))
    load = a_class(errors=(error,), sent_before=62, sent_after=62)
    (repeat,) = loaded_run(a_workload(load)).passes[1].repeats
    (broken,) = found(replace(run, passes=(run.passes[0], Pass("loaded", None, (repeat,)))), "broken-query")
    assert (broken.severity, broken.evidence["failed_after"]) == ("error", 5)
    (broken,) = found(run, "broken-query")
    assert "for part of the rows, 6 of 60 requests with the same parameters" in broken.message


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (side(), side(), []),
        (side(), side(rows=0, empty=60), [("fewer-rows", "error")]),
        (side(), side(rows=57, empty=3), [("fewer-rows", "warning")]),
        (side(), side(empty=60), [("fewer-rows", "error")]),
        (side(), side(rows=5000), [("more-rows", "warning")]),
        (side(), side(rows=70), []),
        (side(), side(rows=59, unexpected=1), [("fewer-rows", "error")]),
        (side(), side(rows=70, unexpected=1), [("more-rows", "error")]),
        (side(rows=0, empty=60), side(rows=0, empty=60), []),
        (side(), side(latency_s=(0.1,) * 60), [("slower-query", "error")]),
        (side(), side(latency_s=(0.002,) * 60), [("slower-query", "warning")]),
        (side(), side(latency_s=(0.0009,) * 60), []),
        (side(latency_s=(0.004,) * 60), side(latency_s=(0.009,) * 60), []),
        (side(), side(latency_s=(0.0003,) * 40 + (0.5,) * 20), []),
        (side(), side(latency_s=(0.0003,) * 16 + (0.5,) * 44), []),
        (side(2), side(2, latency_s=(0.5,) * 2), []),
    ],
)
def test_rows_and_time_of_the_same_requests_are_compared(
    before: RequestSide, after: RequestSide, told: list[tuple[str, str]]
) -> None:
    run = compared(before, after, expected="1 row")
    codes = "fewer-rows", "more-rows", "slower-query"
    assert [(finding.code, finding.severity) for finding in found(run, *codes)] == told


def test_rows_that_are_not_the_same_twice_are_not_compared() -> None:
    assert found(compared(side(), side(rows=0, empty=60), steady=False), "fewer-rows") == []


def test_a_statement_that_a_session_keeps_prepared_is_told_unless_nobody_prepares_it() -> None:
    error = KeptError("0A000", "cached plan must not change result type")
    for source, prepared, severities in (
        ("workload.toml", None, ["warning"]), ("catalog", None, ["info"]), ("workload.toml", True, []),
    ):  # fmt: skip
        load = a_class(errors=(), kept_error=error, prepared=prepared)
        told = found(loaded_run(a_workload(load, source=source)), "cached-plan")
        assert [finding.severity for finding in told] == severities


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
    assert stop.evidence.get("hazard") == hazard
    assert None not in stop.evidence.values(), "what is not known is left out"
    assert "(55P03)" in stop.message
    assert found(stopping(run, hazard, "40P01"), "fails-under-traffic") == [], "which is a deadlock"
    assert found(with_passes(), "fails-under-traffic") == []


def test_what_another_try_does_not_cure_is_not_tried_again() -> None:
    run = a_run([a_migration([a_statement()])])
    (stop,) = found(stopping(run, None, "23502"), "fails-under-traffic")
    assert "Trying again does not help" in (stop.fix or "")
    (stop,) = found(stopping(run, None), "fails-under-traffic")
    assert "--retries 20" in (stop.fix or "")


def test_a_deploy_that_gets_through_with_retries_does_not_stop() -> None:
    run = with_passes(beside("backup", a_class(blocked_by=(), errors=()), lock_timeout_s=2.0))
    (finding,) = found(stopping(run, "backup"), "fails-under-traffic")
    assert finding.severity == "warning", "as the files have it, it still stops: somebody has to agree"
    assert finding.message.endswith("; with lock_timeout 2 s and retries it gets through")
