"""Stages and deals: the heart of the CRM, 60 % of it legacy text."""

from __future__ import annotations

import numpy as np

from datagen.crm.customers import phone
from datagen.crm.identity import (
    COMPANIES,
    CONTACTS,
    DEALS,
    USERS,
    company_locale,
    company_name,
    email,
    employer,
    full_name,
    odd_tail,
    spelling,
    unlisted,
)
from datagen.crm.people import TIMES, created, updated
from datagen.crm.pools import pools_of
from datagen.engine.calendar import CLOCK_CHANGES, DAY, NOW, YEAR_9999, days, until_now
from datagen.engine.columns import Block, Column, Table, choice, feature, fixed_pool, ids, is_dirty, own_id
from datagen.engine.streams import (
    Ints,
    Mask,
    below,
    chance,
    long_tailed,
    permute,
    pick,
    stream_key,
    zipf_ranks,
)
from datagen.engine.values import Dates, Integers, Numerics, Texts, Timestamps, Uuids, Words

STAGES = "public.deal_stages"
_NAMES = ("SQL", "Opportunity", "Verbal", "Signed", "Delivered", "Lost")
_PROBABILITY = np.array([10, 25, 60, 100, 100, 0], dtype=np.int64)
_STATUS = np.array([0, 0, 0, 1, 1, 2], dtype=np.int64)
"""active, won or lost, by stage."""

LINKED = 0.4
"""Share of deals that name company and contact by key; the others have text alone."""
KNOWN = 0.5
"""Share of the others whose text means a contact that exists."""


def _stage_name(block: Block) -> Texts:
    generation, index = np.divmod(block.rows, len(_NAMES))
    return Texts((Words(fixed_pool(*_NAMES), index), Words(pools_of(block).generations, generation)))


def _stage_color(block: Block) -> Texts:
    colors = fixed_pool("#64748b", "#3b82f6", "#f59e0b", "#10b981", "#059669", "#ef4444")
    return Texts((Words(colors, block.rows % 6),))


@feature
def contact(deal: Block) -> Block:
    """The person on the other side; beyond the last contact where only the text knows them."""
    count, hashes = deal.count(CONTACTS), deal.hash("contact")
    hidden = count + below(hashes, unlisted(deal, CONTACTS))
    if not count:
        return deal.at(CONTACTS, hidden)
    shown = permute(zipf_ranks(hashes, count, 60), count, stream_key(deal.plan.seed, CONTACTS, "ranks"))
    known = is_linked(deal) | chance(hashes, KNOWN)
    return deal.at(CONTACTS, np.where(known, shown, hidden))


@feature
def is_linked(deal: Block) -> Mask:
    """Deals with company_id and primary_contact_id."""
    if not deal.count(CONTACTS) or not deal.count(COMPANIES):
        return np.zeros(len(deal.rows), dtype=np.bool_)
    return deal.chance("linked", LINKED)


def company_id(deal: Block, null: Mask | None = None) -> Uuids:
    """Key of a linked deal's company, NULL also where ``null``."""
    absent = ~is_linked(deal) if null is None else null | ~is_linked(deal)
    return ids(COMPANIES, deal, employer(contact(deal)).rows, absent)


def contact_id(deal: Block, null: Mask | None = None) -> Uuids:
    """Key of a linked deal's contact, NULL also where ``null``."""
    absent = ~is_linked(deal) if null is None else null | ~is_linked(deal)
    return ids(CONTACTS, deal, contact(deal).rows, absent)


@feature
def owner(deal: Block) -> Ints:
    """Row of the user who owns a deal: a few sell most."""
    return deal.zipf("owner", USERS)


@feature
def cycle(deal: Block) -> Ints:
    """Microseconds from first contact to the end: half within 45 days."""
    return long_tailed(45 * 1440, 45, 1440, 900 * 1440).draw(deal.hash("cycle")) * (DAY // 1440)


@feature
def stage(deal: Block) -> Ints:
    """Position in the pipeline: deals past their cycle have ended, but for a few that got stuck."""
    age = NOW - created(deal)
    hashes = deal.hash("stage")
    ended = (age > cycle(deal)) & ~chance(hashes, 0.05)
    outcome = 3 + pick(hashes, (20, 15, 65))
    progress = np.minimum(age * 3 // cycle(deal), 2)
    return np.where(ended, outcome, progress)


@feature
def value(deal: Block) -> Ints:
    """Cents: half the deals below 12,000, most of them round."""
    hashes = deal.hash("value")
    cents = long_tailed(1_200_000, 55, 10_000, 99_999_999_00).draw(hashes)
    rounded = np.where(chance(hashes, 0.75), (cents // 50_000 + 1) * 50_000, cents)
    rounded = np.where(is_dirty(deal, "zero_value"), 0, rounded)
    return np.where(is_dirty(deal, "negative_value"), -rounded, rounded)


def _recurring(deal: Block) -> Mask:
    return deal.chance("recurring", 0.4)


def _created_at(deal: Block) -> Timestamps:
    change = np.array(CLOCK_CHANGES, dtype=np.int64)[below(deal.hash("clock"), len(CLOCK_CHANGES))]
    return Timestamps(np.where(is_dirty(deal, "dst_time"), change, created(deal)))


def _changed(deal: Block) -> Ints:
    part = np.where(stage(deal) >= 3, 64, stage(deal) * 16)
    return until_now(created(deal) + (cycle(deal) >> 6) * part)


def _close_date(deal: Block) -> Dates:
    hashes = deal.hash("close")
    date = days(created(deal) + cycle(deal)) + below(hashes, 15) - 7
    never = is_dirty(deal, "year_9999")
    return Dates(np.where(never, YEAR_9999, date), chance(hashes, 0.08) & ~never)


def _company(deal: Block) -> Texts:
    company = employer(contact(deal))
    empty = is_dirty(deal, "empty_text")
    return Texts((*company_name(company, spelling(deal), empty), *odd_tail(deal)))


def _name(deal: Block) -> Texts:
    products = pools_of(deal).products
    product = below(deal.hash("product"), len(products.texts))
    return Texts((*company_name(employer(contact(deal))), Words(products, product)))


def _contact_name(deal: Block) -> Texts:
    someone = contact(deal)
    named = deal.at(CONTACTS, someone.rows + is_dirty(deal, "two_names"))
    missing = is_dirty(deal, "no_contact_name") | is_dirty(deal, "orphan_text")
    return Texts(full_name(named), missing | (is_linked(deal) & deal.chance("named", 0.2)))


def _contact_email(deal: Block) -> Texts:
    pieces = email(contact(deal), free_mail=is_dirty(deal, "free_mail"), bad=is_dirty(deal, "bad_email"))
    return Texts(pieces, _no_address(deal))


def _no_address(deal: Block) -> Mask:
    return is_dirty(deal, "orphan_text") | (is_linked(deal) & deal.chance("addressed", 0.15))


def _prose(column: str, pool: str, missing: float) -> Column:
    def values(deal: Block) -> Texts:
        texts = getattr(pools_of(deal), pool)
        hashes = deal.hash(column)
        locale = company_locale(employer(contact(deal)))
        return Texts((Words(texts.pool, texts.draw(locale, hashes)),), chance(hashes, missing))

    return Column(column, values)


TABLES = (
    Table(
        STAGES,
        (
            Column("id", own_id),
            Column("order_position", lambda block: Integers(block.rows + 1)),
            Column("default_probability", lambda block: Integers(_PROBABILITY[block.rows % 6])),
            *TIMES,
            Column("name", _stage_name),
            Column("color", _stage_color),
        ),
    ),
    Table(
        DEALS,
        (
            Column("id", own_id),
            Column("stage_id", lambda deal: ids(STAGES, deal, stage(deal) % deal.count(STAGES))),
            Column("owner_id", lambda deal: ids(USERS, deal, owner(deal))),
            Column("stage_changed_at", lambda deal: Timestamps(_changed(deal))),
            Column("created_at", _created_at),
            Column("updated_at", lambda deal: Timestamps(updated(deal, _changed(deal)))),
            Column("name", _name),
            Column("company", _company),
            Column("contact_name", _contact_name),
            Column("contact_email", _contact_email),
            Column(
                "contact_phone",
                lambda deal: Texts(
                    phone(deal, company_locale(employer(contact(deal)))), deal.chance("phone", 0.5)
                ),
            ),
            _prose("description", "descriptions", 0.3),
            _prose("next_steps", "sentences", 0.5),
            Column(
                "status",
                lambda deal: Texts((Words(fixed_pool("active", "won", "lost"), _STATUS[stage(deal)]),)),
            ),
            Column(
                "lead_source",
                choice("lead_source", inbound=5, referral=3, outbound=4, event=1, partner=1, NULL=4),
            ),
            Column("priority", choice("priority", low=3, medium=8, high=4, NULL=3)),
            Column(
                "contact_identifier",
                lambda deal: Texts(email(contact(deal)), ~deal.chance("identifier", 0.1)),
            ),
            Column("value", lambda deal: Numerics(value(deal))),
            Column("one_off_revenue", lambda deal: Numerics(np.where(_recurring(deal), 0, value(deal)))),
            Column("monthly_mrr", lambda deal: Numerics(np.where(_recurring(deal), value(deal) // 12, 0))),
            Column("expected_close_date", _close_date),
            Column(
                "probability",
                lambda deal: Integers(_PROBABILITY[stage(deal)], null=deal.chance("probability", 0.1)),
            ),
            Column("company_id", company_id),
            Column("primary_contact_id", contact_id),
        ),
    ),
)
