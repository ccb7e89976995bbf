"""Rows as production has them, and the option that kinds of dirt are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.cli.data import SourceChoice, data_options
from bench.cli.options import DataChoice, take
from bench.errors import UsageError
from bench.migrate.suite import Suite, find_suite
from datagen.__main__ import main
from datagen.crm import DATA_SET as CRM
from datagen.engine.like import like_production, read_like


def probe(directory: Path, tables: Any) -> Path:
    path = directory / "probe.json"
    path.write_text(f"SET\n{json.dumps({'probe': 1, 'tables': tables})}\n", encoding="utf-8")
    return path


PRODUCTION = {
    "public.deals": {"rows": 50_000, "bytes": 10},
    "public.contacts": {"rows": 7, "bytes": 10},
    "public.profiles": {"rows": 900, "bytes": 10},
    "auth.users": {"rows": 800, "bytes": 10},
    "public.invoices": {"rows": 5, "bytes": 10},
}


def test_rows_are_those_of_production_and_the_rest_in_proportion_to_its_deals(tmp_path: Path) -> None:
    path = probe(tmp_path, PRODUCTION)
    scale, rows = like_production(CRM, read_like(path), path)
    assert scale == 0.5
    # Statistics that contradict each other: no profile without its user.
    given = {"public.deals": 50_000, "public.contacts": 7, "public.profiles": 800, "auth.users": 800}
    assert rows == CRM.rows_at(0.5) | given
    assert CRM.plan(scale=scale, rows=rows).rows == rows


def test_a_list_of_tables_is_read_too(tmp_path: Path) -> None:
    path = probe(tmp_path, [{"name": "public.tasks", "rows": 3, "bytes": 1}])
    assert read_like(path) == {"public.tasks": 3}


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"public.deals": {"rows": -1}}, "public.deals has -1 rows"),
        ({"public.deals": {"rows": "5"}}, "public.deals has '5' rows"),
        ({"public.deals": {}}, "does not tell the rows"),
        (None, "does not tell the rows"),
        ({"shop.orders": {"rows": 5}}, "no rows in tables of the CRM, but: shop.orders"),
    ],
)
def test_what_is_no_probe_of_a_crm_is_told(
    tmp_path: Path, tables: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--like", str(probe(tmp_path, tables))]) == 2
    assert said in capsys.readouterr().err


def test_like_sets_the_plan_and_rows_win_over_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(probe(tmp_path, PRODUCTION))
    assert main(["plan", "--like", path, "--rows", "contacts=9", "--json", "-"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["scale"], plan["rows"]["public.contacts"]) == (0.5, 9)
    assert main(["plan", "--like", path, "--scale", "2"]) == 2
    assert "exclude each other" in capsys.readouterr().err


def options(suite: Suite, **given: Any) -> Any:
    return data_options(suite, take(DataChoice, given), take(SourceChoice, given))


def test_a_run_takes_production_s_rows_and_kinds_of_dirt(tmp_path: Path) -> None:
    crm = find_suite("crm")
    data = options(crm, like=probe(tmp_path, PRODUCTION), dirt_kinds=("bad_email",))
    assert (data.scale, data.rows["public.contacts"], data.dirt_kinds) == (0.5, 7, ("bad_email",))
    with pytest.raises(UsageError, match="no kind of dirt 'bad_emial'"):
        options(crm, dirt_kinds=("bad_emial",))


def test_a_suite_without_data_has_no_kinds_of_dirt(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("SELECT 1;", encoding="utf-8")
    bare = find_suite(str(tmp_path))
    with pytest.raises(UsageError, match="--dirt-kinds has no effect"):
        options(bare, dirt_kinds=("bad_email",))
    with pytest.raises(UsageError, match="--like has no effect"):
        options(bare, like=probe(tmp_path, PRODUCTION))
    filled = options(bare, like=probe(tmp_path, PRODUCTION), fill=True)
    assert filled.like["public.invoices"] == 5
