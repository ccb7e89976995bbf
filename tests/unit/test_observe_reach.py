"""From which relations a lock can be met."""

from __future__ import annotations

from bench.observe.relations import Reach

PARENT, CHILD, GRANDCHILD, OTHER, VIEW, VIEW_OF_VIEW = range(1, 7)
CHAIN = [("key", CHILD, PARENT), ("key", GRANDCHILD, CHILD)]


def test_both_ends_of_a_foreign_key_and_no_further() -> None:
    reach = Reach(CHAIN)
    assert reach.of({PARENT}) == {PARENT, CHILD}
    assert reach.of({CHILD}) == {PARENT, CHILD, GRANDCHILD}
    assert reach.of({OTHER}) == {OTHER}
    assert reach.of(set()) == set()


def test_a_cascade_leads_from_the_top_to_the_bottom() -> None:
    reach = Reach([("cascade", CHILD, PARENT), ("cascade", GRANDCHILD, CHILD)])
    assert reach.of({GRANDCHILD}) == {PARENT, CHILD, GRANDCHILD}
    assert reach.written_with({PARENT}) == {PARENT, CHILD, GRANDCHILD}
    assert reach.written_with({GRANDCHILD}) == {GRANDCHILD}


def test_views_of_views_lead_to_a_table() -> None:
    reach = Reach([("reads", VIEW, PARENT), ("reads", VIEW_OF_VIEW, VIEW)])
    assert reach.of({PARENT}) == {PARENT, VIEW, VIEW_OF_VIEW}
    assert reach.of({VIEW}) == {VIEW, VIEW_OF_VIEW}


def test_a_partition_and_its_parent_meet_each_other_and_a_key_meets_both() -> None:
    reach = Reach([("child", CHILD, PARENT), ("key", OTHER, PARENT)])
    assert reach.of({CHILD}) == {CHILD, PARENT, OTHER}
    assert reach.of({PARENT}) == {CHILD, PARENT, OTHER}


def test_code_of_users_may_touch_anything() -> None:
    reach = Reach([*CHAIN, ("calls", OTHER, 0), ("reads", VIEW, OTHER)])
    assert reach.of({PARENT}) == {PARENT, CHILD, OTHER, VIEW}
    assert reach.of(set()) == {OTHER, VIEW}
    assert reach.written_with({VIEW}) is None
