"""Copies and beginnings of indexes, keys that they support, and which are tried to do without."""

from __future__ import annotations

from typing import Any

import pytest

from bench.analyse.indexes import (
    ForeignKey,
    IndexFacts,
    candidates,
    duplicate_of,
    prefix_of,
    supported_keys,
)


def an_index(oid: int, *keys: str, **changes: Any) -> IndexFacts:
    facts: dict[str, Any] = {
        "oid": oid, "schema": "public", "name": f"i{oid}", "table": "public.t", "quoted_table": "public.t",
        "definition": "", "method": "btree", "is_unique": False, "valid": True, "replica_identity": False,
        "constraint": None, "keys": list(keys), "shape": [f"{key} 1978 0 0" for key in keys],
        "included": [], "predicate": None, "columns": list(keys), "bytes": 8192,
    }  # fmt: skip
    return IndexFacts(**facts | changes)


A, A_AGAIN, AB, B = an_index(1, "a"), an_index(2, "a"), an_index(3, "a", "b"), an_index(4, "b")
KEY = ForeignKey("t_b_fkey", "public.t", ["b"])


def test_of_two_that_are_alike_one_stays() -> None:
    assert duplicate_of(A_AGAIN, [A, A_AGAIN]) == A
    assert duplicate_of(A, [A, A_AGAIN]) is None


def test_the_one_that_enforces_stays() -> None:
    unique = an_index(9, "a", is_unique=True)
    assert duplicate_of(A, [A, unique]) == unique
    assert duplicate_of(unique, [A, unique]) is None


def test_a_longer_index_does_the_work_of_its_beginning() -> None:
    assert prefix_of(A, [A, AB]) == AB
    assert prefix_of(B, [B, AB]) is None
    assert prefix_of(AB, [A, AB]) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"predicate": "(b > 0)"},
        {"method": "gin"},
        {"valid": False},
        {"table": "public.other"},
        {"shape": ["a 1978 0 3", "b 1978 0 0"]},
    ],
    ids=["partial", "method", "invalid", "table", "order"],
)
def test_what_differs_in_more_than_length_is_no_substitute(changes: dict[str, Any]) -> None:
    assert prefix_of(A, [an_index(3, "a", "b", **changes)]) is None
    assert duplicate_of(A_AGAIN, [an_index(1, "a", **changes | {"shape": ["a 1978 0 3"]})]) is None


def test_an_index_supports_a_key_that_it_begins_with_in_any_order() -> None:
    key = ForeignKey("two", "public.t", ["b", "a"])
    assert supported_keys(an_index(5, "a", "b", "c"), [key]) == ("two",)
    assert supported_keys(an_index(5, "c", "a", "b"), [key]) == ()


def test_a_partial_index_supports_a_key_where_only_nulls_are_left_out() -> None:
    assert supported_keys(an_index(5, "b", predicate="(b IS NOT NULL)"), [KEY]) == ("t_b_fkey",)
    assert supported_keys(an_index(5, "b", predicate="(b > 7)"), [KEY]) == ()


def test_unused_copies_and_beginnings_are_candidates_the_used_and_the_needed_are_not() -> None:
    unique = an_index(5, "c", is_unique=True)
    found = candidates([A, A_AGAIN, AB, B, unique], [KEY], {"i3": ["q"]}, {1: 5, 2: 0})
    assert [each.name for each in found] == ["i1", "i2"]


def test_scans_under_traffic_are_use() -> None:
    other = an_index(6, "x")
    assert candidates([other], [], {}, {6: 1}) == ()
    assert candidates([other], [], {}, {6: 0}) == (other,)
    assert candidates([other], [], {}, None) == (other,)


def test_the_last_index_that_supports_a_key_stays() -> None:
    again = an_index(7, "b")
    assert [each.name for each in candidates([B, again], [KEY], {}, None)] == ["i7"]
