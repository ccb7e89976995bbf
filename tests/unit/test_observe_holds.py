"""Snapshots and samples together: which statement took a lock, and its shortest and longest hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.model.lock import MOST_SPELLS, Lock
from bench.observe.clock import DeployClock
from bench.observe.holds import Hold, HoldTracker, as_locks, refine
from bench.observe.intervals import Look, SeenInterval
from bench.observe.relations import Relation, RelationCatalog

AEL, SHARE, SUEL = "AccessExclusiveLock", "ShareLock", "ShareUpdateExclusiveLock"
TABLE, INDEX, MADE = 20000, 20001, 30000
READ = 0.05


def seen(
    oid: int, mode: str, epoch: int, at: tuple[float, float, float, float], granted: bool = True
) -> SeenInterval:
    """Between the last sample without it and the first; each sample takes ``READ``."""
    before, first, last, after = at
    return SeenInterval(
        oid, mode, granted, epoch, before, (first - READ, first), (last, last + READ), (after - READ, after)
    )


def test_a_lock_belongs_to_the_statement_that_took_it_until_the_commit() -> None:
    tracker = HoldTracker()
    tracker.snapshot(1, {(TABLE, AEL)}, (1.0, 2.0))
    tracker.snapshot(2, {(TABLE, AEL), (TABLE, SHARE)}, (3.0, 4.0))
    tracker.release_all((5.0, 5.1))
    by_mode = {hold.mode: hold for hold in tracker.holds}
    assert by_mode[AEL] == Hold(TABLE, AEL, 1, (1.0, 2.0), (5.0, 5.1), "exact")
    assert by_mode[SHARE].statement == 2


def test_a_lock_gone_from_the_snapshot_went_in_that_statement() -> None:
    """ROLLBACK TO SAVEPOINT releases what came after the savepoint."""
    tracker = HoldTracker()
    tracker.snapshot(0, {(TABLE, AEL)}, (1.0, 2.0))
    tracker.snapshot(1, set(), (3.0, 4.0))
    tracker.release_all((9.0, 9.0))
    assert [hold.released for hold in tracker.holds] == [(3.0, 4.0)]


def test_a_sample_narrows_the_grant_of_an_exact_hold() -> None:
    exact = Hold(TABLE, AEL, 0, (1.0, 9.0), (9.5, 9.6), "exact")
    (hold,) = refine([exact], [seen(TABLE, AEL, 0, (4.0, 4.2, 8.9, 9.7))], {0: (1.0, 9.0)})
    assert hold.granted == (4.0, 4.2)
    assert hold.released == (9.5, 9.6)
    assert hold.source == "exact"


def test_a_sample_of_the_statement_before_does_not_move_the_grant() -> None:
    exact = Hold(TABLE, AEL, 1, (5.0, 6.0), (6.5, 6.6), "exact")
    (hold,) = refine([exact], [seen(TABLE, AEL, 1, (3.0, 5.5, 5.9, 6.7))], {0: (1.0, 4.0), 1: (5.0, 6.0)})
    assert hold.granted == (5.0, 5.5)


def test_a_lock_that_no_snapshot_shows_is_sampled_and_stays_inside_its_statement() -> None:
    (hold,) = refine([], [seen(TABLE, SUEL, 0, (0.5, 1.2, 7.9, 8.4))], {0: (1.0, 8.0)})
    assert hold.source == "sampled"
    assert hold.granted == (1.0, 1.2)
    assert hold.released == (7.9, 8.0)


def test_what_was_seen_before_the_statement_began_is_not_its_own() -> None:
    """A first try inside a transaction was refused, and the statement began again outside."""
    assert refine([], [seen(TABLE, SUEL, 0, (0.1, 0.2, 0.8, 0.9))], {0: (1.0, 8.0)}) == ()


def test_samples_under_a_lock_held_from_an_earlier_statement_add_nothing() -> None:
    exact = Hold(TABLE, AEL, 0, (1.0, 2.0), (9.0, 9.1), "exact")
    holds = refine([exact], [seen(TABLE, AEL, 1, (3.0, 3.1, 7.0, 7.1))], {0: (1.0, 2.0), 1: (3.0, 8.0)})
    assert [hold.source for hold in holds] == ["exact"]


def test_a_wait_is_told_with_its_lock() -> None:
    exact = Hold(TABLE, AEL, 0, (1.0, 9.0), (9.5, 9.6), "exact")
    wait = seen(TABLE, AEL, 0, (1.0, 1.5, 4.5, 4.6), granted=False)
    (hold,) = refine([exact], [wait, seen(TABLE, AEL, 0, (4.5, 4.6, 8.9, 9.7))], {0: (1.0, 9.0)})
    assert hold.granted == (4.5, 4.6)
    assert hold.waited == (pytest.approx(3.0), pytest.approx(3.6))
    assert hold.wait_seen


def test_a_wait_begins_when_the_server_says() -> None:
    exact = Hold(TABLE, AEL, 0, (1.0, 9.0), (9.5, 9.6), "exact")
    wait = replace(seen(TABLE, AEL, 0, (1.0, 1.5, 4.5, 4.6), granted=False), began=(1.2, 1.25))
    (hold,) = refine([exact], [wait, seen(TABLE, AEL, 0, (4.5, 4.6, 8.9, 9.7))], {0: (1.0, 9.0)})
    assert hold.waited == (pytest.approx(3.25), pytest.approx(3.4))


def test_a_wait_that_ended_without_the_lock_is_not_the_later_holds() -> None:
    """A lock_timeout, caught; then the lock was free."""
    exact = Hold(TABLE, AEL, 0, (1.0, 9.0), (9.5, 9.6), "exact")
    failed = seen(TABLE, AEL, 0, (1.0, 1.5, 2.5, 2.6), granted=False)
    (hold,) = refine([exact], [failed, seen(TABLE, AEL, 0, (6.0, 6.1, 8.9, 9.7))], {0: (1.0, 9.0)})
    assert not hold.wait_seen
    assert hold.waited == (0.0, pytest.approx(0.1))


def test_a_wait_that_no_sample_shows_is_no_longer_than_the_time_between_two() -> None:
    exact = Hold(TABLE, AEL, 0, (1.0, 9.0), (9.5, 9.6), "exact")
    (hold,) = refine([exact], [seen(TABLE, AEL, 0, (4.0, 4.2, 8.9, 9.7))], {0: (1.0, 9.0)})
    assert hold.waited == (0.0, pytest.approx(0.2))


def test_nothing_is_known_of_a_wait_in_a_statement_that_was_made_to_wait() -> None:
    frozen = Hold(TABLE, AEL, 0, (1.0, 9.0), (1.0, 9.0), "frozen")
    (hold,) = refine([frozen], [seen(TABLE, AEL, 0, (4.0, 4.2, 8.9, 9.7))], {0: (1.0, 9.0)})
    assert hold == frozen


def test_a_lock_taken_twice_in_a_statement_is_two_holds() -> None:
    """An exception block gave it back in between; the snapshot at the end shows the second."""
    exact = Hold(TABLE, AEL, 0, (1.0, 9.0), (9.5, 9.6), "exact")
    spells = [seen(TABLE, AEL, 0, (1.5, 2.0, 3.0, 3.5)), seen(TABLE, AEL, 0, (6.0, 6.5, 8.9, 9.7))]
    last, first = refine([exact], spells, {0: (1.0, 9.0)})
    assert (last.source, last.granted) == ("exact", (6.0, 6.5))
    assert (first.source, first.granted, first.released) == ("sampled", (1.5, 2.0), (3.0, 3.5))


def test_a_lock_that_no_sample_shows_came_after_the_last_of_them() -> None:
    exact = Hold(TABLE, AEL, 0, (1.0, 9.0), (9.5, 9.6), "exact")
    looks = [Look(8.0, 8.1, 0, 0.5), Look(8.5, 8.6, 0, 0.5), Look(9.0, 9.1, 0, 0.5)]
    (hold,) = refine([exact], [], {0: (1.0, 9.0)}, looks)
    assert hold.granted == (8.5, 9.0)


def test_a_lock_gone_in_a_sample_and_back_at_the_end_came_after_it() -> None:
    exact = Hold(TABLE, AEL, 0, (1.0, 9.0), (9.5, 9.6), "exact")
    looks = [Look(8.0, 8.1, 0, 0.5), Look(8.5, 8.6, 0, 0.5)]
    holds = refine([exact], [seen(TABLE, AEL, 0, (1.5, 2.0, 3.0, 8.1))], {0: (1.0, 9.0)}, looks)
    assert [(hold.source, hold.granted) for hold in holds] == [
        ("exact", (8.5, 9.0)),
        ("sampled", (1.5, 2.0)),
    ]


def test_the_last_sample_under_a_lock_narrows_its_release() -> None:
    """A COMMIT that checks a deferred constraint for long keeps the lock until its end."""
    exact = Hold(TABLE, AEL, 0, (1.0, 2.0), (3.0, 9.0), "exact")
    spells = [seen(TABLE, AEL, 0, (1.0, 1.5, 2.5, 3.6)), seen(TABLE, AEL, 1, (2.5, 3.6, 8.5, 9.2))]
    (hold,) = refine([exact], spells, {0: (1.0, 2.0), 1: (3.0, 9.0)})
    assert hold.released == (8.5, 9.0)


def test_what_came_after_the_statements_end_is_not_its_own() -> None:
    """The harness reads the sizes of relations, and locks them weakly for that."""
    assert refine([], [seen(TABLE, "AccessShareLock", 0, (7.9, 8.2, 8.3, 8.4))], {0: (1.0, 8.0)}) == ()


def test_locks_carry_names_from_before_and_the_reads_of_the_harness_are_taken_out() -> None:
    now = [0.0]
    clock = DeployClock(lambda: now[0])
    for begin, end in ((0.0, 2.0), (12.0, 13.0)):
        now[0] = begin
        with clock.running():
            now[0] = end
    catalog = RelationCatalog(
        [
            Relation(TABLE, "public", "deals", "r", 0, 1),
            Relation(INDEX, "public", "deals_pkey", "i", TABLE, 2),
        ]
    )
    holds = [
        Hold(TABLE, SHARE, 0, (0.0, 1.0), (12.0, 12.5), "exact"),
        Hold(INDEX, AEL, 0, (0.0, 1.0), (12.0, 12.5), "exact"),
        Hold(MADE, AEL, 0, (0.0, 1.0), (12.0, 12.5), "exact"),
    ]
    index, table, made = as_locks(holds, catalog, clock)[0]
    assert (index.relation, index.table, index.target) == ("public.deals_pkey", "public.deals", "index")
    assert (table.relation, table.new) == ("public.deals", False)
    assert table.held_s_bounds == (pytest.approx(1.0), pytest.approx(2.5))
    assert (made.new, made.target) == (True, "transient")


def test_what_a_statement_took_in_each_of_its_batches_is_one_lock_whatever_their_number() -> None:
    catalog = RelationCatalog([Relation(TABLE, "public", "deals", "r", 0, 1)])
    clock = DeployClock(lambda: next(ticks))
    ticks = iter((0.0, 1000.0))
    with clock.running():
        pass

    def in_batches(count: int) -> Lock:
        holds = [
            Hold(TABLE, SUEL, 0, (at, at + 0.1), (at + 0.5, at + 0.6), "sampled", waited=(0.0, 0.0))
            for at in map(float, range(count))
        ]
        long = Hold(
            TABLE, SUEL, 0, (500.0, 500.1), (509.0, 509.1), "sampled", waited=(2.0, 2.0), wait_seen=True
        )
        (lock,) = as_locks([*holds, long], catalog, clock)[0]
        return lock

    few, many = in_batches(100), in_batches(400)
    assert many.repeated is not None
    assert many.repeated.count == 401
    assert many.total_s == pytest.approx(400 * 0.5 + 9.0)
    assert many.held_s_bounds == pytest.approx((8.9, 9.1))
    assert (many.granted_at_s, many.released_at_s, many.waited_s) == (500.1, 509.0, 2.0)
    assert (many.repeated.first_granted_at_s, many.last_released_at_s) == (0.1, 509.0)
    assert few.repeated is not None
    assert len(few.spells) == len(many.spells) == MOST_SPELLS
    assert many.spells[-1] == (500.1, 509.0)
