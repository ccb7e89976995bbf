"""What a kept template saves: medians in one run, printed with their spread."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.migrate.suite import find_suite
from bench.pg.database import clone_database, drop_database, new_name
from bench.pg.opening import open_server
from bench.pg.spec import ServerSpec
from bench.run.progress import silent
from bench.run.template.keep import template_key
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template

ROUNDS = 3
CRM = find_suite("crm", Path(__file__).parents[2] / "migrations")

pytestmark = pytest.mark.timing


def test_a_clone_is_ten_times_faster_than_seeding_again_and_a_kept_template_soon_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    data = DataOptions(scale=1.0, cache=True)
    spec = ServerSpec("embedded", data_key=template_key(CRM, data))
    seeding_s, cloning_s, ready_s = [], [], []
    for _ in range(ROUNDS):
        with open_server(ServerSpec("embedded")) as server:
            started = time.perf_counter()
            with template(server, CRM, replace(data, cache=False), silent):
                seeding_s.append(time.perf_counter() - started)
    for round_ in range(ROUNDS + 1):
        started = time.perf_counter()
        with open_server(spec) as server, template(server, CRM, data, silent) as prepared:
            if round_ == 0:
                assert not prepared.dataset.from_template
                continue
            ready_s.append(time.perf_counter() - started)
            assert prepared.dataset.from_template
            name = new_name("clone")
            started = time.perf_counter()
            clone_database(server, prepared.dbname, name)
            cloning_s.append(time.perf_counter() - started)
            drop_database(server, name)
    rows = sum(table.rows for table in prepared.dataset.tables)
    for what, times in (("seeded", seeding_s), ("cloned", cloning_s), ("server and template", ready_s)):
        print(
            f"{rows:,} rows {what}: {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
        )
    assert statistics.median(seeding_s) >= 10 * statistics.median(cloning_s)
    assert statistics.median(ready_s) < statistics.median(seeding_s)
