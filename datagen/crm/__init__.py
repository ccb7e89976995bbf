"""The CRM before the suite: proportions, dirt, and where its tables are."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from datagen.engine.plan import DataSet, Rows

if TYPE_CHECKING:
    from datagen.engine.columns import Table

_USERS = ("auth.users",)
_PROFILES = ("public.profiles",)
_MEETINGS = ("public.meetings",)
_PLACES = ("public.teams", "public.profiles")

_ROWS = {
    "auth.users": Rows(Fraction(1, 400), at_least=5),
    "public.profiles": Rows(Fraction(1, 400), at_least=5, needs=_USERS, within=_USERS),
    "public.teams": Rows(Fraction(1, 5000), at_least=2),
    "public.team_members": Rows(Fraction(1, 400), at_least=5, needs=_PLACES, within=_PLACES),
    "public.deal_stages": Rows(Fraction(0), at_least=6),
    "public.companies": Rows(Fraction(1, 4), needs=_PROFILES),
    "public.contacts": Rows(Fraction(1, 2), needs=_PROFILES),
    "public.deals": Rows(Fraction(1), needs=("public.deal_stages", *_USERS)),
    "public.activities": Rows(Fraction(3), needs=_USERS),
    "public.tasks": Rows(Fraction(1), needs=_USERS),
    "public.meetings": Rows(Fraction(1, 2), needs=_USERS),
    "public.meeting_attendees": Rows(Fraction(1), needs=_MEETINGS),
    "public.meeting_action_items": Rows(Fraction(1), needs=_MEETINGS),
}

_DIRT = {
    "public.companies": ("two_owners", "case_twin", "emoji_text", "rtl_text", "long_text"),
    "public.contacts": ("bad_email", "email_case_twin", "free_mail", "no_name", "empty_name"),
    "public.deals": (
        "company_case",
        "company_spacing",
        "wildcard_text",
        "emoji_text",
        "rtl_text",
        "long_text",
        "empty_text",
        "orphan_text",
        "no_contact_name",
        "two_names",
        "free_mail",
        "bad_email",
        "dst_time",
        "year_9999",
        "zero_value",
        "negative_value",
    ),
}


@cache
def _tables() -> Mapping[str, Table]:
    from datagen.crm import customers, deals, meetings, people, work

    modules = (people, customers, deals, work, meetings)
    return {table.name: table for module in modules for table in module.TABLES}


def _pools_sha256(seed: int) -> str:
    from datagen.crm.pools import build_pools

    return build_pools(seed).sha256()


DATA_SET = DataSet(
    name="crm",
    title="the CRM",
    schema="migrations/crm/base.sql",
    unit="100 k deals",
    unit_rows=100_000,
    rows=_ROWS,
    leading=("public.deals", "public.activities", "public.contacts", "public.companies", "public.tasks"),
    dirt=_DIRT,
    tables=_tables,
    pools_sha256=_pools_sha256,
)
