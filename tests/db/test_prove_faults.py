"""Planted faults, each found and named by the command line; a clean suite raises none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from proving import PLATFORM, USERS, write_suite

from bench.cli import main
from bench.pg.server import Server

TABLES = """
CREATE TABLE companies (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE deals (id int PRIMARY KEY, owner_id uuid NOT NULL REFERENCES auth.users, company text,
    stage text, value int NOT NULL DEFAULT 0);
CREATE TABLE calls (id int PRIMARY KEY);
INSERT INTO companies SELECT g, 'company ' || g FROM generate_series(1, 5) g;
INSERT INTO deals SELECT g, md5((1 + g % 4)::text)::uuid, 'Acme ' || g % 7, 'stage ' || g % 3
    FROM generate_series(1, 20) g;
INSERT INTO deals SELECT 20 + g, md5('1')::uuid, 'Back' || chr(92), 'open' FROM generate_series(1, 2) g;
INSERT INTO companies VALUES (6, 'Backs');
INSERT INTO calls SELECT generate_series(1, 3);
ALTER TABLE deals ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON deals USING (owner_id = (SELECT auth.uid()));
GRANT USAGE ON SCHEMA public, auth TO anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON deals TO authenticated;
"""
BASE = "".join((PLATFORM, USERS, TABLES))

CRASHES: dict[str, tuple[str, str, str, str]] = {
    # migration: forward, backward, code of the finding, words that name it
    "01_halves": (
        "CREATE TABLE one (id int);\nCREATE TABLE two (id int);", "DROP TABLE two; DROP TABLE one;",
        "partial-failure", "leaves 01_halves half done",
    ),
    "02_invalid": (
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS deals_pair ON deals (id, value);",
        "DROP INDEX CONCURRENTLY deals_pair;",
        "partial-failure", "leaves changed index public.deals_pair",
    ),
}  # fmt: skip
FAULTS: dict[str, tuple[str, str, str, str]] = {
    "01_drops": (
        "ALTER TABLE calls ADD note text;",
        "ALTER TABLE calls DROP note; ALTER TABLE deals DROP value;",
        "rollback-incomplete", "loses column public.deals.value",
    ),
    "02_leaves": (
        "CREATE INDEX deals_stage ON deals (stage);", "SELECT 1;",
        "rollback-incomplete", "leaves index public.deals_stage",
    ),
    "03_temporary": (
        "CREATE TEMP TABLE old AS SELECT id, name FROM companies; UPDATE companies SET name = upper(name);",
        "UPDATE companies c SET name = o.name FROM old o WHERE o.id = c.id;",
        "rollback-incomplete", 'relation "old" does not exist',
    ),
    "04_data": (
        "UPDATE deals SET stage = 'new' WHERE id <= 3;",
        "DO $$ BEGIN UPDATE deals SET stage = NULL WHERE stage = 'new'; RAISE NOTICE 'rolled back'; END $$;",
        "rollback-incomplete", "leaves 3 rows of public.deals with other values in stage",
    ),
    "05_twice": (
        "UPDATE deals SET value = value + 1;", "UPDATE deals SET value = value - 1;",
        "not-idempotent", "run a second time leaves 22 rows of public.deals with other values in value",
    ),
    "08_view": (
        "CREATE VIEW all_deals AS SELECT * FROM deals; GRANT SELECT ON all_deals TO authenticated;",
        "DROP VIEW all_deals;",
        "access-opened", "reaches 22 of 22 rows of public.all_deals",
    ),
    "09_grant": (
        "CREATE TABLE secrets (t text); INSERT INTO secrets VALUES ('x'); GRANT SELECT ON secrets TO anon;",
        "DROP TABLE secrets;",
        "access-opened", "anon reaches 1 of 1 rows of public.secrets",
    ),
    "10_score": (
        """CREATE FUNCTION score(company int) RETURNS numeric LANGUAGE plpgsql AS $$
           DECLARE value numeric; BEGIN
               SELECT value INTO value FROM deals WHERE company = 'Acme';
               RETURN value;
           EXCEPTION WHEN OTHERS THEN RETURN 0; END $$;""",
        "DROP FUNCTION score;",
        "error-swallowed", 'gives 0 back: column reference "value" is ambiguous',
    ),
    "11_block": (
        """DO $$ BEGIN
               INSERT INTO companies VALUES (1, 'twice');
           EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'completed successfully'; END $$;""",
        "SELECT 1;",
        "error-swallowed", "this block hides an error by EXCEPTION WHEN OTHERS: duplicate key",
    ),
    "12_definer": (
        "CREATE FUNCTION peek() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1 FROM deals';",
        "DROP FUNCTION peek;",
        "definer-search-path", "public.peek() is SECURITY DEFINER and takes search_path from its caller",
    ),
    "13_nothing_left": (
        """CREATE TABLE talks (id int PRIMARY KEY, call_id int REFERENCES calls ON DELETE SET NULL,
               company_id int REFERENCES companies ON DELETE SET NULL,
               CONSTRAINT one_of_them CHECK (num_nonnulls(call_id, company_id) >= 1));
           INSERT INTO talks SELECT g, g, g FROM generate_series(1, 3) g;""",
        "DROP TABLE talks;",
        "constraint-contradiction", "own action breaks one_of_them",
    ),
    "14_scale": (
        "ALTER TABLE companies ADD score numeric(3, 2) DEFAULT 0 CHECK (score BETWEEN 0 AND 100);",
        "ALTER TABLE companies DROP score;",
        "constraint-contradiction", "allows '100', which is refused all the same: numeric field overflow",
    ),
    "15_frozen": (
        """DO $$ DECLARE began timestamptz := now(); BEGIN
               PERFORM 1; RAISE NOTICE 'took %', now() - began; END $$;""",
        "SELECT 1;",
        "timer-frozen", '"now() - began" is 0 whatever happens',
    ),
    "16_wrapped": (
        """BEGIN; ALTER TABLE calls ADD kind text;
           UPDATE calls SET kind = 'x' WHERE pg_sleep(0.4) IS NOT NULL; COMMIT;""",
        "ALTER TABLE calls DROP kind;",
        "held-across", "public.calls",
    ),
    "17_reached": (
        """CREATE FUNCTION reach_all() RETURNS bigint LANGUAGE sql SECURITY DEFINER
           SET search_path = pg_catalog, pg_temp AS 'SELECT count(*) FROM public.deals';""",
        "DROP FUNCTION reach_all;",
        "access-opened", "anon may call public.reach_all()",
    ),
}  # fmt: skip

STOPPING: dict[str, tuple[str, list[tuple[str, str]]]] = {
    # what ends a suite, and so stands alone: forward, the findings
    "savepoint": (
        """CREATE TABLE kept (id int);
           DO $$ BEGIN
               SAVEPOINT s; UPDATE deals SET value = 1; ROLLBACK TO SAVEPOINT s;
               RAISE NOTICE 'completed successfully';
           END $$;
           SELECT 'migration completed successfully';""",
        [
            ("plpgsql-syntax", "PL/pgSQL has no savepoints"),
            ("false-success", "exits 0"),
            ("side-effect-on-failure", "the migration failed, but 1 statement"),
        ],
    ),
    "two_owners": (
        """CREATE UNIQUE INDEX deals_company ON deals (lower(company)) WHERE company LIKE 'Back%';""",
        [("fails-on-data", "the fewest rows that do: public.deals (21)")],
    ),
    "pattern": (
        "UPDATE deals d SET value = 2 WHERE EXISTS (SELECT FROM companies c WHERE c.name ILIKE d.company);",
        [("fails-on-data", "LIKE pattern must not end with escape character")],
    ),
}


def dsn(server: Server) -> str:
    """The tests' server, as one that runs already."""
    settings = server.environ()
    return f"postgresql://{settings['PGUSER']}@/postgres?host={settings['PGHOST']}&port={settings['PGPORT']}"


def proved_by_command(
    server: Server, directory: Path, migrations: dict[str, tuple[str, str | None]], *options: str
) -> tuple[int, dict[str, Any]]:
    write_suite(directory, BASE, migrations)
    out = directory / "run"
    code = main(
        ["prove", str(directory), "--server", dsn(server), "--out", str(out), "--quiet",
         "--json", str(directory / "run.json"), *options]
    )  # fmt: skip
    return code, json.loads((directory / "run.json").read_text())


@pytest.fixture(scope="module")
def faulty(server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The findings of both suites; crash points are tried on the one that is about them."""
    found: list[dict[str, Any]] = []
    for faults, options in ((CRASHES, ()), (FAULTS, ("--within", "0.001"))):
        migrations: dict[str, tuple[str, str | None]] = {name: fault[:2] for name, fault in faults.items()}
        _, run = proved_by_command(server, tmp_path_factory.mktemp("faults"), migrations, *options)
        assert run["verdict"]["status"] == "not_ready"
        found += run["findings"]
    return found


@pytest.mark.parametrize("name", [*CRASHES, *FAULTS])
def test_a_planted_fault_is_named(faulty: list[dict[str, Any]], name: str) -> None:
    _, _, code, words = (CRASHES | FAULTS)[name]
    messages = [each["message"] for each in faulty if each["code"] == code]
    assert any(words in message for message in messages), (code, messages)


@pytest.mark.parametrize("name", STOPPING)
def test_a_fault_that_ends_the_suite_is_named(server: Server, tmp_path: Path, name: str) -> None:
    forward, wanted = STOPPING[name]
    code, run = proved_by_command(server, tmp_path, {"001_change": (forward, "SELECT 1;")}, "--within", "1")
    assert code == 4
    for finding, words in wanted:
        messages = [each["message"] for each in run["findings"] if each["code"] == finding]
        assert any(words in message for message in messages), (finding, messages)


@pytest.mark.parametrize(
    "change", ["CREATE ROLE reporter;", "DO $$ BEGIN EXECUTE 'ALTER ROLE anon NOLOGIN'; END $$;"]
)
def test_roles_of_a_server_of_others_are_refused_unless_allowed(
    server: Server, tmp_path: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_suite(tmp_path, BASE, {"001_role": (change, "SELECT 1;")})
    command = ["prove", str(tmp_path), "--server", dsn(server), "--quiet", "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert "--allow-roles" in capsys.readouterr().err
    assert main([*command, "--allow-roles", "--within", "0.001"]) == 0
    with server.connect() as conn:
        assert conn.execute("SELECT FROM pg_roles WHERE rolname = 'reporter'").fetchone() is None


def test_a_change_of_the_own_role_is_refused(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = "ALTER ROLE CURRENT_USER NOSUPERUSER;"
    write_suite(tmp_path, BASE, {"001_role": (change, "SELECT 1;")})
    assert main(["prove", str(tmp_path), "--server", dsn(server), "--quiet", "--allow-roles"]) == 2
    assert "which this run has" in capsys.readouterr().err


def test_a_body_that_ends_early_fails_where_the_server_refuses_it(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nested = """DO $$ BEGIN
        EXECUTE 'CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS ' || quote_literal($$ BEGIN
            DELETE FROM deals; RETURN 1; END $$);
    END $$;"""
    write_suite(tmp_path, BASE, {"001_nested": (nested, "SELECT 1;")})
    assert main(["prove", str(tmp_path), "--server", dsn(server), "--quiet"]) == 4
    said = " ".join(capsys.readouterr().out.split())
    assert "001_nested.sql:2" in said
    assert "42601" in said


def test_a_clean_suite_raises_none(server: Server, tmp_path: Path) -> None:
    clean: dict[str, tuple[str, str | None]] = {
        "001_score": (
            """SET lock_timeout = '2s'; BEGIN;
               ALTER TABLE companies ADD COLUMN IF NOT EXISTS score numeric(3, 2) NOT NULL DEFAULT 0;
               CREATE OR REPLACE FUNCTION total(company int) RETURNS numeric LANGUAGE plpgsql AS
                   $$ BEGIN RETURN (SELECT sum(value) FROM deals); END $$;
               COMMIT;""",
            """SET lock_timeout = '2s'; BEGIN;
               DO $$ BEGIN RAISE WARNING 'companies.score is dropped, with its values'; END $$;
               DROP FUNCTION IF EXISTS total(int);
               ALTER TABLE companies DROP COLUMN IF EXISTS score; COMMIT;""",
        )
    }
    code, run = proved_by_command(server, tmp_path, clean)
    assert code == 0
    assert [each["message"] for each in run["findings"] if each["severity"] != "info"] == []
    assert run["verdict"]["status"] == "ready"
