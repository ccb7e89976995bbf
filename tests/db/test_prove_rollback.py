"""Rollbacks proved on a small schema: a clean suite raises nothing, each planted fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from proving import BASE, by_code, clean_suite, proved, write_suite

from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.dangers.rollback import rollback_incomplete
from bench.pg.server import Server
from bench.run.prove.session import ProofOptions

ADD = "ALTER TABLE app.deals ADD note text;"


def outcomes(run: object) -> set[tuple[str, str]]:
    return {(each.scope, each.outcome) for each in run.proofs.rollback}  # type: ignore[attr-defined]


def test_a_clean_suite_goes_back_exactly_and_raises_nothing(server: Server, tmp_path: Path) -> None:
    run = proved(server, clean_suite(tmp_path))
    assert list(rollback_incomplete.find(Rehearsed(run))) == []
    alone = [each for each in run.proofs.rollback if each.scope == "alone"]
    assert [each.outcome for each in alone] == ["exact", "exact"]
    assert all(each.duration_s is not None and each.locks for each in alone)
    written = [write for each in run.proofs.rollback for write in each.writes]
    assert {write.op for write in written} == {"INSERT", "UPDATE"}
    assert any(write.outcome == "lost" and write.named for write in written), "the column's values, said"
    assert any(each.scope == "all" and each.outcome == "exact" for each in run.proofs.rollback)


FAULTS: dict[str, tuple[str, str | None, str]] = {
    # migration: forward, backward, what is said; more of them are in test_prove_faults.py
    "001_default": (
        ADD + "ALTER TABLE app.deals ALTER stage SET DEFAULT 'open';",
        "ALTER TABLE app.deals DROP note;",
        "leaves changed column app.deals.stage",
    ),
    "002_sequence": (
        "ALTER SEQUENCE app.deals_id_seq RESTART;",
        "SELECT 1;",
        "sets app.deals_id_seq back from 20 to unused",
    ),
    "003_none": ("ALTER TABLE app.deals ADD more text;", None, "has no rollback"),
}


@pytest.fixture(scope="module")
def faulty(server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    migrations = {name: fault[:2] for name, fault in FAULTS.items()}
    suite = write_suite(tmp_path_factory.mktemp("faults"), BASE, migrations)
    run = proved(server, suite, ProofOptions(budget_s=0.0))
    return [each.message for each in by_code(run, "rollback-incomplete")]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(faulty: list[str], name: str) -> None:
    assert any(FAULTS[name][2] in message for message in faulty), faulty


def test_rows_that_users_wrote_and_that_go_without_a_word_are_named(server: Server, tmp_path: Path) -> None:
    back = "ALTER TABLE app.deals DROP note;"
    suite = write_suite(tmp_path, BASE, {"001_note": (ADD, back)})
    run = proved(server, suite, ProofOptions(budget_s=0.0))
    (found,) = by_code(run, "rollback-incomplete")
    assert "loses what users wrote since, and does not say so: UPDATE of app.deals.note" in found.message
    assert found.severity == "warning"
    assert ("after-writes", "differs") in outcomes(run)
    assert ("alone", "exact") in outcomes(run)


def test_a_rollback_that_deletes_a_row_which_a_user_added_loses_it(server: Server, tmp_path: Path) -> None:
    forward = "INSERT INTO app.companies VALUES (100, 'made here');"
    run = proved(
        server,
        write_suite(tmp_path, BASE, {"001_row": (forward, "DELETE FROM app.companies WHERE id >= 100;")}),
        ProofOptions(budget_s=0.0),
    )
    (found,) = by_code(run, "rollback-incomplete")
    assert "INSERT of app.companies" in found.message


def test_a_missing_rollback_is_drafted_and_the_draft_is_proved(server: Server, tmp_path: Path) -> None:
    forward = (
        "ALTER TABLE app.deals ADD note text;"
        "CREATE TABLE app.more (id int PRIMARY KEY, deal int REFERENCES app.deals);"
        "CREATE VIEW app.both AS SELECT d.note, m.id FROM app.deals d JOIN app.more m ON m.deal = d.id;"
        "CREATE INDEX deals_stage ON app.deals (stage); DROP INDEX app.deals_value;"
    )
    base = BASE + "CREATE INDEX deals_value ON app.deals (value);"
    suite = write_suite(tmp_path, base, {"001_many": (forward, None)})
    run = proved(server, suite, ProofOptions(budget_s=0.0, drafts=tmp_path / "drafts"))
    (draft,) = [each for each in run.proofs.rollback if each.draft]
    assert draft.outcome == "exact", draft
    assert (tmp_path / "drafts" / "001_many.draft.sql").read_text().startswith("-- DRAFT of a rollback")
    (found,) = by_code(run, "rollback-incomplete")
    assert "has no rollback" in found.message, "a draft is no rollback that somebody has read"
