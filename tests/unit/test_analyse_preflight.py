"""What the files show before a server has said anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import a_migration, a_run, a_statement

from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.dangers.failures import extension_missing, plpgsql_error, plpgsql_syntax
from bench.analyse.dangers.outcome import transaction_claim
from bench.migrate.script import read_statements
from bench.migrate.suite import find_suite
from bench.model.finding import Finding

ROOT = Path(__file__).parents[2] / "migrations"


def found(*texts: str, transaction: str = "own") -> list[Finding]:
    statements = [
        a_statement(text=text, index=position, kind=text.split()[0] if text[0] != "-" else "UPDATE",
                    transaction=transaction)
        for position, text in enumerate(texts)
    ]  # fmt: skip
    rehearsed = Rehearsed(a_run([a_migration(statements)]))
    dangers = (plpgsql_syntax, transaction_claim, extension_missing)
    return [finding for danger in dangers for finding in rehearsed.found(danger.find)]


def test_savepoints_inside_plpgsql_are_named() -> None:
    (one,) = found("DO $$ BEGIN ROLLBACK TO SAVEPOINT before_all; END $$")
    assert one.code == "plpgsql-syntax"
    assert 'syntax error at or near "TO"; PL/pgSQL has no savepoints' in one.message


def test_a_body_that_ends_early_is_named() -> None:
    (one,) = found("DO $$ BEGIN EXECUTE $$")
    assert one.code == "plpgsql-syntax"


def test_a_transaction_that_comments_promise_and_the_file_does_not_have() -> None:
    texts = ("-- everything in a single transaction\nUPDATE t SET a = 1", "UPDATE t SET b = 1")
    (one,) = found(*texts)
    assert one.code == "transaction-claim"
    assert "2 statements commit on their own" in one.message
    assert not found(*texts, transaction="file")
    assert not found("-- must not run in a single transaction\nUPDATE t SET a = 1", texts[1])


@pytest.mark.parametrize("name", ["crm", "crm_as_reviewed", "crm_one_transaction"])
def test_the_suites_that_we_ship_can_be_parsed(name: str) -> None:
    for migration in find_suite(name, root=ROOT).migrations:
        for statement in read_statements(migration.path, {"SERVER_VERSION_NUM": "180000"}):
            if statement.kind == "DO":
                assert plpgsql_error(statement.text) is None
