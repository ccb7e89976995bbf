"""Who companies, contacts and users are: names and addresses as functions of the row.

Behind the last row of companies and contacts stand those that only legacy text mentions: they have a name, an
address and an employer like any other, but no row, and are what a backfill has to extract.
"""

from __future__ import annotations

import numpy as np

from datagen.crm.pools import DOMAINLESS, FLAWS, NORMAL, LocalPool, pools_of
from datagen.engine.columns import Block, feature, is_dirty, literal
from datagen.engine.compiled import compiled
from datagen.engine.streams import Ints, Mask, below, permute, stream_key, zipf_ranks
from datagen.engine.values import Digits, Piece, Words, replaced

COMPANIES = "public.companies"
CONTACTS = "public.contacts"
DEALS = "public.deals"
PROFILES = "public.profiles"
USERS = "auth.users"


def unlisted(block: Block, table: str) -> int:
    """How many companies or contacts exist in legacy text alone."""
    return max(block.count(table if table == COMPANIES else DEALS) // 5, 10)


@feature
def _name_parts(company: Block) -> tuple[Ints, Ints, Ints]:
    """Last name, business word and generation: a bijection, so that no two companies share a name."""
    capacity = pools_of(company).company_capacity
    generation, number = _divided(company.rows, capacity)
    number = permute(number, capacity, stream_key(company.plan.seed, COMPANIES, "names"))
    word, last = _divided(number, pools_of(company).last_count)
    return last, word, generation


def _has_generations(company: Block) -> bool:
    count = company.count(COMPANIES) + unlisted(company, COMPANIES)
    return count > pools_of(company).company_capacity


@compiled
def _divided(numbers: Ints, by: int) -> tuple[Ints, Ints]:
    """Quotient and remainder of numbers >= 0 and < 2**32, in half the time that 64 bits take."""
    whole, rest = np.empty(len(numbers), dtype=np.int64), np.empty(len(numbers), dtype=np.int64)
    divisor = np.uint32(by)
    for row in range(len(numbers)):
        number = np.uint32(numbers[row])
        quotient = number // divisor
        whole[row] = quotient
        rest[row] = number - quotient * divisor
    return whole, rest


@feature
def company_locale(company: Block) -> Ints:
    """The locale that a company's name is in."""
    return pools_of(company).last_locales[_name_parts(company)[0]]


def company_name(
    company: Block, spelling: Ints | None = None, blank: Mask | None = None
) -> tuple[Piece, ...]:
    """A company's name in a spelling (see pools), nothing where ``blank``."""
    pools = pools_of(company)
    last, word, generation = _name_parts(company)
    locale = company_locale(company)

    def spelled(pool: LocalPool, index: Ints) -> Ints:
        return index if spelling is None else spelling * int(pool.counts.sum()) + index

    words, suffixes = pools.business_words, pools.company_suffixes
    pieces = [
        Words(pools.last_names.pool, spelled(pools.last_names, last)),
        Words(words.pool, spelled(words, words.starts[locale] + word)),
        *([Words(pools.generations, generation)] if _has_generations(company) else []),
        Words(suffixes.pool, spelled(suffixes, suffixes.draw(locale, company.hash("suffix")))),
    ]
    if blank is None:
        return tuple(pieces)
    return tuple(Words(piece.pool, np.where(blank, piece.pool.end, piece.index)) for piece in pieces)


def company_domain(company: Block, blank: Mask | None = None) -> tuple[Piece, ...]:
    """A company's own domain, different for every company; nothing where ``blank``."""
    pools = pools_of(company)
    last, word, generation = _name_parts(company)
    pieces = [
        Words(pools.last_slugs, last),
        Words(pools.business_slugs, word),
        *([Words(pools.numbers, generation)] if _has_generations(company) else []),
        Words(pools.tlds, company_locale(company)),
    ]
    if blank is None:
        return tuple(pieces)
    return tuple(Words(piece.pool, np.where(blank, piece.pool.end, piece.index)) for piece in pieces)


@feature
def employer(contact: Block) -> Block:
    """The company that a contact works for: large ones employ many."""
    listed, count = contact.count(COMPANIES), contact.count(CONTACTS)
    hashes = contact.hash("employer")
    ranks = zipf_ranks(hashes, max(listed, 1), 60)
    company = permute(ranks, max(listed, 1), stream_key(contact.plan.seed, COMPANIES, "ranks"))
    hidden = (contact.rows >= (count if listed else 0)).nonzero()[0]
    company[hidden] = listed + below(hashes[hidden], unlisted(contact, COMPANIES))
    return contact.at(COMPANIES, company)


@feature
def person(contact: Block) -> tuple[Ints, Ints]:
    """Indexes of a contact's first and last name, in the language of the employer."""
    locale = company_locale(employer(contact))
    pools = pools_of(contact)
    return pools.first_names.draw(locale, contact.hash("first")), pools.last_names.draw(
        locale, contact.hash("last")
    )


def full_name(contact: Block) -> tuple[Piece, ...]:
    """First and last name."""
    first, last = person(contact)
    pools = pools_of(contact)
    return (
        Words(pools.first_names.pool, first),
        literal(" "),
        Words(pools.last_names.pool, last),
    )


def email(
    contact: Block, *, free_mail: Mask | None = None, bad: Mask | None = None, twin: Mask | None = None
) -> tuple[Piece, ...]:
    """A contact's address, different for every contact; dirty in the few rows of the masks.

    ``free_mail``: at a public provider; ``bad``: in a form that no server takes; ``twin``: the
    neighbour's in capitals, which differs from an existing one by case alone.
    """
    nowhere = np.zeros(len(contact.rows), dtype=np.bool_)
    public, flawed, shouted = (nowhere if mask is None else mask for mask in (free_mail, bad, twin))
    pieces = _address(contact, contact.constant(0), contact.constant(0))
    some = (public | flawed | shouted).nonzero()[0]
    if not len(some):
        return pieces
    public, flawed, shouted = public[some], flawed[some], shouted[some]
    someone = contact.at(CONTACTS, contact.rows[some] ^ shouted)
    pools = pools_of(contact)
    flaw = np.where(flawed, 1 + below(someone.hash("flaw"), FLAWS), 0)
    provider = FLAWS + 1 + below(someone.hash("provider"), len(pools.at_signs.texts) - FLAWS - 1)
    domainless = public | (flaw == DOMAINLESS)
    others = _address(someone, flaw, np.where(public, provider, flaw), domainless, shouted)
    return tuple(replaced(piece, some, other) for piece, other in zip(pieces, others, strict=True))


def _address(
    contact: Block, lead: Ints, at_sign: Ints, domainless: Mask | None = None, capitals: Mask | None = None
) -> tuple[Piece, ...]:
    pools = pools_of(contact)
    first, last = person(contact)
    if capitals is not None:
        first = first + capitals * (len(pools.first_slugs.texts) // 2)
        last = last + capitals * pools.last_count
    width = len(str(contact.count(CONTACTS) + unlisted(contact, CONTACTS)))
    return (
        Words(pools.leads, lead),
        Words(pools.first_slugs, first),
        literal("."),
        Words(pools.last_slugs, last),
        Digits(contact.rows, width),
        Words(pools.at_signs, at_sign),
        *company_domain(employer(contact), domainless),
    )


@feature
def user_name(user: Block) -> tuple[Ints, Ints]:
    """Indexes of a colleague's first and last name."""
    pools = pools_of(user)
    locale = below(user.hash("locale"), 4)
    return pools.first_names.draw(locale, user.hash("first")), pools.last_names.draw(
        locale, user.hash("last")
    )


def user_full_name(user: Block) -> tuple[Piece, ...]:
    """First and last name of a colleague; the same for a user and their profile."""
    first, last = user_name(user)
    pools = pools_of(user)
    return (
        Words(pools.first_names.pool, first),
        literal(" "),
        Words(pools.last_names.pool, last),
    )


def user_email(user: Block) -> tuple[Piece, ...]:
    """A colleague's address at the CRM's own company."""
    first, last = user_name(user)
    pools = pools_of(user)
    return (
        Words(pools.first_slugs, first),
        literal("."),
        Words(pools.last_slugs, last),
        Digits(user.rows, len(str(user.count(USERS)))),
        literal("@sales.example"),
    )


def spelling(block: Block) -> Ints:
    """How a dirty row spells a company: see the pools' spellings."""
    kinds = block.plan.data.dirt[block.table]
    result = block.constant(NORMAL)
    for kind, spelled in (("company_case", 1 + (block.rows & 1)), ("company_spacing", block.constant(3))):
        if kind in kinds:
            result = np.where(is_dirty(block, kind), spelled, result)
    return result


def odd_tail(block: Block) -> tuple[Piece, ...]:
    """What a dirty row appends to a company's name: wildcards, emoji, right-to-left text, 200 characters."""
    pools = pools_of(block)
    index = block.constant(pools.odd_tails.pool.end)
    for position, kind in enumerate(pools.odd_tail_kinds):
        if kind in block.plan.data.dirt[block.table]:
            drawn = pools.odd_tails.draw(block.constant(position), block.hash("tail"))
            index = np.where(is_dirty(block, kind), drawn, index)
    return (Words(pools.odd_tails.pool, index),)
