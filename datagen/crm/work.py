"""Activities and tasks: what people did about the deals, close to them in time."""

from __future__ import annotations

import numpy as np

from datagen.crm.deals import company_id, contact, contact_id, is_linked, owner, value
from datagen.crm.identity import (
    DEALS,
    USERS,
    company_locale,
    company_name,
    email,
    employer,
    full_name,
    user_full_name,
)
from datagen.crm.people import created, updated
from datagen.crm.pools import pools_of
from datagen.engine.calendar import DAY, MINUTE, NOW, until_now
from datagen.engine.columns import Block, Column, Table, choice, feature, fixed_pool, ids, own_id
from datagen.engine.streams import Ints, Mask, below, chance, long_tailed, pick, zipf_ranks
from datagen.engine.values import Booleans, Integers, Numerics, Texts, Timestamps, Uuids, Words


@feature
def deal(block: Block) -> Block:
    """The deal that a row is about: a recent one as a rule, and some deals much more often than others."""
    count = max(block.count(DEALS), 1)
    centre = block.rows * count // block.count(block.table)
    hashes = block.hash("deal")
    back = zipf_ranks(hashes, count // 20 + 1, 80)
    row = np.where(back > centre, centre, centre - back)
    step = np.array([1, 1, 2, 8, 32], dtype=np.int64)[pick(hashes << np.uint64(32), (1, 1, 1, 1, 1))]
    return block.at(DEALS, row - row % step)


@feature
def when(block: Block) -> Ints:
    """When it happened: some days or weeks after the deal began, never later than now."""
    delay = long_tailed(14 * 1440, 60, 30, 700 * 1440).draw(block.hash("when")) * MINUTE
    return until_now(created(deal(block)) + delay)


@feature
def about_deal(block: Block) -> Mask:
    """Rows that are linked to a deal."""
    if not block.count(DEALS):
        return np.zeros(len(block.rows), dtype=np.bool_)
    return block.chance("about_deal", 0.8)


@feature
def user(block: Block) -> Ints:
    """Who did it: the deal's owner as a rule."""
    own = block.chance("user", 0.85)
    return np.where(own, owner(deal(block)), block.zipf("other_user", USERS))


def user_id(block: Block) -> Uuids:
    """Key of that user."""
    return ids(USERS, block, user(block))


def _deal_id(block: Block) -> Uuids:
    return ids(DEALS, block, deal(block).rows, ~about_deal(block))


def _company_id(block: Block) -> Uuids:
    return company_id(deal(block), block.chance("no_company", 0.1))


def _contact_id(block: Block) -> Uuids:
    return contact_id(deal(block), block.chance("no_contact", 0.2))


def _sales_rep(block: Block) -> Texts:
    return Texts(user_full_name(block.at(USERS, user(block))))


def _client(block: Block) -> Texts:
    return Texts(company_name(employer(contact(deal(block)))))


def _identifier(block: Block) -> Texts:
    return Texts(email(contact(deal(block))), ~block.chance("identifier", 0.3))


def prose(column: str, pool: str, missing: float = 0) -> Column:
    """Text of some length in the customer's language."""

    def values(block: Block) -> Texts:
        texts = getattr(pools_of(block), pool)
        hashes = block.hash(column)
        words = Words(texts.pool, texts.draw(company_locale(employer(contact(deal(block)))), hashes))
        return Texts((words,), chance(hashes, missing) if missing else None)

    return Column(column, values)


_TYPES = ("outbound", "meeting", "proposal", "sale")


@feature
def _type(block: Block) -> Ints:
    return pick(block.hash("type"), (45, 25, 18, 12))


def _quantity(block: Block) -> Integers:
    return Integers(1 + pick(block.hash("quantity"), (90, 5, 3, 1, 1)))


_ACTIVITIES = Table(
    "public.activities",
    (
        Column("id", own_id),
        Column("user_id", user_id),
        Column("date", lambda block: Timestamps(when(block))),
        Column("quantity", _quantity),
        Column("created_at", lambda block: Timestamps(when(block))),
        Column("updated_at", lambda block: Timestamps(updated(block, when(block)))),
        Column("type", lambda block: Texts((Words(fixed_pool(*_TYPES), _type(block)),))),
        Column("status", choice("status", completed=80, pending=10, cancelled=6, no_show=4)),
        Column("priority", choice("priority", low=2, medium=6, high=2)),
        Column("client_name", _client),
        Column("sales_rep", _sales_rep),
        prose("details", "sentences", 0.4),
        Column("contact_identifier", _identifier),
        Column("amount", lambda block: Numerics(value(deal(block)), null=_type(block) < 2)),
        Column("company_id", _company_id),
        Column("contact_id", _contact_id),
        Column("deal_id", _deal_id),
    ),
)  # fmt: skip


_STATUSES = ("completed", "cancelled", "overdue", "pending", "in_progress")


@feature
def _due(block: Block) -> Ints:
    return when(block) + (1 + below(block.hash("due"), 30)) * DAY


@feature
def _task_status(block: Block) -> Ints:
    """Tasks that were due are done, dropped or overdue; the others wait or go on."""
    hashes = block.hash("status")
    return np.where(_due(block) < NOW, pick(hashes, (88, 7, 5)), 3 + pick(hashes, (2, 1)))


def _legacy(block: Block) -> Mask:
    """Rows without the text columns: those of linked deals."""
    return is_linked(deal(block)) | block.chance("legacy", 0.3)


_TASKS = Table(
    "public.tasks",
    (
        Column("id", own_id),
        Column("assigned_to", user_id),
        Column("created_by", lambda block: ids(USERS, block, owner(deal(block)))),
        Column("completed", lambda block: Booleans(_task_status(block) == 0)),
        Column("created_at", lambda block: Timestamps(when(block))),
        Column("updated_at", lambda block: Timestamps(updated(block, when(block)))),
        prose("title", "sentences"),
        prose("description", "descriptions", 0.6),
        Column("priority", choice("priority", low=3, medium=8, high=4, urgent=1)),
        Column("status", lambda block: Texts((Words(fixed_pool(*_STATUSES), _task_status(block)),))),
        Column("task_type", choice("task_type", call=4, email=4, general=5, follow_up=3, demo=1)),
        Column("contact_email", lambda block: Texts(email(contact(deal(block))), _legacy(block))),
        Column("contact_name", lambda block: Texts(full_name(contact(deal(block))), _legacy(block))),
        Column("company", lambda block: Texts(company_name(employer(contact(deal(block)))), _legacy(block))),
        Column("due_date", lambda block: Timestamps(_due(block), block.chance("no_due", 0.1))),
        Column("deal_id", _deal_id),
        Column("company_id", _company_id),
        Column("contact_id", _contact_id),
    ),
)  # fmt: skip


TABLES = (_ACTIVITIES, _TASKS)
