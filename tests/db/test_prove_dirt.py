"""Rows that a migration cannot take are found among others, and shown."""

from __future__ import annotations

from pathlib import Path

from documents import validation_text
from proving import by_code, proved, write_suite

from bench.analyse.conclude import conclude
from bench.pg.server import Server
from bench.run.prove.session import ProofOptions

BASE = """
CREATE TABLE companies (id int PRIMARY KEY, name text NOT NULL, domain text);
CREATE TABLE deals (id int PRIMARY KEY, company_id int REFERENCES companies, email text);
INSERT INTO companies SELECT g, 'company ' || g, g || '.example' FROM generate_series(1, 40) g;
INSERT INTO companies VALUES (41, 'one', 'Twin.example'), (42, 'other', 'twin.example');
INSERT INTO deals SELECT g, 1 + g % 40, 'x@y' FROM generate_series(1, 60) g;
"""


def test_of_many_rows_the_two_that_collide_are_left(server: Server, tmp_path: Path) -> None:
    change = "CREATE UNIQUE INDEX companies_domain ON companies (lower(domain));"
    suite = write_suite(tmp_path, BASE, {"001_unique": (change, "DROP INDEX companies_domain;")})
    run = proved(server, suite, ProofOptions(budget_s=0.0))
    (proof,) = run.proofs.dirt
    assert [(row.relation, row.key) for row in proof.offending] == [
        ("public.companies", "(41)"),
        ("public.companies", "(42)"),
    ]
    assert proof.smallest
    assert 3 <= proof.trials < 60
    found = [each for each in by_code(run, "fails-on-data") if "the fewest rows that do" in each.message]
    assert "could not create unique index" in found[0].message
    assert "Twin.example" in found[0].message
    assert "Twin.example" in validation_text(conclude(run))
