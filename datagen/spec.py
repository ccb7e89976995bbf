"""The plan of a data set: which tables, how many rows, which seed, how much dirt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction

from bench.errors import UsageError

DEFAULT_DIRT = 0.02
"""Share of companies, contacts and deals with something wrong: a small one, as production has it."""

DEALS_AT_SCALE_1 = 100_000
MAX_ROWS = 2**31

_PER_DEAL: dict[str, Fraction] = {
    "auth.users": Fraction(1, 400),
    "public.profiles": Fraction(1, 400),
    "public.teams": Fraction(1, 5000),
    "public.team_members": Fraction(1, 400),
    "public.deal_stages": Fraction(0),
    "public.companies": Fraction(1, 4),
    "public.contacts": Fraction(1, 2),
    "public.deals": Fraction(1),
    "public.activities": Fraction(3),
    "public.tasks": Fraction(1),
    "public.meetings": Fraction(1, 2),
    "public.meeting_attendees": Fraction(1),
    "public.meeting_action_items": Fraction(1),
}
_AT_LEAST = {
    "auth.users": 5,
    "public.profiles": 5,
    "public.teams": 2,
    "public.team_members": 5,
    "public.deal_stages": 6,
}
LEADING = ("public.deals", "public.activities", "public.contacts", "public.companies", "public.tasks")
"""Tables that tell the scale of a CRM, the best first."""
_NEEDS = {
    "public.profiles": ("auth.users",),
    "public.team_members": ("public.teams", "public.profiles"),
    "public.companies": ("public.profiles",),
    "public.contacts": ("public.profiles",),
    "public.deals": ("public.deal_stages", "auth.users"),
    "public.activities": ("auth.users",),
    "public.tasks": ("auth.users",),
    "public.meetings": ("auth.users",),
    "public.meeting_attendees": ("public.meetings",),
    "public.meeting_action_items": ("public.meetings",),
}
"""Tables whose rows cannot do without a row of the others."""

DIRT_KINDS: dict[str, tuple[str, ...]] = {
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
"""What can be wrong with a row, by table; a dirty row has exactly one of these."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A data set, in full: generator version and plan determine every byte."""

    data: str
    scale: float
    seed: int
    dirt: float
    """Share of dirty rows in the tables of :data:`DIRT_KINDS`, 0 to 1."""
    rows: Mapping[str, int]
    """Rows by schema-qualified table."""
    dirt_kinds: frozenset[str] | None = None
    """Kinds of dirt to plant, in every table that has them; None for all."""

    @property
    def total_rows(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())

    def kinds_of(self, table: str) -> tuple[int, ...]:
        """Positions of the table's kinds of dirt that are to be planted."""
        kinds = DIRT_KINDS.get(table, ())
        return tuple(
            position
            for position, kind in enumerate(kinds)
            if self.dirt_kinds is None or kind in self.dirt_kinds
        )


def make_plan(
    data: str = "crm",
    *,
    scale: float = 1.0,
    rows: Mapping[str, int] | None = None,
    seed: int = 1,
    dirt: float = DEFAULT_DIRT,
    dirt_kinds: Iterable[str] | None = None,
) -> Plan:
    """The plan for ``scale`` × 100,000 deals, with ``rows`` (table, with or without schema → rows) instead.

    Raises UsageError for unknown data, tables or kinds of dirt, values out of bounds, tables left without a
    needed parent.
    """
    if data != "crm":
        raise UsageError(f"there is no data set {data!r}", "the one that datagen knows is crm")
    if not 0 < scale <= 10_000:
        raise UsageError(
            f"scale {scale:g} is out of bounds", "give more than 0 and at most 10000; 1 = 100 k deals"
        )
    if not 0 <= dirt <= 1:
        raise UsageError(
            f"dirt {dirt:g} is out of bounds", "give a share of the rows from 0 to 1, such as 0.02"
        )
    if not 0 <= seed < 2**63:
        raise UsageError(f"seed {seed} is out of bounds", "give a whole number from 0 to 2^63 - 1")
    counts = crm_rows(scale)
    given = {resolve_table(name): count for name, count in (rows or {}).items()}
    counts.update(given)
    if "public.profiles" not in given:
        counts["public.profiles"] = min(counts["public.profiles"], counts["auth.users"])
    if "public.team_members" not in given:
        places = counts["public.teams"] * counts["public.profiles"]
        counts["public.team_members"] = min(counts["public.team_members"], places)
    _check_counts(counts)
    kinds = None if dirt_kinds is None else _known_kinds(dirt_kinds)
    return Plan(data=data, scale=scale, seed=seed, dirt=dirt, rows=counts, dirt_kinds=kinds)


def crm_rows(scale: float) -> dict[str, int]:
    """Rows by table at a scale."""
    deals = Fraction(scale).limit_denominator(10**6) * DEALS_AT_SCALE_1
    return {table: max(round(deals * share), _AT_LEAST.get(table, 1)) for table, share in _PER_DEAL.items()}


def _known_kinds(names: Iterable[str]) -> frozenset[str]:
    known = sorted({kind for kinds in DIRT_KINDS.values() for kind in kinds})
    wanted = frozenset(names)
    for name in sorted(wanted):
        if name not in known:
            close = get_close_matches(name, known, n=1)
            guess = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"there is no kind of dirt {name!r}", f"{guess}known kinds: {', '.join(known)}")
    return wanted


def resolve_table(name: str) -> str:
    """Schema-qualified name of a table of the CRM; UsageError with the known ones otherwise."""
    for table in _PER_DEAL:
        if name in (table, table.partition(".")[2]):
            return table
    short = [table.removeprefix("public.") for table in _PER_DEAL]
    close = get_close_matches(name.removeprefix("public."), short, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    raise UsageError(f"the CRM has no table {name!r}", f"{guess}known tables: {', '.join(short)}")


def _check_counts(counts: Mapping[str, int]) -> None:
    for table, count in counts.items():
        if not 0 <= count <= MAX_ROWS:
            raise UsageError(f"{count} rows for {table} are out of bounds", f"give 0 to {MAX_ROWS}")
    for table, parents in _NEEDS.items():
        for parent in parents:
            if counts[table] and not counts[parent]:
                raise UsageError(
                    f"{table} needs rows in {parent}, which has none",
                    f"give {parent} at least one row, or {table} none",
                )
    if counts["public.profiles"] > counts["auth.users"]:
        raise UsageError(
            f"{counts['public.profiles']} profiles need as many users; there are {counts['auth.users']}",
            "every profile belongs to one row of auth.users",
        )
    places = counts["public.teams"] * counts["public.profiles"]
    if counts["public.team_members"] > places:
        raise UsageError(
            f"{counts['public.team_members']} team members are too many", f"team × profile allows {places}"
        )
