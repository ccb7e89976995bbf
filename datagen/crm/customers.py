"""Companies and contacts."""

from __future__ import annotations

import numpy as np

from datagen.crm.identity import (
    COMPANIES,
    CONTACTS,
    USERS,
    company_domain,
    company_locale,
    company_name,
    email,
    employer,
    odd_tail,
    person,
)
from datagen.crm.people import TIMES
from datagen.crm.pools import LOWER, NORMAL, UPPER, pools_of
from datagen.engine.columns import (
    Block,
    Column,
    Table,
    choice,
    feature,
    fixed_pool,
    flag,
    ids,
    is_dirty,
    literal,
    own_id,
)
from datagen.engine.streams import Ints, Mask, chance, permute, stream_key
from datagen.engine.values import Booleans, Digits, Piece, Texts, Uuids, Words


def phone(block: Block, locales: Ints) -> tuple[Piece, ...]:
    """Country code and eleven digits."""
    number = (block.hash("phone") >> np.uint64(16)).astype(np.int64)
    return (
        Words(pools_of(block).calling_codes, locales),
        Digits(number, 3),
        literal(" "),
        Digits(number // 1000, 7),
    )


@feature
def _named_after(block: Block) -> Block:
    """Whose name a company bears: its own, or another's where the same one was entered twice."""
    twin = is_dirty(block, "two_owners") | is_dirty(block, "case_twin")
    other = (block.rows + 1) % block.count(COMPANIES)
    return block.at(COMPANIES, np.where(twin, other, block.rows))


def _company_name(block: Block) -> Texts:
    spelled = np.where(is_dirty(block, "case_twin"), np.where(block.rows & 1, UPPER, LOWER), NORMAL)
    return Texts((*company_name(_named_after(block), spelled), *odd_tail(block)))


def _company_domain(block: Block) -> Texts:
    twin = is_dirty(block, "two_owners") | is_dirty(block, "case_twin")
    return Texts(company_domain(block), twin | block.chance("domain", 0.15))


def _website(block: Block) -> Texts:
    prefix = literal("https://www.")
    return Texts((prefix, *company_domain(block)), block.chance("website", 0.4))


def _address(block: Block) -> Texts:
    pools, locale, hashes = pools_of(block), company_locale(block), block.hash("address")
    number = (hashes >> np.uint64(40)).astype(np.int64)
    pieces = (
        Digits(10 + number % 90, 2),
        literal(" "),
        Words(pools.last_names.pool, pools.last_names.draw(locale, block.hash("street"))),
        Words(fixed_pool(" 1", " 2", " 3"), number % 3),
        Digits(number, 4),
        literal(" "),
        Words(pools.cities.pool, pools.cities.draw(locale, hashes)),
    )
    return Texts(pieces, chance(hashes, 0.3))


def _description(block: Block) -> Texts:
    hashes = block.hash("description")
    texts = pools_of(block).descriptions
    return Texts((Words(texts.pool, texts.draw(company_locale(block), hashes)),), chance(hashes, 0.45))


def _merged(block: Block) -> Mask:
    return block.chance("merged", 0.01)


def _merged_into(block: Block) -> Uuids:
    count = block.count(COMPANIES)
    target = permute(block.rows, count, stream_key(block.plan.seed, COMPANIES, "merged_into"))
    return ids(COMPANIES, block, target, ~_merged(block))


def _linkedin(kind: str, share: float) -> Column:
    def values(block: Block) -> Texts:
        prefix = literal(f"https://linkedin.example/{kind}/")
        return Texts((prefix, Digits(block.rows, 9)), block.chance("linkedin", share))

    return Column("linkedin_url", values)


def _employer_name(block: Block) -> Texts:
    return Texts(company_name(employer(block)), block.chance("company", 0.2))


def _employer_id(block: Block) -> Uuids:
    nobody = employer(block).rows >= block.count(COMPANIES)
    return ids(COMPANIES, block, employer(block).rows, nobody | block.chance("company_id", 0.15))


def _contact_email(block: Block) -> Texts:
    free_mail, bad = is_dirty(block, "free_mail"), is_dirty(block, "bad_email")
    return Texts(email(block, free_mail=free_mail, bad=bad, twin=is_dirty(block, "email_case_twin")))


def _person_name(part: int) -> Column:
    def values(block: Block) -> Texts:
        pools = pools_of(block)
        pool = (pools.first_names, pools.last_names)[part].pool
        index = np.where(is_dirty(block, "empty_name"), pool.end, person(block)[part])
        return Texts((Words(pool, index),), is_dirty(block, "no_name"))

    return Column(("first_name", "last_name")[part], values)


def _title(block: Block) -> Texts:
    hashes, jobs = block.hash("title"), pools_of(block).jobs
    index = jobs.draw(company_locale(employer(block)), hashes)
    return Texts((Words(jobs.pool, index),), chance(hashes, 0.25))


TABLES = (
    Table(
        COMPANIES,
        (
            Column("id", own_id),
            Column("owner_id", lambda block: ids(USERS, block, block.zipf("owner", "public.profiles"))),
            Column("is_merged", lambda block: Booleans(_merged(block))),
            *TIMES,
            Column("name", _company_name),
            Column("domain", _company_domain),
            Column(
                "industry",
                choice(
                    "industry",
                    Software=9,
                    Manufacturing=7,
                    Retail=6,
                    Finance=5,
                    Health=4,
                    Energy=2,
                    Education=2,
                    NULL=8,
                ),
            ),
            Column("size", choice("size", startup=8, small=12, medium=8, large=3, enterprise=1, NULL=6)),
            Column("website", _website),
            Column("address", _address),
            Column(
                "phone",
                lambda block: Texts(phone(block, company_locale(block)), block.chance("phone", 0.35)),
            ),
            Column("description", _description),
            _linkedin("company", 0.6),
            Column("merged_into_id", _merged_into),
        ),
    ),
    Table(
        CONTACTS,
        (
            Column("id", own_id),
            Column("is_primary", flag("is_primary", 0.3)),
            *TIMES,
            Column("email", _contact_email),
            _person_name(0),
            _person_name(1),
            Column("company", _employer_name),
            Column(
                "phone",
                lambda block: Texts(
                    phone(block, company_locale(employer(block))), block.chance("phone", 0.4)
                ),
            ),
            Column("title", _title),
            _linkedin("in", 0.55),
            Column("company_id", _employer_id),
            Column(
                "owner_id",
                lambda block: ids(
                    USERS, block, block.zipf("owner", "public.profiles"), block.chance("no_owner", 0.1)
                ),
            ),
        ),
    ),
)
