"""Plans: proportions, overrides, and what cannot be planned."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from datagen.__main__ import parse_rows
from datagen.crm import DATA_SET as CRM


def test_scale_1_has_the_proportions_of_the_crm() -> None:
    rows = CRM.plan().rows
    assert rows["public.deals"] == 100_000
    assert rows["public.companies"] == 25_000
    assert rows["public.contacts"] == 50_000
    assert rows["public.activities"] == 300_000
    assert rows["public.tasks"] == 100_000
    assert rows["public.meetings"] == 50_000
    assert rows["public.meeting_action_items"] == 100_000


@pytest.mark.parametrize("factor", [2, 10, 1000])
def test_rows_grow_with_the_scale(factor: int) -> None:
    small, large = CRM.plan(scale=1).rows, CRM.plan(scale=factor).rows
    for table in ("public.deals", "public.companies", "public.activities"):
        assert large[table] == factor * small[table]
    assert large["public.deal_stages"] == small["public.deal_stages"]


def test_smallest_scale_has_every_table() -> None:
    assert min(CRM.plan(scale=0.00001).rows.values()) >= 1


def test_rows_override_the_scale_with_and_without_schema() -> None:
    plan = CRM.plan(rows={"deals": 7, "auth.users": 3, "public.tasks": 0})
    assert (plan.rows["public.deals"], plan.rows["auth.users"], plan.rows["public.tasks"]) == (7, 3, 0)
    assert plan.rows["public.profiles"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": {"dealz": 1}}, "no table 'dealz'"),
        ({"scale": 0}, "scale 0"),
        ({"scale": float("nan")}, "scale nan"),
        ({"dirt": 1.5}, "dirt 1.5"),
        ({"seed": -1}, "seed -1"),
        ({"rows": {"deals": -1}}, "-1 rows for public.deals"),
        ({"rows": {"users": 0, "profiles": 0}}, "needs rows in"),
        ({"rows": {"team_members": 10**6}}, "1000000 rows for public.team_members"),
    ],
)
def test_impossible_plans_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        CRM.plan(**arguments)  # type: ignore[arg-type]
    assert caught.value.hint


def test_unknown_table_gets_a_guess_and_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        CRM.plan(rows={"dealz": 1})
    assert caught.value.hint is not None
    assert "did you mean deals?" in caught.value.hint
    assert "meeting_attendees" in caught.value.hint


def test_rows_are_read_with_suffixes() -> None:
    assert parse_rows(["deals=5M,contacts=200k", "tasks=12"]) == {
        "deals": 5_000_000,
        "contacts": 200_000,
        "tasks": 12,
    }


@pytest.mark.parametrize("text", ["deals", "deals=", "=5", "deals=5X", "deals=-5", "deals=1.5M", "deals=M"])
def test_unreadable_rows_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        parse_rows([text])
