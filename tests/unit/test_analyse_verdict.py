"""The verdict follows from what was measured, at limits that stand in one place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import (
    a_base_dataset,
    a_lock,
    a_migration,
    a_run,
    a_statement,
    an_error,
    empty_run,
    failed_run,
    rich_run,
)
from hypothesis import given
from hypothesis import strategies as st

from bench.analyse.conclude import conclude
from bench.analyse.verdict import EMPTY_TABLES, NO_STATEMENT
from bench.model.budget import DEFAULT_LIMITS, Limits
from bench.model.finding import Verdict
from bench.model.lock import Lock, LockMode
from bench.model.run import MigrationRun, Run


def run_with(*locks: Lock) -> Run:
    return a_run([a_migration([a_statement(locks=locks)])])


def verdict_for(held_s: float | None, mode: LockMode = LockMode.ACCESS_EXCLUSIVE) -> Verdict:
    bounds = None if held_s is None else (held_s, held_s)
    return conclude(run_with(a_lock(mode=mode, held_s=held_s, bounds=bounds))).verdict


def test_ready_sentence_has_duration_spread_and_the_longest_wait_on_a_named_table() -> None:
    verdict = conclude(rich_run()).verdict
    assert verdict == Verdict(
        "ready",
        "crm is ready: 4 migrations apply in 10.5 s (n=3, 10.2–10.8) on 725 k rows; nobody's reads or writes "
        "would wait longer than 754 ms for a table (deals, ACCESS EXCLUSIVE); behind long transactions they "
        "may wait longer.",
        (),
    )


@pytest.mark.parametrize(
    ("held_s", "status"),
    [(0.5, "ready"), (1.0, "ready"), (1.001, "conditional"), (10.0, "conditional"), (10.001, "not_ready")],
)
def test_the_limits_are_one_and_ten_seconds(held_s: float, status: str) -> None:
    assert (DEFAULT_LIMITS.conditional_s, DEFAULT_LIMITS.not_ready_s) == (1.0, 10.0)
    assert verdict_for(held_s).status == status


def test_other_limits_can_be_given() -> None:
    assert conclude(rich_run(), Limits(conditional_s=0.1, not_ready_s=0.5)).verdict.status == "not_ready"


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_longer_hold_never_gives_a_better_verdict(one: float, other: float) -> None:
    order = ["ready", "conditional", "not_ready"]
    low, high = sorted((one, other))
    assert order.index(verdict_for(low).status) <= order.index(verdict_for(high).status)


def test_the_upper_bound_of_the_hold_decides() -> None:
    assert conclude(run_with(a_lock(held_s=0.9, bounds=(0.7, 1.1)))).verdict.status == "conditional"


def test_the_worst_repeat_decides() -> None:
    repeats = ([a_migration([a_statement(locks=(a_lock(held_s=held),))])] for held in (0.1, 12.0, 0.1))
    assert conclude(a_run(*repeats)).verdict.status == "not_ready"


def test_writes_count_as_much_as_reads() -> None:
    verdict = verdict_for(11.0, LockMode.SHARE)
    assert verdict.status == "not_ready"
    assert "001_first.sql:1 blocks writes on deals for up to 11.0 s (SHARE; limit 10.0 s)" in verdict.sentence


@pytest.mark.parametrize(
    "lock",
    [
        a_lock(held_s=60.0, new=True),
        a_lock(held_s=60.0, mode=LockMode.SHARE_UPDATE_EXCLUSIVE),
        a_lock(held_s=60.0, mode=LockMode.ROW_EXCLUSIVE),
        a_lock("public.i", held_s=60.0, target="index", new=True, table="public.deals"),
    ],
    ids=["new table", "share update exclusive", "row exclusive", "new index"],
)
def test_locks_that_block_no_reads_or_writes_do_not_matter(lock: Lock) -> None:
    verdict = conclude(run_with(lock)).verdict
    assert verdict.status == "ready"
    assert "no lock that reads or writes on existing tables would wait for" in verdict.sentence


def test_an_unknown_hold_of_a_blocking_lock_is_a_condition_not_a_pass() -> None:
    verdict = verdict_for(None)
    assert verdict.status == "conditional"
    assert verdict.conditions == (
        "001_first.sql:1: how long it holds ACCESS EXCLUSIVE on public.deals is not known",
    )


def test_conditions_name_the_worst_lock_per_table_longest_first_with_who_waits() -> None:
    verdict = conclude(
        run_with(
            a_lock("public.a", LockMode.SHARE, held_s=2.0, bounds=(2.0, 2.0)),
            a_lock("public.b", held_s=4.0, bounds=(4.0, 4.0)),
            a_lock("public.b_pkey", held_s=3.0, target="index", table="public.b"),
            a_lock("public.c", held_s=0.5),
        )
    ).verdict
    assert verdict.conditions == (
        "001_first.sql:1 holds ACCESS EXCLUSIVE on public.b for up to 4.00 s: "
        "SELECT, INSERT, UPDATE and DELETE wait",
        "001_first.sql:1 holds SHARE on public.a for up to 2.00 s: INSERT, UPDATE and DELETE wait",
    )


def test_a_failure_is_not_ready_with_place_message_and_sqlstate() -> None:
    verdict = conclude(failed_run()).verdict
    assert verdict.status == "not_ready"
    assert verdict.sentence == (
        "crm is not ready: 20250831000001_migrate_legacy_contact_relationships.sql:24: duplicate key value "
        'violates unique constraint "companies_domain_key" (23505).'
    )
    assert verdict.conditions[1].startswith("not reached, so not measured: 20250831000002_add")


def test_a_failure_in_some_repeats_says_in_how_many() -> None:
    good = [a_migration([a_statement()])]
    bad = [a_migration([a_statement(outcome="failed", error=an_error("40P01"))])]
    assert conclude(a_run(good, bad, good)).verdict.sentence.endswith("(40P01), in 1 of 3 repeats.")


def test_a_failure_without_a_statement_of_its_own_is_named_by_its_file() -> None:
    cut_off = replace(a_migration([a_statement()]), outcome="failed")
    assert (
        conclude(a_run([cut_off])).verdict.sentence
        == "crm is not ready: 001_first.sql: was not applied to its end."
    )
    open_transaction = replace(cut_off, error=an_error("25P02", line=40))
    assert "001_first.sql:40: could not" in conclude(a_run([open_transaction])).verdict.sentence


def test_a_failure_outweighs_every_lock() -> None:
    failing = a_statement(1, outcome="failed", error=an_error())
    run = a_run([a_migration([a_statement(locks=(a_lock(held_s=60.0),)), failing])])
    assert "001_first.sql:11" in conclude(run).verdict.sentence


def test_nothing_measured_is_not_ready_and_incomplete_where_the_run_was_cut_off() -> None:
    assert conclude(empty_run()).verdict.status == "incomplete"
    whole = conclude(replace(empty_run(), finished_at="2026-01-01T00:00:00+00:00")).verdict
    assert whole.status == "not_ready"
    assert "no migration was measured" in whole.sentence


def test_a_migration_that_did_not_run_is_a_condition() -> None:
    run = a_run([a_migration([a_statement()]), MigrationRun("002_second", "skipped", None, None, ())])
    verdict = conclude(run).verdict
    assert verdict.status == "conditional"
    assert "002_second.sql did not run" in verdict.conditions


def test_reads_and_writes_are_told_apart_where_they_differ() -> None:
    verdict = conclude(
        run_with(a_lock("public.a", held_s=0.1), a_lock("public.b", LockMode.SHARE, held_s=0.8))
    ).verdict
    assert "nobody's writes would wait longer than 805 ms for a table (b, SHARE)" in verdict.sentence
    assert "nobody's reads than 105 ms for a table (a, ACCESS EXCLUSIVE)" in verdict.sentence
    assert "reads would not wait" in verdict_for(0.5, LockMode.SHARE).sentence


def test_durations_on_empty_tables_are_ready_on_conditions_at_most() -> None:
    run = replace(run_with(), dataset=a_base_dataset(0))
    assert (conclude(run).verdict.status, conclude(run).verdict.conditions) == (
        "conditional",
        (EMPTY_TABLES,),
    )
    assert (
        conclude(replace(run_with(a_lock(held_s=60.0)), dataset=a_base_dataset(0))).verdict.status
        == "not_ready"
    )
    assert "on 1 row;" in conclude(replace(run, dataset=a_base_dataset(1))).verdict.sentence


def test_a_suite_that_creates_everything_from_nothing_needs_no_rows() -> None:
    run = replace(run_with(), dataset=replace(a_base_dataset(0), tables=()))
    assert conclude(run).verdict.status == "ready"


def test_a_suite_of_comments_alone_is_not_plainly_ready() -> None:
    verdict = conclude(a_run([replace(a_migration([]), duration_s=0.0)])).verdict
    assert (verdict.status, verdict.conditions) == ("conditional", (NO_STATEMENT,))
    assert verdict.sentence == "crm is ready on conditions: there is no statement to run."
