"""A data set that nobody has told the engine about: its plan, its bytes, and nothing of the CRM."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.migrate.config import read_suite_config
from datagen import DATA_SETS, data_set
from datagen.__main__ import main
from datagen.engine.arrow import csv_block
from datagen.engine.blocks import Shard, blocks, count_dirt
from datagen.engine.columns import Block, Column, Table, ids, is_dirty, own_id
from datagen.engine.plan import DataSet, Plan, Rows
from datagen.engine.values import Integers

USERS, ORDERS = "shop.users", "shop.orders"


def price(block: Block) -> Integers:
    return Integers(block.constant(-1) * is_dirty(block, "negative"))


def tables() -> Mapping[str, Table]:
    buyer = Column("buyer", lambda block: ids(USERS, block, block.zipf("buyer", USERS)))
    return {
        USERS: Table(USERS, (Column("id", own_id),)),
        ORDERS: Table(ORDERS, (Column("id", own_id), buyer, Column("price", price))),
    }


SHOP = DataSet(
    name="shop",
    title="the shop",
    schema="shop.sql",
    unit="1,000 orders",
    unit_rows=1000,
    rows={USERS: Rows(Fraction(1, 10)), ORDERS: Rows(Fraction(1), needs=(USERS,))},
    leading=(ORDERS,),
    dirt={ORDERS: ("negative", "late")},
    tables=tables,
    pools_sha256=lambda seed: "",
)


def lines(plan: Plan, table: str) -> list[list[str]]:
    (block,) = blocks(plan, Shard(table, 0, plan.rows[table]))
    return [line.split(",") for line in bytes(csv_block(block)).decode().splitlines()]


def test_its_rows_have_its_parents_and_its_dirt() -> None:
    plan = SHOP.plan(scale=0.1, dirt=1)
    users = {user for (user,) in lines(plan, USERS)}
    orders = lines(plan, ORDERS)
    assert (len(users), len(orders)) == (10, 100)
    assert {buyer for _, buyer, _ in orders} <= users
    (block,) = blocks(plan, Shard(ORDERS, 0, 100))
    counted = count_dirt(block)
    assert counted["shop.orders.negative"] == [price for _, _, price in orders].count("-1")
    assert sum(counted.values()) == 100
    assert {price for _, _, price in lines(SHOP.plan(scale=0.1, dirt=0), ORDERS)} == {"0"}


def test_what_it_has_not_is_told_with_its_own_name() -> None:
    with pytest.raises(UsageError, match="the shop has no table 'deals'"):
        SHOP.plan(rows={"deals": 1})
    with pytest.raises(UsageError, match="no kind of dirt 'bad_email'") as caught:
        SHOP.plan(dirt_kinds=["bad_email"])
    assert caught.value.hint == "known kinds: late, negative"


def test_the_engine_loads_without_the_crm() -> None:
    code = (
        "import sys, datagen.anyschema.load, datagen.anyschema.complete\n"
        "from datagen.engine import arrow, estimate, load, send, warm, write\n"
        "print([name for name in sys.modules if name.startswith(('datagen.crm', 'bench'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_sets_are_known_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [data_set(name).name for name in DATA_SETS] == list(DATA_SETS)
    assert main(["plan", "--data", "erp"]) == 2
    assert "there is no data set 'erp'" in capsys.readouterr().err
    (tmp_path / "suite.toml").write_text('data = "crn"\n', encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_suite_config(tmp_path / "suite.toml")
    assert caught.value.hint == 'did you mean "crm"? known: "crm"; leave the key out for no data'
