"""Every danger's page is true: its example has the danger, and what stands there instead has not."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import PLANTED, told

from bench.analyse.dangers.danger import Danger
from bench.analyse.findings import BY_CODE, DANGERS
from bench.pg.server import Server

NEEDED = {"constraint-unenforced": [pytest.mark.pg(">= 18")], "access-opened": [pytest.mark.pg(">= 15")]}
EACH = [pytest.param(danger, id=danger.code, marks=NEEDED.get(danger.code, ())) for danger in DANGERS]


def test_every_danger_is_planted() -> None:
    assert PLANTED.keys() == BY_CODE.keys()


@pytest.mark.parametrize("danger", EACH)
def test_the_example_of_its_page_has_it(danger: Danger, server: Server, tmp_path: Path) -> None:
    found = told(server, tmp_path, PLANTED[danger.code], danger.page.example)
    assert danger.code in {finding.code for finding in found}


@pytest.mark.parametrize("danger", [param for param in EACH if param.values[0].page.instead])
def test_the_way_out_of_its_page_runs_and_has_it_not(danger: Danger, server: Server, tmp_path: Path) -> None:
    found = told(server, tmp_path, PLANTED[danger.code], danger.page.instead)
    codes = {finding.code for finding in found}
    assert danger.code not in codes, [finding.sentence for finding in found if finding.code == danger.code]
    assert not codes & {"fails-on-data", "refused", "side-effect-on-failure", "plpgsql-syntax"}


def test_a_request_that_breaks_is_told_at_the_statement_that_breaks_it(
    server: Server, tmp_path: Path
) -> None:
    sql = "ALTER TABLE deals ADD COLUMN region text;\nALTER TABLE deals RENAME COLUMN stage TO state;"
    broken = [f for f in told(server, tmp_path, PLANTED["broken-query"], sql) if f.code == "broken-query"]
    assert broken
    assert {(finding.statement, finding.place and finding.place.line) for finding in broken} == {(1, 2)}
