"""Growth on the CRM as the review found it: the ILIKE backfill is named, with its plan, as quadratic."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import bench

from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.dangers.growth import growth
from bench.analyse.nested import Hot, hot_statement
from bench.analyse.summary import summarise
from bench.model.run import Run
from bench.store.codec import decode

ROOT = Path(__file__).parents[2]
MIGRATION = "20250831000001_migrate_legacy_contact_relationships"

LINKS = {
    115: ("UPDATE deals d SET company_id", "c.name ILIKE d.company", "Seq Scan on companies c"),
    121: (
        "UPDATE deals d SET primary_contact_id",
        "ct.email ILIKE d.contact_email",
        "Seq Scan on contacts ct",
    ),
}
"""By line, both quadratic and about as slow: either can be the hot one of a run."""

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path, str]:
    """A run on clean data, as planted dirt would end the backfill; its directory; what the terminal said."""
    out = tmp_path_factory.mktemp("growth") / "run"
    done = bench(
        "run", "crm_as_reviewed", "--server", "embedded", "--scale", "0.03", "--dirt", "0", "--repeats", "1",
        "--no-load", "--out", str(out), cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return decode((out / "run.json").read_bytes()), out, done.stdout


def hottest(run: Run) -> tuple[Hot, int]:
    """The statement that took most, and its line."""
    (migration,) = [each for each in summarise(run).migrations if each.id == MIGRATION]
    (linking,) = [each for each in migration.statements if "SET primary_contact_id" in each.text]
    hot = hot_statement(linking)
    assert hot is not None
    return hot, int(hot.where.rpartition(":")[2])


def test_the_ilike_backfill_is_hot_and_quadratic(rehearsed: tuple[Run, Path, str]) -> None:
    run, _, _ = rehearsed
    hot, line = hottest(run)
    assert LINKS[line][1] in hot.nested.text
    assert hot.where == f"{MIGRATION}.sql:{line}"
    assert hot.share is not None
    assert hot.share > 0.4
    assert hot.nested.growth == pytest.approx(2.0, abs=0.2)
    assert hot.nested.plan is not None
    small, full = hot.nested.sizes
    assert full.data_rows == pytest.approx(4 * small.data_rows, rel=0.05)


def test_the_finding_names_it_and_leaves_linear_steps_alone(rehearsed: tuple[Run, Path, str]) -> None:
    run, _, _ = rehearsed
    told = Rehearsed(run).found(growth.find)
    found = {each.statement: each for each in told if each.migration == MIGRATION}
    steps = {each.index: each.text for each in summarise(run).statements if each.migration == MIGRATION}
    (linking,) = [index for index, text in steps.items() if "SET primary_contact_id" in text]
    (linear,) = [index for index, text in steps.items() if "INSERT INTO deal_stakeholders" in text]
    assert linear not in found
    message = found[linking].message
    _, line = hottest(run)
    assert f"{MIGRATION}.sql:{line}" in message
    assert LINKS[line][0] in message
    assert "removed by" in message
    assert found[linking].evidence["exponent_of"] == "rows handled"


def test_every_report_shows_it(rehearsed: tuple[Run, Path, str]) -> None:
    run, out, said = rehearsed
    _, line = hottest(run)
    update, condition, scan = LINKS[line]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"WHERE {condition}" in page
    assert "rows removed by Filter" in page
    assert "Rows handled" in page, "a plan whose nodes were not timed"
    markdown = (out / "report.md").read_text(encoding="utf-8")
    assert "#### Hot statements inside" in markdown
    assert f"`{update}" in markdown
    assert scan in markdown
    assert "Hot SQL inside statements" in said
    assert f"2:{line}" in said
