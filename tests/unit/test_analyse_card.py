"""The deploy card: sentences from figures, and a sentence for what was not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import (
    a_class,
    a_lock,
    a_migration,
    a_run,
    a_stalled_workload,
    a_statement,
    a_workload,
    an_error,
    empty_run,
    failed_run,
    hazard_run,
    loaded_run,
    rich_run,
)

from bench.analyse.conclude import conclude
from bench.model.load import Workload
from bench.model.run import Note, Pass, Repeat, Run


def sentences(run: Run) -> dict[str, str]:
    card = conclude(run).card
    assert len({line.topic for line in card.lines}) == len(card.lines)
    return {line.topic: line.text for line in card.lines}


def tones(run: Run) -> dict[str, str]:
    return {line.topic: line.tone for line in conclude(run).card.lines}


def test_it_says_how_long_and_who_waits_for_how_long() -> None:
    said = sentences(loaded_run())
    assert said["deploy"] == "On this data (725 k rows) the deploy takes 500 ms (n=1)."
    assert said["traffic"] == (
        'Under 80 requests/s it takes 1.20 s (n=1); reads of deals wait up to 1.20 s ("deal list"), no write '
        "was seen to wait; 1 request fails."
    )


def test_beside_a_hazard_it_says_what_waiting_costs_and_what_retries_cost() -> None:
    assert sentences(hazard_run())["long-reader"] == (
        "Beside long-reader (a SELECT over 3 tables, open for 30 s) it takes 30.5 s, 29.3 s longer than "
        "without it, waiting up to 30.0 s for a lock, and 1,214 requests wait, up to 30.0 s; with "
        "lock_timeout 2 s and up to 20 retries it needs 15 tries, 2.50 s in all, and 1,214 requests wait, "
        "none longer than 2.00 s."
    )


def test_where_hazards_were_measured_it_says_which_timeout_to_set() -> None:
    run = hazard_run()
    altering = a_statement(0, "ALTER TABLE deals ADD a int", duration_s=0.01, locks=(a_lock(),))
    solo = Pass("solo", None, (Repeat(0, None, (a_migration([altering]),)),))
    assert sentences(replace(run, passes=(solo, *run.loaded)))["timeout"] == (
        "To set: lock_timeout 50.0 ms with up to 14 tries; behind a reader of 10 s requests then stand still "
        "for 310 ms and not for 10.0 s (computed; bench advise runs it)."
    )
    quiet = [part for part in run.loaded if part.hazard is None]
    assert "timeout" not in sentences(replace(run, passes=(solo, *quiet)))


def test_a_pass_that_was_cut_off_between_two_migrations_tells_no_duration() -> None:
    run = hazard_run()
    files = (*run.suite.migrations, replace(run.suite.migrations[0], id="002_never_reached"))
    said = sentences(replace(run, suite=replace(run.suite, migrations=files)))
    assert said["long-reader"].startswith(
        "Beside long-reader (a SELECT over 3 tables, open for 30 s) it did not come to its end"
    )
    assert "30.5 s" not in said["long-reader"]
    assert "2.50 s" not in said["long-reader"]


def test_what_was_not_measured_is_said_with_its_reason() -> None:
    assert sentences(rich_run())["traffic"] == (
        "Not measured: what the application's requests would wait for (there was no loaded pass)."
    )
    assert "not measured" not in sentences(rich_run())  # the sentence before says it all
    noted = replace(rich_run(), notes=(Note("loaded pass", "Left out: there is no workload.toml."),))
    assert "(Left out: there is no workload.toml)." in sentences(noted)["traffic"]
    assert (
        sentences(empty_run())["deploy"] == "Not measured: how long the deploy takes (the run was cut off)."
    )
    assert sentences(hazard_run())["not measured"] == (
        "Not measured: the deploy beside backup, idle-in-transaction, autovacuum, bulk-write and replica "
        "(--hazard backup,idle-in-transaction,autovacuum,bulk-write,replica)."
    )
    assert sentences(loaded_run())["not measured"].endswith("(--hazard all).")


def test_a_deploy_that_fails_says_where_and_with_what() -> None:
    said = sentences(failed_run())
    assert "the deploy fails at " in said["deploy"]
    assert "(23505)" in said["deploy"]
    assert said["traffic"].endswith("(a migration fails even without them).")
    assert tones(failed_run())["deploy"] == "bad"


def test_a_run_that_somebody_interrupted_is_no_deploy_that_fails() -> None:
    error = replace(an_error(None, line=7), message="interrupted", detail=None, interrupted=True)
    run = replace(a_run([a_migration([a_statement(outcome="failed", error=error)])]), finished_at=None)
    said = sentences(run)
    assert said["deploy"] == (
        "Not measured: how long the deploy takes (the run was interrupted at 001_first.sql:7)."
    )
    assert said["traffic"].endswith("(the run was interrupted).")
    assert tones(run) == {"deploy": "unknown", "traffic": "unknown"}


def stopped(run: Run, position: int) -> Run:
    """The run with one of its passes failing with a lock timeout."""
    found = run.passes[position]
    error = replace(an_error("55P03", line=7), message="canceling statement due to lock timeout")
    failed = a_migration([a_statement(outcome="failed", error=error)])
    repeat = replace(found.repeats[0], migrations=(failed,))
    passes = list(run.passes)
    passes[position] = replace(found, repeats=(repeat,))
    return replace(run, passes=tuple(passes))


def test_failing_beside_a_hazard_is_bad_unless_retries_get_it_through() -> None:
    run = stopped(hazard_run(), 2)
    assert (
        "it fails after 30.5 s at 001_first.sql:7: canceling statement due to lock timeout (55P03), waiting"
        in sentences(run)["long-reader"]
    )
    assert tones(run)["long-reader"] == "warn"  # 2 s at most with retries
    assert tones(stopped(run, 3))["long-reader"] == "bad"
    said = sentences(stopped(run, 3))["long-reader"]
    assert "it does not get through in 15 tries: canceling statement due to lock timeout, and" in said
    assert tones(hazard_run())["long-reader"] == "warn"
    without = replace(hazard_run(), passes=hazard_run().passes[:3])
    assert tones(without)["long-reader"] == "bad"  # 30 s


def test_a_pass_whose_generator_fell_behind_is_marked_in_its_sentence() -> None:
    late = a_workload(rate_held=False, rate_note="The generator did not hold its rate: it was late.")
    said = sentences(loaded_run(late))
    assert said["traffic"].endswith("1 request fails [marked].")
    assert said["marked"] == "To be read with care. The generator did not hold its rate: it was late."
    assert "marked" not in sentences(loaded_run())


def test_a_pool_that_runs_out_is_told_with_the_slowest_request() -> None:
    full = a_stalled_workload(30.0)
    full = replace(full, timeline=tuple(replace(slot, queued=700) for slot in full.timeline))
    assert "wait up to 30.0 s" in sentences(loaded_run(full))["traffic"]
    assert (
        ", while up to 700 more queue for one of the 32 connections (the slowest request takes 1.21 s)"
        in (sentences(loaded_run(full))["traffic"])
    )


def test_the_worst_of_several_repeats_counts_and_n_is_said() -> None:
    run = loaded_run()
    found = run.passes[1]
    calm = a_class(worst_blocked_s=0.0, blocked_s=0.0, errors=())
    second = replace(found.repeats[0], index=1, workload=a_workload(calm, wait_count=0))
    run = replace(run, passes=(run.passes[0], replace(found, repeats=(*found.repeats, second))))
    said = sentences(run)["traffic"]
    assert "(n=2, 1.20–1.20)" in said
    assert "wait up to 1.20 s" in said


@pytest.mark.parametrize("locks", [None, ()])
def test_a_lock_wait_that_nobody_looked_for_is_not_told(locks: tuple[()] | None) -> None:
    workload: Workload = replace(a_stalled_workload(30.0), locks=locks)
    run = hazard_run()
    repeat = replace(run.passes[2].repeats[0], workload=workload)
    run = replace(run, passes=(*run.passes[:2], replace(run.passes[2], repeats=(repeat,))))
    assert "for a lock" not in sentences(run)["long-reader"]


def test_a_pass_without_traffic_says_nothing() -> None:
    run = rich_run()
    empty = Pass("loaded", None, (replace(run.passes[0].repeats[0], workload=None),))
    card = conclude(replace(run, passes=(*run.passes, empty))).card
    assert card.passes == ()
    assert [line.topic for line in card.lines] == ["deploy", "longest", "traffic"]


def test_retries_with_nothing_in_the_way_have_a_sentence_of_their_own() -> None:
    run = hazard_run()
    alone = replace(run.passes[3], hazard=None)
    said = [line.text for line in conclude(replace(run, passes=(*run.passes[:2], alone))).card.lines]
    assert any(
        text.startswith("With lock_timeout 2 s and up to 20 retries it needs 15 tries") for text in said
    )
