"""The index audit on a real server: planted useless indexes are found, used and needed ones are not."""

from __future__ import annotations

import pytest

from bench.migrate.suite import find_suite
from bench.model.index import IndexAudit
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.explain.session import ExplainOptions, explain_suite
from bench.run.progress import silent
from bench.workload.config import given_mix

BASE = """
CREATE TABLE accounts (id int PRIMARY KEY, email text NOT NULL UNIQUE, region text NOT NULL);
CREATE TABLE orders (
    id int PRIMARY KEY, account_id int NOT NULL REFERENCES accounts, rare_id int REFERENCES accounts,
    state text NOT NULL, placed_on date NOT NULL, note text
);
INSERT INTO accounts SELECT n, 'a' || n || '@example.com', 'r' || n % 5 FROM generate_series(1, 500) AS n;
INSERT INTO orders
SELECT n, n % 500 + 1, NULL, 'state ' || n % 50, date '2026-01-01' + n % 3000, 'note ' || n
FROM generate_series(1, 6000) AS n;
"""
MIGRATION = """
CREATE INDEX used_by_request ON orders (account_id, placed_on);
CREATE INDEX used_by_function ON orders (state);
CREATE INDEX used_by_view ON orders (placed_on) WHERE placed_on < '2026-01-10';
CREATE INDEX supports_key ON orders (rare_id);
CREATE UNIQUE INDEX enforces ON orders (note, id);
CREATE INDEX useless_unused ON orders (note, placed_on);
CREATE INDEX useless_prefix ON orders (account_id);
CREATE INDEX useless_duplicate ON orders (state);
CREATE VIEW early AS SELECT id, placed_on FROM orders WHERE placed_on < '2026-01-10';
CREATE FUNCTION in_state(wanted text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN RETURN (SELECT count(*) FROM orders WHERE state = wanted); END $$;
"""
QUERIES = """
[[query]]
name = "in_state"
kind = "function"
sql = "SELECT in_state(%(state)s)"
params.state = "SELECT 'state 7'::text"
"""
WORKLOAD = """
[[class]]
name = "orders of an account"
tables = ["public.orders"]
draw = "SELECT id AS account FROM accounts"
sql = "SELECT id FROM orders WHERE account_id = %(account)s AND placed_on > '2026-02-01'"

[[class]]
name = "by email"
tables = ["public.accounts"]
draw = "SELECT email FROM accounts"
sql = "SELECT id FROM accounts WHERE email = %(email)s"
"""
USELESS = {"public.useless_unused", "public.useless_prefix", "public.useless_duplicate"}


@pytest.fixture(scope="module")
def run(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Run:
    suite = tmp_path_factory.mktemp("audit") / "shop"
    suite.mkdir()
    files = {"base.sql": BASE, "001.sql": MIGRATION, "queries.toml": QUERIES, "workload.toml": WORKLOAD}
    for name, text in files.items():
        (suite / name).write_text(text)
    options = ExplainOptions(mix=given_mix(suite, ()), cold=False, rate_per_s=50.0)
    found = find_suite(str(suite))
    return explain_suite(server, found, options, run_id="audit", save=lambda _: None, progress=silent)


@pytest.fixture(scope="module")
def audits(run: Run) -> dict[str, IndexAudit]:
    return {each.name: each for each in run.indexes}


def test_the_useless_could_go_and_no_other(audits: dict[str, IndexAudit]) -> None:
    assert {name for name, each in audits.items() if each.status == "could-go"} == USELESS
    assert audits["public.useless_prefix"].prefix_of == "public.used_by_request"
    assert "no query reads more" in audits["public.useless_unused"].proof


def test_the_used_say_by_whom(audits: dict[str, IndexAudit]) -> None:
    assert audits["public.used_by_view"].used_by == ("public.early",)
    assert "orders of an account" in audits["public.used_by_request"].used_by
    assert {each.status for name, each in audits.items() if ".used_" in name} == {"used"}
    # Of two that are alike, one stays and does the work of both.
    assert audits["public.used_by_function"].used_by == ("in_state",)
    assert audits["public.accounts_email_key"].scans


def test_what_enforces_or_supports_a_key_is_not_called_useless(audits: dict[str, IndexAudit]) -> None:
    assert audits["public.supports_key"].status == "foreign-key"
    assert "orders_rare_id_fkey" in audits["public.supports_key"].proof
    assert audits["public.enforces"].status == "constraint"
    assert audits["public.orders_pkey"].constraint == "orders_pkey"
    assert not audits["public.orders_pkey"].new


def test_writes_cost_wal_for_each_index_and_lose_hot_updates(audits: dict[str, IndexAudit]) -> None:
    found = audits["public.useless_unused"]
    assert found.insert is not None
    assert found.update is not None
    assert min(found.insert.rows, found.update.rows) > 100
    assert len(found.insert.wal_bytes_with) == len(found.insert.wal_bytes_without) == 5
    extra = [a - b for a, b in zip(found.insert.wal_bytes_with, found.insert.wal_bytes_without, strict=True)]
    assert min(extra) > 30 * found.insert.rows  # an index tuple and its record's head
    placed = audits["public.used_by_view"].update
    assert placed is not None
    assert placed.hot_with == 0
    assert len(found.build_s) == 3


def test_an_update_without_the_only_index_on_its_column_is_hot(audits: dict[str, IndexAudit]) -> None:
    """``rare_id`` is in one index alone, and NULL everywhere: changing it to NULL changes nothing."""
    rare = audits["public.supports_key"].update
    assert rare is not None
    assert rare.hot_with == rare.hot_without == rare.rows > 100


def test_hot_updates_that_an_index_takes_away_are_counted(audits: dict[str, IndexAudit]) -> None:
    """Only ``accounts_email_key`` has the address: without it, every change of one is made in place."""
    email = audits["public.accounts_email_key"].update
    assert email is not None
    assert (email.hot_with, email.hot_without) == (0, email.rows)


def test_views_and_functions_are_costed_beside_the_traffic(run: Run) -> None:
    loaded = {q.name: [case for case in q.cases if case.traffic_per_s == 50.0] for q in run.queries}
    assert {name for name, cases in loaded.items() if cases} == {"public.early", "in_state"}
    assert all(case.cost.n >= 1 and case.cost.error is None for cases in loaded.values() for case in cases)
