"""The bytes of a generator version are pinned: whoever changes them must give the generator a new version."""

from __future__ import annotations

import json
from pathlib import Path

from datagen import GENERATOR_VERSION
from datagen.crm import DATA_SET as CRM
from datagen.crm.pools import build_pools
from datagen.engine.blocks import Shard
from datagen.engine.words import faker_version
from datagen.engine.write import digest

PINNED = Path(__file__).parents[1] / "data" / "datagen_digests.json"
"""Made with the Faker version that constraints.txt pins, since pools come from its word lists."""


def test_the_same_version_and_seed_give_the_same_bytes() -> None:
    pinned = json.loads(PINNED.read_text(encoding="utf-8"))
    plan = CRM.plan(scale=0.003, seed=7, dirt=0.1)
    found = {
        "generator_version": GENERATOR_VERSION,
        "faker_version": faker_version(),
        "pools_sha256": build_pools(7).sha256(),
        "tables": {
            table: digest(plan, Shard(table, 0, rows), block_rows=100) for table, rows in plan.rows.items()
        },
    }
    assert found == pinned, "other bytes: raise GENERATOR_VERSION and pin again"
