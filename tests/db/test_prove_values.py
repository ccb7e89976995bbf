"""Constraints tried with values: rules that contradict each other or refuse nothing are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import validation_text
from proving import by_code, proved, write_suite

from bench.analyse.conclude import conclude
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.prove.session import ProofOptions

BASE = """
CREATE TABLE contacts (id int PRIMARY KEY);
CREATE TABLE calls (id int PRIMARY KEY);
CREATE TABLE meetings (id int PRIMARY KEY);
INSERT INTO contacts SELECT generate_series(1, 3);
INSERT INTO calls SELECT generate_series(1, 3);
INSERT INTO meetings SELECT generate_series(1, 3);
"""
SOUND = (
    """
    ALTER TABLE contacts ADD score numeric(3, 2) NOT NULL DEFAULT 0.0 CHECK (score BETWEEN 0 AND 1),
        ADD tier text NOT NULL DEFAULT 'smb' CHECK (tier IN ('smb', 'enterprise')),
        ADD links jsonb NOT NULL DEFAULT '{}', ADD skills text[] DEFAULT '{}';
    CREATE TABLE notes (id int PRIMARY KEY, contact_id int NOT NULL REFERENCES contacts ON DELETE CASCADE,
        call_id int REFERENCES calls ON DELETE SET NULL, UNIQUE (contact_id, call_id));
    INSERT INTO notes SELECT g, g, g FROM generate_series(1, 3) g;
    """,
    "DROP TABLE notes; ALTER TABLE contacts DROP score, DROP tier, DROP links, DROP skills;",
)
FAULTY = (
    """
    ALTER TABLE contacts ADD grade numeric(3, 2) DEFAULT 0 CHECK (grade BETWEEN 0 AND 100),
        ADD tier varchar(4) CHECK (tier IN ('smb', 'large')),
        ADD method text DEFAULT 'none';
    ALTER TABLE contacts ADD CONSTRAINT method_check CHECK (method IN ('mail', 'phone')) NOT VALID;
    CREATE TABLE interactions (id int PRIMARY KEY, call_id int REFERENCES calls ON DELETE SET NULL,
        meeting_id int REFERENCES meetings ON DELETE SET NULL,
        CONSTRAINT one_of_them CHECK (num_nonnulls(call_id, meeting_id) >= 1));
    INSERT INTO interactions SELECT g, g, g FROM generate_series(1, 3) g;
    """,
    "DROP TABLE interactions; ALTER TABLE contacts DROP grade, DROP tier, DROP method;",
)


def run_of(server: Server, directory: Path, migration: tuple[str, str]) -> Run:
    return proved(server, write_suite(directory, BASE, {"001_fields": migration}), ProofOptions(budget_s=0.0))


def test_sound_constraints_raise_nothing_and_are_shown_with_what_they_accept(
    server: Server, tmp_path: Path
) -> None:
    run = run_of(server, tmp_path, SOUND)
    assert not by_code(run, "constraint-contradiction")
    assert not by_code(run, "constraint-unenforced")
    tried = {(each.columns, each.tried): each for each in run.proofs.values}
    assert tried[("score",), "0.005"].stored == "0.01"
    assert tried[("score",), "1.01"].sqlstate == "23514"
    assert tried[("score",), "10"].sqlstate == "22003"
    assert tried[("links",), "DEFAULT"].stored == "{}"
    assert tried[("links",), "no json"].accepted is False
    assert tried[("skills",), "{NULL}"].accepted is True
    assert tried[("contact_id", "call_id"), "the values of another row"].sqlstate == "23505"
    assert tried[("contact_id",), "a key that no row has"].sqlstate == "23503"
    actions = {each.columns: each.stored for each in run.proofs.values if each.kind == "delete"}
    assert actions["contact_id",] == "CASCADE: of 1 rows that referred to it 0 still do"
    assert actions["call_id",] == "SET NULL: of 1 rows that referred to it 0 still do"
    assert "| `score` | `DEFAULT → 0.00`" in validation_text(conclude(run))


def test_constraints_that_contradict_each_other_are_named(server: Server, tmp_path: Path) -> None:
    run = run_of(server, tmp_path, FAULTY)
    found = {each.message.split(" (")[0]: each for each in by_code(run, "constraint-contradiction")}
    said = " | ".join(found)
    assert "contacts_grade_check of public.contacts allows '100', which is refused all the same" in said
    assert "allows 'large', which is refused all the same: value too long" in said
    assert "the default of public.contacts.method is refused" in said
    assert "call_id" in said
    assert "own action breaks one_of_them" in said
    assert {each.severity for each in found.values()} == {"error", "warning"}


@pytest.mark.pg(">= 18")
def test_a_constraint_that_is_not_enforced_is_named(server: Server, tmp_path: Path) -> None:
    change = "ALTER TABLE contacts ADD score int CHECK (score BETWEEN 0 AND 1) NOT ENFORCED;"
    run = run_of(server, tmp_path, (change, "ALTER TABLE contacts DROP score;"))
    (found,) = by_code(run, "constraint-unenforced")
    assert "should refuse '-1', '2', '-2147483648', and accepts it" in found.message
