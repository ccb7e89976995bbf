"""Meetings, who attended, and what they agreed to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from datagen.crm.deals import contact
from datagen.crm.identity import (
    COMPANIES,
    CONTACTS,
    USERS,
    company_name,
    email,
    employer,
    full_name,
    user_email,
    user_full_name,
)
from datagen.crm.people import updated
from datagen.crm.pools import pools_of
from datagen.crm.work import deal, prose, user, user_id, when
from datagen.engine.calendar import DAY, MINUTE
from datagen.engine.columns import (
    Block,
    Column,
    Table,
    choice,
    feature,
    fixed_pool,
    flag,
    ids,
    literal,
    own_id,
)
from datagen.engine.streams import Ints, Mask, below, chance, pick
from datagen.engine.values import (
    Booleans,
    Digits,
    Integers,
    Literal,
    Numerics,
    Piece,
    Texts,
    Timestamps,
    Uuids,
    Words,
)

MEETINGS = "public.meetings"


@feature
def _minutes(block: Block) -> Ints:
    return np.array([15, 30, 45, 60, 90], dtype=np.int64)[pick(block.hash("minutes"), (2, 5, 2, 4, 1))]


def _recording_id(block: Block) -> Texts:
    return Texts((literal("rec_"), Digits(block.hash("recording"), 16, 16)))


def _title(block: Block) -> Texts:
    kinds = fixed_pool(" – discovery", " – demo", " – negotiation", " – check-in")
    kind = Words(kinds, pick(block.hash("title"), (3, 3, 2, 4)))
    return Texts((*company_name(employer(contact(deal(block)))), kind))


def _company_id(block: Block) -> Uuids:
    rows = employer(contact(deal(block))).rows
    return ids(COMPANIES, block, rows, (rows >= block.count(COMPANIES)) | block.chance("no_company", 0.1))


def _contact_id(block: Block) -> Uuids:
    rows = contact(deal(block)).rows
    return ids(CONTACTS, block, rows, (rows >= block.count(CONTACTS)) | block.chance("no_contact", 0.1))


def _sentiment(block: Block) -> Numerics:
    hashes = block.hash("sentiment")
    # The middle of two even draws, a little above nought.
    mean = (below(hashes, 201) + below(hashes << np.uint64(20), 201)) // 2 - 90
    return Numerics(np.clip(mean, -100, 100), null=chance(hashes, 0.2))


def _rating(block: Block) -> Numerics:
    hashes = block.hash("rating")
    return Numerics(4000 + below(hashes, 6001), null=chance(hashes, 0.3))


@feature
def _meeting(block: Block) -> Block:
    """The meeting that a row belongs to: neighbours belong to the same one."""
    return block.at(MEETINGS, block.rows * block.count(MEETINGS) // block.count(block.table))


def _meeting_id(block: Block) -> Uuids:
    return ids(MEETINGS, block, _meeting(block).rows)


def _held(block: Block) -> Timestamps:
    return Timestamps(when(_meeting(block)))


def _touched(block: Block) -> Timestamps:
    return Timestamps(updated(block, when(_meeting(block))))


def _is_external(block: Block) -> Mask:
    """Every other attendee is the customer."""
    odd: Mask = block.rows % 2 == 1
    return odd


def _either(inside: tuple[Piece, ...], outside: tuple[Piece, ...], external: Mask) -> Texts:
    """The pieces of one or the other text, by row: those of the other are empty."""
    return Texts(
        (*(_blanked(piece, external) for piece in inside), *(_blanked(piece, ~external) for piece in outside))
    )


def _blanked(piece: Piece, blank: Mask) -> Piece:
    match piece:
        case Digits():
            return replace(piece, blank=blank)
        case Literal(pool):
            return Words(pool, np.where(blank, pool.end, 0))
        case Words(pool, index):
            return Words(pool, np.where(blank, pool.end, index))


def _attendee_name(block: Block) -> Texts:
    colleague = block.at(USERS, user(_meeting(block)))
    return _either(user_full_name(colleague), full_name(contact(deal(_meeting(block)))), _is_external(block))


def _attendee_email(block: Block) -> Texts:
    colleague = block.at(USERS, user(_meeting(block)))
    return _either(user_email(colleague), email(contact(deal(_meeting(block)))), _is_external(block))


def _assignee(block: Block) -> Texts:
    return Texts(user_full_name(block.at(USERS, user(_meeting(block)))))


def _action(block: Block) -> Texts:
    sentences = pools_of(block).sentences
    return Texts((Words(sentences.pool, below(block.hash("action"), len(sentences.pool.texts))),))


def _due(block: Block) -> Timestamps:
    return Timestamps(when(_meeting(block)) + (1 + below(block.hash("due"), 21)) * DAY)


TABLES = (
    Table(
        MEETINGS,
        (
            Column("id", own_id),
            Column("owner_user_id", user_id),
            Column("duration_minutes", lambda block: Integers(_minutes(block))),
            Column("created_at", lambda block: Timestamps(when(block))),
            Column("updated_at", lambda block: Timestamps(updated(block, when(block)))),
            Column("meeting_start", lambda block: Timestamps(when(block))),
            Column("meeting_end", lambda block: Timestamps(when(block) + _minutes(block) * MINUTE)),
            Column("recording_id", _recording_id),
            Column("title", _title),
            prose("summary", "summaries", 0.35),
            Column("company_id", _company_id),
            Column("primary_contact_id", _contact_id),
            Column("sentiment_score", _sentiment),
            Column("coach_rating", _rating),
        ),
    ),
    Table(
        "public.meeting_attendees",
        (
            Column("id", own_id),
            Column("meeting_id", _meeting_id),
            Column("is_external", lambda block: Booleans(_is_external(block))),
            Column("created_at", _held),
            Column("updated_at", _touched),
            Column("name", _attendee_name),
            Column("email", _attendee_email),
        ),
    ),
    Table(
        "public.meeting_action_items",
        (
            Column("id", own_id),
            Column("meeting_id", _meeting_id),
            Column("completed", flag("completed", 0.6)),
            Column("due_date", _due),
            Column("created_at", _held),
            Column("updated_at", _touched),
            Column("title", _action),
            Column("assignee", _assignee),
            Column("priority", choice("priority", low=3, medium=8, high=4)),
        ),
    ),
)
