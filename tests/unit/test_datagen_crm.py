"""The CRM's rows: a function of plan and row number, clean where asked, dirty as told."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict

import numpy as np
import pytest

from bench.errors import UsageError
from datagen.crm import DATA_SET as CRM
from datagen.crm.identity import company_domain, company_name
from datagen.crm.pools import build_pools
from datagen.engine.arrow import csv_block
from datagen.engine.blocks import Shard, blocks, count_dirt, shards
from datagen.engine.columns import Block
from datagen.engine.plan import Plan
from datagen.engine.values import Piece, Texts
from datagen.engine.warm import warm_up
from datagen.engine.write import digest

TABLES = CRM.tables()

CLEAN = CRM.plan(scale=0.02, dirt=0)
SOILED = CRM.plan(scale=0.02, dirt=1)


def rows_of(plan: Plan, table: str) -> list[dict[str, str]]:
    """A whole table as texts; NULL and an empty text are both ''."""
    names = [column.name for column in TABLES[table].columns]
    lines = [bytes(csv_block(block)).decode() for block in blocks(plan, Shard(table, 0, plan.rows[table]))]
    return [dict(zip(names, line, strict=True)) for line in csv.reader(io.StringIO("".join(lines)))]


def texts_of(block: Block, pieces: tuple[Piece, ...]) -> list[str]:
    from datagen.engine.arrow import csv_rows

    return [line[0] for line in csv.reader(io.StringIO(bytes(csv_rows([Texts(pieces)])).decode()))]


@pytest.mark.parametrize("table", list(TABLES))
def test_bytes_do_not_depend_on_the_block_size(table: str) -> None:
    shard = Shard(table, 0, min(CLEAN.rows[table], 1000))
    soiled = CRM.plan(scale=0.02, dirt=0.5)
    assert digest(soiled, shard, block_rows=1000) == digest(soiled, shard, block_rows=77)


@pytest.mark.parametrize("table", ["public.deals", "public.activities"])
def test_a_shard_is_a_slice_of_the_table(table: str) -> None:
    whole = rows_of(CLEAN, table)
    part = [bytes(csv_block(block)) for block in blocks(CLEAN, Shard(table, 1234, 56))]
    assert [line[0] for line in csv.reader(io.StringIO(b"".join(part).decode()))] == [
        row["id"] for row in whole[1234 : 1234 + 56]
    ]


def test_shards_cover_every_row_once() -> None:
    covered: dict[str, list[int]] = defaultdict(list)
    for shard in shards(CLEAN, 700):
        covered[shard.table] += range(shard.first, shard.first + shard.count)
    assert {table: sorted(rows) for table, rows in covered.items()} == {
        table: list(range(count)) for table, count in CLEAN.rows.items()
    }


def test_another_seed_gives_other_rows() -> None:
    shard = Shard("public.deals", 0, 100)
    other = CRM.plan(scale=0.02, dirt=0, seed=2)
    assert digest(CLEAN, shard, block_rows=100) != digest(other, shard, block_rows=100)
    assert build_pools(1).sha256() != build_pools(2).sha256()


def test_no_two_companies_share_a_name_or_a_domain() -> None:
    pools = build_pools(1)
    rows = np.arange(pools.company_capacity + 5000)
    plan = CRM.plan(scale=0.02, dirt=0, rows={"companies": len(rows)})
    block = Block(plan, "public.companies", rows)
    names = texts_of(block, company_name(block))
    assert len({name.lower() for name in names}) == len(rows)
    assert len({domain.lower() for domain in texts_of(block, company_domain(block))}) == len(rows)
    assert not any(set("%_\\") & set(name) for name in names)


def test_names_come_in_four_scripts() -> None:
    text = "".join(row["name"] for row in rows_of(CLEAN, "public.companies"))
    for first, last in (("a", "z"), ("а", "я"), ("一", "龥"), ("ا", "ي")):
        assert sum(first <= letter <= last for letter in text) > 50


@pytest.mark.parametrize("plan", [CLEAN, SOILED], ids=["clean", "soiled"])
def test_unique_columns_are_unique_however_dirty(plan: Plan) -> None:
    for table, column in [
        ("auth.users", "email"),
        ("public.profiles", "email"),
        ("public.companies", "domain"),
        ("public.contacts", "email"),
        ("public.deal_stages", "name"),
        ("public.meetings", "recording_id"),
    ]:
        values = [row[column] for row in rows_of(plan, table) if row[column]]
        assert len(values) == len(set(values)), f"{table}.{column}"


@pytest.mark.parametrize("plan", [CLEAN, SOILED], ids=["clean", "soiled"])
def test_every_reference_has_its_parent(plan: Plan) -> None:
    keys = {table: {row["id"] for row in rows_of(plan, table)} for table in TABLES}
    for table, column, parent in [
        ("public.profiles", "id", "auth.users"),
        ("public.team_members", "team_id", "public.teams"),
        ("public.companies", "owner_id", "public.profiles"),
        ("public.companies", "merged_into_id", "public.companies"),
        ("public.contacts", "company_id", "public.companies"),
        ("public.deals", "stage_id", "public.deal_stages"),
        ("public.deals", "primary_contact_id", "public.contacts"),
        ("public.activities", "deal_id", "public.deals"),
        ("public.tasks", "contact_id", "public.contacts"),
        ("public.meetings", "primary_contact_id", "public.contacts"),
        ("public.meeting_attendees", "meeting_id", "public.meetings"),
    ]:
        used = {row[column] for row in rows_of(plan, table) if row[column]}
        assert used, f"{table}.{column} is never filled"
        assert used <= keys[parent], f"{table}.{column}"


def test_legacy_text_of_clean_deals_can_be_extracted() -> None:
    deals = rows_of(CLEAN, "public.deals")
    legacy = [deal for deal in deals if not deal["company_id"]]
    assert 0.55 < len(legacy) / len(deals) < 0.65
    assert all(not deal["primary_contact_id"] for deal in legacy)
    facts: dict[str, set[tuple[str, str]]] = defaultdict(set)
    domains: dict[str, set[str]] = defaultdict(set)
    for deal in legacy:
        assert deal["company"]
        facts[deal["contact_email"]].add((deal["contact_name"], deal["company"]))
        domains[deal["contact_email"].partition("@")[2]].add(deal["company"])
    assert max(map(len, facts.values())) == 1, "one name and one company per address"
    assert max(map(len, domains.values())) == 1, "one company per domain"
    names = {row["name"] for row in rows_of(CLEAN, "public.companies")}
    addresses = {row["email"] for row in rows_of(CLEAN, "public.contacts")}
    assert 0.4 < np.mean([deal["company"] in names for deal in legacy]) < 0.6
    assert 0.4 < np.mean([deal["contact_email"] in addresses for deal in legacy]) < 0.6


def test_stage_status_and_probability_agree() -> None:
    stages = {row["id"]: row for row in rows_of(CLEAN, "public.deal_stages")}
    status = {"Signed": "won", "Delivered": "won", "Lost": "lost"}
    for deal in rows_of(CLEAN, "public.deals"):
        stage = stages[deal["stage_id"]]
        assert deal["status"] == status.get(stage["name"], "active")
        assert deal["probability"] in ("", stage["default_probability"])
        assert deal["created_at"] <= deal["stage_changed_at"] <= deal["updated_at"] < "2025-08-31"


def test_owners_and_companies_are_skewed() -> None:
    plan = CRM.plan(scale=0.1, dirt=0)
    deals = rows_of(plan, "public.deals")
    for column, least in (("owner_id", 3), ("company_id", 5)):
        counts = sorted(Counter(deal[column] for deal in deals if deal[column]).values(), reverse=True)
        assert counts[0] > least * np.median(counts)
    per_deal = Counter(row["deal_id"] for row in rows_of(plan, "public.activities") if row["deal_id"])
    assert 15 < max(per_deal.values()) < 200


def test_some_texts_are_long_and_most_are_short() -> None:
    lengths = [
        len(row["description"].encode()) for row in rows_of(CLEAN, "public.deals") if row["description"]
    ]
    assert np.median(lengths) < 250
    assert max(lengths) > 4000


def test_clean_data_has_no_dirt() -> None:
    for table in CRM.dirt:
        for block in blocks(CLEAN, Shard(table, 0, CLEAN.rows[table])):
            assert count_dirt(block) == {}
    for deal in rows_of(CLEAN, "public.deals"):
        assert float(deal["value"]) > 0
        assert deal["contact_email"].count("@") <= 1
        assert not set("%_\\") & set(deal["company"] + deal["contact_name"])


def test_every_kind_of_dirt_is_planted_and_counted() -> None:
    counts: Counter[str] = Counter()
    for table in CRM.dirt:
        for block in blocks(SOILED, Shard(table, 0, SOILED.rows[table])):
            counts.update(count_dirt(block))
    assert set(counts) == {f"{t.removeprefix('public.')}.{kind}" for t in CRM.dirt for kind in CRM.dirt[t]}
    assert sum(counts.values()) == sum(SOILED.rows[table] for table in CRM.dirt)
    deals = rows_of(SOILED, "public.deals")
    for kind, found in {
        "zero_value": sum(deal["value"] == "0.00" for deal in deals),
        "negative_value": sum(deal["value"].startswith("-") for deal in deals),
        "year_9999": sum(deal["expected_close_date"] == "9999-12-31" for deal in deals),
        "empty_text": sum(deal["company"] == "" for deal in deals),
        "wildcard_text": sum(bool(set("%_\\") & set(deal["company"])) for deal in deals),
        "long_text": sum(len(deal["company"]) > 200 for deal in deals),
    }.items():
        assert found == counts[f"deals.{kind}"], kind
    assert any(deal["company"].isupper() for deal in deals)
    assert any("  " in deal["company"] for deal in deals)
    assert any(deal["contact_email"].endswith("@") for deal in deals)
    assert any("@@" in deal["contact_email"] for deal in deals)


def test_dirt_is_the_share_of_rows_asked_for() -> None:
    plan = CRM.plan(scale=0.1, dirt=0.1)
    found = sum(sum(count_dirt(b).values()) for b in blocks(plan, Shard("public.deals", 0, 10_000)))
    assert 900 < found < 1100


@pytest.mark.parametrize(
    "rows",
    [
        {"deals": 0},
        {"contacts": 0},
        {"companies": 0, "deals": 5},
        {"users": 1, "teams": 1},
        {"deal_stages": 2},
    ],
)
def test_missing_and_few_parents_are_no_obstacle(rows: dict[str, int]) -> None:
    plan = CRM.plan(scale=0.001, rows=rows, dirt=1)
    warm_up(plan)
    for table in TABLES:
        assert len(rows_of(plan, table)) == plan.rows[table]


def test_pools_name_no_wildcards() -> None:
    pools = build_pools(1)
    for pool in (pools.last_names.pool, pools.business_words.pool, pools.company_suffixes.pool):
        assert not any(set("%_\\") & set(text) for text in pool.texts)


def test_only_the_chosen_kinds_of_dirt_are_planted() -> None:
    plan = CRM.plan(scale=0.02, dirt=0.5, dirt_kinds=["bad_email", "year_9999"])
    counts: Counter[str] = Counter()
    for table in CRM.dirt:
        for block in blocks(plan, Shard(table, 0, plan.rows[table])):
            counts.update(count_dirt(block))
    assert counts.keys() == {"contacts.bad_email", "deals.bad_email", "deals.year_9999"}
    share = (counts["deals.bad_email"] + counts["deals.year_9999"]) / plan.rows["public.deals"]
    assert 0.4 < share < 0.6
    never = sum(row["expected_close_date"].startswith("9999") for row in rows_of(plan, "public.deals"))
    assert never == counts["deals.year_9999"]


def test_all_kinds_chosen_are_the_same_rows_as_no_choice() -> None:
    shard = Shard("public.deals", 0, 500)
    every = CRM.plan(scale=0.02, dirt=1, dirt_kinds=CRM.dirt["public.deals"])
    assert digest(every, shard, block_rows=500) == digest(SOILED, shard, block_rows=500)


def test_unknown_kind_of_dirt_is_told_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no kind of dirt 'bad_mail'") as caught:
        CRM.plan(dirt_kinds=["bad_mail"])
    assert "did you mean bad_email?" in str(caught.value.hint)
