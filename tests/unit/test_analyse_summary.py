"""A run summed up: medians over the repeats, locks merged, and only what others can feel blocks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import (
    a_lock,
    a_migration,
    a_query,
    a_run,
    a_statement,
    an_error,
    empty_run,
    failed_run,
    rich_run,
)
from hypothesis import given
from hypothesis import strategies as st

from bench.analyse.locks import LockSummary
from bench.analyse.summary import RunSummary, summarise
from bench.analyse.verdict import describe_failure
from bench.model.lock import Lock, LockMode
from bench.model.run import MigrationRun, Pass, Repeat
from bench.model.statement import Counters, Rewrite

AX, SHARE = LockMode.ACCESS_EXCLUSIVE, LockMode.SHARE


def with_locks(*repeats: tuple[Lock, ...]) -> RunSummary:
    return summarise(a_run(*([a_migration([a_statement(locks=locks)])] for locks in repeats)))


def only_lock(*repeats: tuple[Lock, ...]) -> LockSummary:
    (lock,) = with_locks(*repeats).locks
    return lock


def with_counters(*repeats: tuple[Counters, ...]) -> RunSummary:
    return summarise(
        a_run(*([a_migration([a_statement(i, counters=c) for i, c in enumerate(each)])] for each in repeats))
    )


def test_durations_are_medians_over_the_repeats_with_all_values_kept() -> None:
    summary = summarise(a_run(*([a_migration([a_statement(duration_s=d)])] for d in (3.0, 1.0, 2.0))))
    for spread in (summary.duration_s, summary.migrations[0].duration_s, summary.statements[0].duration_s):
        assert spread is not None
        assert (spread.values, spread.median, spread.low, spread.high) == ((3.0, 1.0, 2.0), 2.0, 1.0, 3.0)


@given(st.permutations(range(5)))
def test_order_of_the_repeats_changes_no_figure(order: list[int]) -> None:
    run = rich_run(5)
    solo = run.passes[0]
    shuffled = replace(run, passes=(replace(solo, repeats=tuple(solo.repeats[i] for i in order)),))
    one, other = summarise(run), summarise(shuffled)
    assert one.duration_s is not None
    assert other.duration_s is not None
    assert one.duration_s.median == other.duration_s.median
    assert [each.counters for each in one.statements] == [each.counters for each in other.statements]
    assert [lock.longest_s for lock in one.locks] == [lock.longest_s for lock in other.locks]
    assert one.worst_write_block is not None
    assert other.worst_write_block is not None
    assert one.worst_write_block.where == other.worst_write_block.where


def test_statements_and_locks_of_the_whole_run_are_those_of_its_migrations_in_order() -> None:
    summary = summarise(rich_run())
    assert len(summary.migrations) == 4
    assert [each.index for each in summary.migrations[0].statements] == list(range(11))
    assert len(summary.statements) == 30
    assert summary.locks == tuple(lock for migration in summary.migrations for lock in migration.locks)


def test_the_loaded_pass_changes_nothing() -> None:
    run = rich_run()
    slow = a_migration(
        [a_statement(duration_s=900.0, locks=(a_lock(held_s=900.0),))], id=run.suite.migrations[0].id
    )
    loaded = replace(run, passes=(*run.passes, Pass("loaded", None, (Repeat(0, None, (slow,)),))))
    assert summarise(loaded) == summarise(run)


def test_a_run_without_repeats_lists_its_migrations_as_not_run() -> None:
    summary = summarise(empty_run())
    assert (summary.n, summary.duration_s, summary.wal_bytes) == (0, None, None)
    assert [each.outcome for each in summary.migrations] == [None]
    assert not summary.finished
    assert summary.worst_read_block is None


def test_a_failure_in_one_repeat_is_the_outcome_and_its_repeat_has_no_total() -> None:
    good = [a_migration([a_statement(duration_s=1.0)])]
    bad = [a_migration([a_statement(duration_s=9.0, outcome="failed", error=an_error())])]
    summary = summarise(a_run(good, bad, good))
    (migration,) = summary.migrations
    assert (migration.outcome, migration.failures, migration.n) == ("failed", 1, 3)
    assert summary.failed == migration
    assert summary.duration_s is not None
    assert summary.duration_s.values == (1.0, 1.0)


def test_the_failed_statement_is_named_with_the_line_where_the_server_points() -> None:
    failed = summarise(failed_run()).failed
    assert failed is not None
    assert failed.failed_statement is not None
    assert failed.failed_statement.where == "20250831000001_migrate_legacy_contact_relationships.sql:24"
    elsewhere = a_migration([a_statement(outcome="failed", error=an_error(line=7))])
    assert summarise(a_run([elsewhere])).statements[0].where == "001_first.sql:7"
    assert summarise(a_run([elsewhere])).migrations[0].failure_line == 7
    unplaced = a_migration([a_statement(3, outcome="failed", error=an_error())])
    assert summarise(a_run([unplaced])).migrations[0].failure_line == 31
    assert summarise(rich_run()).migrations[0].failure_line is None


def test_statements_and_locks_of_an_included_file_are_placed_in_it() -> None:
    included = a_statement(
        line=7, file="parts/a.sql", outcome="failed", error=an_error(line=9), locks=(a_lock(),)
    )
    summary = summarise(a_run([a_migration([included])]))
    (migration,) = summary.migrations
    (statement,) = migration.statements
    assert statement.where == "parts/a.sql:9"
    assert statement.locks[0].where == "parts/a.sql:7"
    assert (migration.file, migration.failure_file, migration.failure_line) == (
        "001_first.sql", "parts/a.sql", 9,
    )  # fmt: skip
    assert describe_failure(migration).startswith("parts/a.sql:9: ")
    in_directory = included.file_beside("deploy/001_first.sql")
    assert in_directory == "deploy/parts/a.sql"


def test_a_counter_that_is_equal_in_all_repeats_is_not_listed_as_varying() -> None:
    (statement,) = with_counters((Counters(10, 5),), (Counters(10, 6),), (Counters(10, 7),)).statements
    assert (statement.counters.wal_bytes, statement.counters.wal_records) == (10, 6)
    assert list(statement.varying) == ["wal_records"]


def test_a_counter_median_is_a_value_that_was_read() -> None:
    (statement,) = with_counters((Counters(10),), (Counters(13),)).statements
    assert statement.counters.wal_bytes == 10


def test_an_unknown_counter_is_unknown_and_not_zero() -> None:
    summary = with_counters((Counters(), Counters(wal_bytes=5)))
    assert summary.statements[0].counters.wal_bytes is None
    assert summary.migrations[0].wal_bytes is None, "a sum with a hole is no sum"
    assert summary.wal_bytes is None


def test_totals_leave_out_transaction_control_without_figures_and_statements_that_did_not_apply() -> None:
    statements = [
        a_statement(0, "BEGIN", kind="BEGIN", counters=Counters()),
        a_statement(1, counters=Counters(wal_bytes=7)),
        a_statement(2, counters=Counters(), outcome="failed", error=an_error()),
    ]
    wal = summarise(a_run([a_migration(statements)])).migrations[0].wal_bytes
    assert wal is not None
    assert wal.values == (7,)


def test_totals_equal_the_sum_of_the_raw_figures() -> None:
    run = rich_run()
    repeats = run.passes[0].repeats
    summary = summarise(run)
    assert summary.wal_bytes is not None
    assert summary.wal_bytes.values == tuple(
        sum(s.counters.wal_bytes or 0 for m in repeat.migrations for s in m.statements) for repeat in repeats
    )
    assert summary.duration_s is not None
    assert summary.duration_s.values == pytest.approx(
        [sum(s.duration_s or 0 for m in repeat.migrations for s in m.statements) for repeat in repeats]
    )


def test_a_lock_is_merged_over_the_repeats_and_keeps_the_bounds_of_its_longest_hold() -> None:
    holds = [(1.0, (0.9, 1.1)), (3.0, (2.8, 3.3)), (2.0, (1.9, 2.1))]
    lock = only_lock(*((a_lock(held_s=held, bounds=bounds),) for held, bounds in holds))
    assert lock.held_s is not None
    assert (lock.held_s.values, lock.held_s_bounds, lock.longest_s) == ((1.0, 3.0, 2.0), (2.8, 3.3), 3.3)


def test_of_several_holds_in_one_repeat_the_longest_counts() -> None:
    lock = only_lock((a_lock(held_s=0.2), a_lock(held_s=0.7), a_lock(held_s=0.1)))
    assert lock.held_s is not None
    assert lock.held_s.values == (0.7,)


def test_a_lock_that_only_some_repeats_saw_is_kept() -> None:
    assert only_lock((), (a_lock(held_s=0.4),), ()).held_s is not None


def test_an_unknown_hold_is_no_hold_of_zero() -> None:
    lock = only_lock((a_lock(held_s=None),))
    assert (lock.held_s, lock.longest_s) == (None, None)
    assert only_lock((a_lock(held_s=None),), (a_lock(held_s=0.3),)).longest_s == pytest.approx(0.305)


def test_a_merged_lock_is_sampled_where_any_repeat_was() -> None:
    assert only_lock((a_lock(),), (a_lock(source="sampled"),)).source == "sampled"
    assert only_lock((a_lock(),), (a_lock(),)).source == "exact"


def test_of_equal_modes_the_longer_hold_stands_first_and_an_unknown_one_last() -> None:
    holds = {"public.c": None, "public.a": 0.1, "public.b": 0.7}
    summary = with_locks(tuple(a_lock(name, AX, held_s) for name, held_s in holds.items()))
    assert [lock.relation for lock in summary.locks] == ["public.b", "public.a", "public.c"]


def test_a_wait_for_a_lock_is_the_longest_known_of_each_repeat() -> None:
    waits = (
        replace(a_lock(), waited_s=0.2),
        replace(a_lock(), waited_s=None),
        replace(a_lock(), waited_s=0.5),
    )
    lock = only_lock(waits, (replace(a_lock(), waited_s=None),))
    assert lock.waited_s is not None
    assert lock.waited_s.values == (0.5,)


def test_locks_stand_strongest_first_and_the_strongest_felt_one_is_named() -> None:
    new_view = a_lock("public.v", AX, target="view", new=True)
    summary = with_locks((a_lock("public.a", LockMode.ROW_EXCLUSIVE), a_lock("public.b", SHARE), new_view))
    assert [lock.relation for lock in summary.locks] == ["public.v", "public.b", "public.a"]
    strongest = summary.statements[0].strongest_lock
    assert strongest is not None
    assert strongest.relation == "public.b"


@pytest.mark.parametrize(
    ("lock", "reads", "writes"),
    [
        (a_lock(mode=AX), True, True),
        (a_lock(mode=SHARE), False, True),
        (a_lock(mode=LockMode.SHARE_UPDATE_EXCLUSIVE), False, False),
        (a_lock(mode=AX, new=True), False, False),
        (a_lock("pg_toast.pg_toast_1", mode=AX, target="toast"), False, False),
        (a_lock("public.deals_pkey", mode=AX, target="index", table="public.deals"), True, True),
    ],
    ids=["access exclusive", "share", "share update exclusive", "new relation", "toast", "index"],
)
def test_who_waits_for_a_lock(lock: Lock, reads: bool, writes: bool) -> None:
    summary = with_locks((lock,))
    assert (summary.worst_read_block is not None, summary.worst_write_block is not None) == (reads, writes)


def test_an_index_is_felt_through_its_table() -> None:
    lock = only_lock((a_lock("public.deals_pkey", target="index", table="public.deals"),))
    assert lock.subject == "public.deals"


def test_the_worst_block_is_the_longest_not_the_strongest() -> None:
    summary = with_locks((a_lock("public.a", AX, 0.1), a_lock("public.b", SHARE, 5.0)))
    assert summary.worst_write_block is not None
    assert summary.worst_write_block.relation == "public.b"
    assert summary.worst_read_block is not None
    assert summary.worst_read_block.relation == "public.a"


def test_rewrites_are_joined_over_the_repeats() -> None:
    rewrite = Rewrite("public.deals", "table", None, 8192)
    runs = [[a_migration([a_statement(rewrites=each)])] for each in ((), (rewrite,), (rewrite,))]
    assert summarise(a_run(*runs)).statements[0].rewrites == (rewrite,)


def test_a_migration_that_was_not_reached_is_skipped_without_figures() -> None:
    summary = summarise(failed_run())
    assert [each.outcome for each in summary.migrations] == ["applied", "failed", "skipped", "skipped"]
    assert summary.migrations[3].duration_s is None
    partly = a_run([a_migration([a_statement()]), MigrationRun("002", "skipped", None, None, ())])
    assert summarise(partly).duration_s is None


def test_queries_say_what_changed() -> None:
    run = a_run(
        [a_migration([a_statement()])], queries=[a_query(0.2, 0.1, same_plan=False), a_query(None, 0.1)]
    )
    changed, added = summarise(run).queries
    assert changed.plan_changed is True
    assert changed.ratio == pytest.approx(0.5)
    assert (added.added, added.ratio, added.plan_changed) == (True, None, None)
    assert [query.broken for query in summarise(rich_run()).queries] == [False, False, False, True]


def test_a_file_without_a_statement_writes_nothing_and_leaves_the_totals_known() -> None:
    empty = replace(a_migration([], "002_empty"), duration_s=0.0)
    summary = summarise(a_run([a_migration([a_statement()]), empty]))
    assert summary.wal_bytes is not None
    assert summary.wal_bytes.median == 8192
    assert summary.migrations[1].size_delta_bytes is not None
    assert summary.migrations[1].size_delta_bytes.median == 0
