"""Snapshots and samples together: which statement took a lock, and its shortest and longest hold."""

from __future__ import annotations

import pytest

from bench.observe.clock import DeployClock
from bench.observe.holds import Hold, HoldTracker, as_locks, refine
from bench.observe.intervals import SeenInterval
from bench.observe.relations import Relation, RelationCatalog

AEL, SHARE, SUEL = "AccessExclusiveLock", "ShareLock", "ShareUpdateExclusiveLock"
TABLE, INDEX, MADE = 20000, 20001, 30000


def seen(
    oid: int, mode: str, epoch: int, at: tuple[float, float, float, float], granted: bool = True
) -> SeenInterval:
    return SeenInterval(oid, mode, granted, epoch, *at, waiting_s=None)


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
    (hold,) = refine([exact], [seen(TABLE, AEL, 0, (1.0, 1.5, 4.5, 4.6), granted=False)], {0: (1.0, 9.0)})
    assert hold.waited_s == pytest.approx(3.0)


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
