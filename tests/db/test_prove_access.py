"""Who reaches which rows before and after: cells that opened are named, others are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from proving import PLATFORM, USERS, by_code, proved, write_suite

from bench.model.run import Run
from bench.pg.server import Server
from bench.run.prove.session import ProofOptions

TABLES = """
CREATE TABLE deals (id int PRIMARY KEY, owner_id uuid NOT NULL REFERENCES auth.users, name text);
INSERT INTO deals SELECT g, md5((1 + g % 4)::text)::uuid, 'deal ' || g FROM generate_series(1, 12) g;
ALTER TABLE deals ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON deals USING (owner_id = (SELECT auth.uid()));
CREATE TABLE tasks AS SELECT * FROM deals;
ALTER TABLE tasks ADD PRIMARY KEY (id), ADD FOREIGN KEY (owner_id) REFERENCES auth.users;
ALTER TABLE tasks ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON tasks USING (owner_id = (SELECT auth.uid()));
GRANT SELECT, INSERT, UPDATE, DELETE ON tasks TO authenticated;
GRANT USAGE ON SCHEMA public, auth TO anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON deals TO authenticated;
"""
STATE = "".join((PLATFORM, USERS, TABLES))
FAULTS = {
    "001_view": (
        "CREATE VIEW all_deals AS SELECT * FROM deals; GRANT SELECT ON all_deals TO authenticated;",
        "DROP VIEW all_deals;",
    ),
    "002_notes": (
        "CREATE TABLE notes (id int PRIMARY KEY, deal_id int NOT NULL REFERENCES deals);"
        "INSERT INTO notes SELECT id, id FROM deals; GRANT SELECT ON notes TO authenticated;",
        "DROP TABLE notes;",
    ),
    "003_policy": (
        "CREATE POLICY everybody ON tasks USING (true);",
        "DROP POLICY everybody ON tasks;",
    ),
    "004_names": (
        "CREATE TABLE names (name text); INSERT INTO names VALUES ('x'); GRANT SELECT ON names TO anon;",
        "DROP TABLE names;",
    ),
}
SAFE = {
    "001_view": (
        "CREATE VIEW my_deals WITH (security_invoker) AS SELECT * FROM deals;"
        "GRANT SELECT ON my_deals TO authenticated;",
        "DROP VIEW my_deals;",
    ),
    "002_notes": (
        "CREATE TABLE notes (id int PRIMARY KEY, deal_id int NOT NULL REFERENCES deals);"
        "ALTER TABLE notes ENABLE ROW LEVEL SECURITY; INSERT INTO notes SELECT id, id FROM deals;"
        "CREATE POLICY through ON notes USING (EXISTS (SELECT FROM deals d WHERE d.id = deal_id));"
        "GRANT SELECT ON notes TO authenticated; UPDATE deals SET name = name || '!';",
        "DROP TABLE notes; UPDATE deals SET name = rtrim(name, '!');",
    ),
}

pytestmark = pytest.mark.pg(">= 15")  # security_invoker


def run_of(server: Server, directory: Path, migrations: dict[str, tuple[str, str]]) -> Run:
    return proved(server, write_suite(directory, STATE, dict(migrations)), ProofOptions(budget_s=0.0))


def test_every_opened_relation_is_named_with_who_reaches_how_many_rows(
    server: Server, tmp_path: Path
) -> None:
    run = run_of(server, tmp_path, FAULTS)
    found = {each.relation: each.message for each in by_code(run, "access-opened")}
    assert found.keys() == {"public.all_deals", "public.notes", "public.tasks", "public.names"}
    assert "its query gives the actor itself 3 rows" in found["public.all_deals"]
    assert "9 of its rows belong to rows that policies hide from the actor" in found["public.notes"]
    assert "other user reaches 3 of 3 rows of public.tasks by SELECT: not reached" in found["public.tasks"]
    assert "other user DELETE" in found["public.tasks"]
    assert "anon reaches 1 of 1 rows of public.names by SELECT" in found["public.names"]


def test_what_is_safe_opens_nothing(server: Server, tmp_path: Path) -> None:
    run = run_of(server, tmp_path, SAFE)
    assert not by_code(run, "access-opened")
    seen = {
        (cell.actor, cell.whose): cell.after.rows
        for cell in run.proofs.access
        if cell.relation == "public.deals" and cell.op == "SELECT" and cell.after
    }
    assert seen["owner", "owner's"] == 3
    assert seen["other user", "owner's"] == 0
    assert seen["other user", "strangers'"] == 0
    assert seen["anon", "owner's"] is None, "refused, not empty"
    assert {cost.relation for cost in run.proofs.policy_costs} == {
        "public.deals",
        "public.notes",
        "public.tasks",
    }
