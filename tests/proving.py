"""Small suites to prove, on a schema of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.analyse.conclude import conclude
from bench.migrate.suite import Suite, find_suite
from bench.model.finding import Finding
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.prove.session import ProofOptions, prove
from bench.run.template.options import DataOptions

BASE = """
CREATE SCHEMA app;
CREATE TABLE app.companies (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE app.deals (
    id serial PRIMARY KEY, company_id int REFERENCES app.companies, stage text,
    value numeric NOT NULL DEFAULT 0
);
INSERT INTO app.companies SELECT g, 'company ' || g FROM generate_series(1, 5) g;
INSERT INTO app.deals (company_id, stage) SELECT 1 + g % 5, 'stage ' || g % 3 FROM generate_series(1, 20) g;
"""

PLATFORM = """
DO $$ DECLARE wanted text; BEGIN
    FOREACH wanted IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I', wanted);
        END IF;
    END LOOP;
END $$;
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
    $$ SELECT nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
CREATE TABLE profiles (id uuid PRIMARY KEY REFERENCES auth.users, is_admin boolean NOT NULL);
"""
"""Roles, users and profiles as a platform with row-level security has them."""

USERS = """
INSERT INTO auth.users SELECT md5(g::text)::uuid FROM generate_series(1, 4) g;
INSERT INTO profiles SELECT id, id = md5('4')::uuid FROM auth.users;
"""
"""Four, of whom the last is an administrator."""

CLEAN = {
    "001_note": (
        "SET lock_timeout = '2s'; ALTER TABLE app.deals ADD COLUMN IF NOT EXISTS note text;",
        """SET lock_timeout = '2s';
        DO $$ BEGIN
            IF EXISTS (SELECT FROM app.deals WHERE note IS NOT NULL) THEN
                RAISE WARNING 'dropping app.deals.note, which holds values';
            END IF;
        END $$;
        ALTER TABLE app.deals DROP COLUMN IF EXISTS note;""",
    ),
    "002_index": (
        "SET lock_timeout = '2s'; CREATE INDEX IF NOT EXISTS deals_company ON app.deals (company_id);",
        "SET lock_timeout = '2s'; DROP INDEX IF EXISTS app.deals_company;",
    ),
}
"""Migrations with nothing wrong."""


def write_suite(directory: Path, base: str, migrations: Mapping[str, tuple[str, str | None]]) -> Suite:
    """A suite of these files: name → the way forward and the way back."""
    (directory / "rollback").mkdir(exist_ok=True)
    (directory / "base.sql").write_text(base)
    for name, (forward, backward) in migrations.items():
        (directory / f"{name}.sql").write_text(forward)
        if backward is not None:
            (directory / "rollback" / f"{name}.sql").write_text(backward)
    return find_suite(str(directory))


def clean_suite(directory: Path) -> Suite:
    return write_suite(directory, BASE, CLEAN)


def proved(server: Server, suite: Suite, options: ProofOptions | None = None) -> Run:
    """The run with its findings."""
    run = prove(
        server,
        suite,
        options or ProofOptions(),
        DataOptions(),
        run_id="proof",
        save=lambda _: None,
        progress=silent,
    )
    return conclude(run).run


def by_code(run: Run, code: str) -> list[Finding]:
    return [each for each in run.findings if each.code == code]
