"""One deploy over many schemas: every one is through, and what is left where one is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import bench
from fix_db import chosen_spec

from bench.cli.tenants import blocks
from bench.errors import UsageError
from bench.migrate.suite import find_suite
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.report.render.markdown import render
from bench.run.template.options import DataOptions
from bench.run.tenants import Tenancy, TenantOptions, deploy_tenants

BASE = """\
CREATE TYPE stage AS ENUM ('new', 'won');
CREATE TABLE companies (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE deals (id bigint PRIMARY KEY, company_id bigint REFERENCES companies, stage stage);
INSERT INTO companies SELECT i, 'c' || i FROM generate_series(1, 5) i;
INSERT INTO deals SELECT id, id, 'new' FROM companies;
"""
FIRST = "BEGIN;\nALTER TABLE deals ADD COLUMN amount numeric;\nUPDATE deals SET amount = 0;\nCOMMIT;\n"
SECOND = "CREATE INDEX deals_amount ON deals (amount);\nCREATE INDEX deals_stage ON deals (stage);\n"

Deployed = Callable[..., Tenancy]


def said(tenancy: Tenancy) -> str:
    """What a reader is told of it, without marks."""
    return render(blocks(tenancy)).replace("\\", "").replace("*", "")


@pytest.fixture
def deployed(server: Server, tmp_path: Path) -> Deployed:
    """Deploy two files over schemas that the base makes, or has."""

    def deploy(
        options: TenantOptions,
        base: str = BASE,
        first: str = FIRST,
        second: str = SECOND,
        *,
        on: Server = server,
    ) -> Tenancy:
        (tmp_path / "base.sql").write_text(base)
        (tmp_path / "001_a.sql").write_text(first)
        (tmp_path / "002_b.sql").write_text(second)
        suite = find_suite(str(tmp_path))
        return deploy_tenants(on, suite, replace(DataOptions(), cache=False), options, lambda _: None)

    return deploy


def of_three(more: str = "") -> str:
    """A base that makes its schemas itself."""
    schemas = (f"CREATE SCHEMA tenant_{n};\nSET search_path TO tenant_{n};\n{BASE}" for n in "abc")
    return "".join(schemas) + more


@pytest.mark.parametrize("options", [
    TenantOptions(5), TenantOptions(5, parallel=2), TenantOptions(5, together=True),
    TenantOptions(5, stop_at=3), TenantOptions(5, together=True, stop_at=3),
])  # fmt: skip
def test_every_schema_is_through(options: TenantOptions, deployed: Deployed) -> None:
    tenancy = deployed(options)
    assert [tenant.schema for tenant in tenancy.tenants] == [f"tenant_{n}" for n in range(1, 6)]
    assert (len(tenancy.of("applied")), tenancy.odd) == (5, ())
    assert tenancy.locks is not None
    assert 0 < tenancy.locks < tenancy.lock_table
    assert (tenancy.wal_bytes > 0, tenancy.duration_s > 0) == (True, True)


def test_the_schemas_of_the_state_before_are_taken_by_name(deployed: Deployed) -> None:
    tenancy = deployed(TenantOptions(like="tenant_%"), of_three("CREATE SCHEMA other;"))
    assert [tenant.schema for tenant in tenancy.of("applied")] == ["tenant_a", "tenant_b", "tenant_c"]
    with pytest.raises(UsageError, match="no schema of the state before is LIKE 'customer_%'"):
        deployed(TenantOptions(like="customer_%"), of_three())


def test_one_that_fails_ends_the_deploy_and_what_it_leaves_is_said(deployed: Deployed) -> None:
    dirty = "INSERT INTO tenant_b.deals VALUES (9, 1, NULL);"
    second = SECOND + "ALTER TABLE deals ALTER stage SET NOT NULL;\n"
    tenancy = deployed(TenantOptions(like="tenant_%"), of_three(dirty), second=second)
    assert [tenant.outcome for tenant in tenancy.tenants] == ["applied", "failed", "not begun"]
    failed = tenancy.tenants[1]
    assert (failed.file, failed.files, failed.stays) == ("002_b.sql", 1, 4)
    text = said(tenancy)
    assert "tenant_b fails at 002_b.sql:3: column" in text
    assert "(23502). 4 of its statements are committed and stay." in text
    assert "1 of 3 schemas are through, and 1 are as they were before" in text


def test_a_failure_in_one_transaction_leaves_every_schema_as_it_was(deployed: Deployed) -> None:
    second = "ALTER TABLE deals ALTER stage SET NOT NULL;\n"
    dirty = "INSERT INTO tenant_b.deals VALUES (9, 1, NULL);"
    tenancy = deployed(TenantOptions(like="tenant_%", together=True), of_three(dirty), second=second)
    assert [tenant.outcome for tenant in tenancy.tenants] == ["not begun", "failed", "not begun"]
    assert "each is as it was before" in said(tenancy)


def test_what_a_deploy_that_was_cut_off_leaves_in_the_way_is_found(deployed: Deployed) -> None:
    first = "CREATE TABLE notes (id int);\nALTER TABLE deals ADD amount int;\nSELECT 1;\nSELECT 2;\n"
    tenancy = deployed(TenantOptions(3, stop_at=2), first=first, second="SELECT 3;\n")
    assert [tenant.outcome for tenant in tenancy.tenants] == ["applied", "cut off", "not begun"]
    assert tenancy.resumed is not None
    assert [tenant.outcome for tenant in tenancy.resumed] == ["failed", "not begun"]
    text = said(tenancy)
    assert 'tenant_2 fails at 001_a.sql:1: relation "notes" already exists (42P07).' in text
    assert "what the first one left is in its way" in text


def test_a_schema_that_ends_otherwise_is_told(deployed: Deployed) -> None:
    other = "SET search_path TO tenant_b;\nCREATE TABLE left_over (id int);"
    tenancy = deployed(TenantOptions(like="tenant_%"), of_three(other))
    assert tenancy.odd == ("tenant_b",)
    assert "than most: tenant_b." in said(tenancy)


def test_many_locks_are_told(deployed: Deployed) -> None:
    tenancy = deployed(TenantOptions(3, together=True))
    assert "locks that all sessions share." not in said(tenancy)
    assert tenancy.locks is not None
    assert "of the locks that all sessions share" in said(replace(tenancy, lock_table=2 * tenancy.locks - 1))


def test_locks_that_run_out_are_told(deployed: Deployed) -> None:
    few = {"max_locks_per_transaction": "10", "max_connections": "20"}
    tables = "DO $$ BEGIN FOR n IN 1..40 LOOP EXECUTE format('{} t%s {}', n); END LOOP; END $$;\n"
    with open_server(replace(chosen_spec(), settings=few)) as small:
        full = deployed(
            TenantOptions(60, together=True), tables.format("CREATE TABLE", "(id int PRIMARY KEY)"),
            tables.format("ALTER TABLE", "ADD n int"), "SELECT 1;\n", on=small,
        )  # fmt: skip
    failed = next(tenant for tenant in full.tenants if tenant.outcome == "failed")
    assert failed.error is not None
    assert failed.error.sqlstate == "53200"
    assert "No lock was left for any session" in said(full)


def test_a_base_may_name_public_and_have_extensions(deployed: Deployed) -> None:
    base = BASE.replace("companies", "public.companies").replace("deals", "public.deals")
    tenancy = deployed(TenantOptions(3), f"CREATE EXTENSION pg_trgm;\n{base}", second=(
        "CREATE INDEX ON companies USING gin (name gin_trgm_ops);\n"
    ))  # fmt: skip
    assert (len(tenancy.of("applied")), tenancy.odd) == (3, ())


@pytest.mark.parametrize(("base", "words"), [
    ("CREATE SCHEMA a; CREATE TABLE a.deals (id int);", "makes no table in the schema public"),
    (f"CREATE SCHEMA a; CREATE TABLE a.deals (id int);\n{BASE}", 'base.sql:1: schema "a" already exists'),
])  # fmt: skip
def test_a_base_that_makes_its_schemas_is_refused(base: str, words: str, deployed: Deployed) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        deployed(TenantOptions(2), base)
    assert "--schemas 'tenant_%'" in (refused.value.hint or "")


def test_the_command_line_says_it(tmp_path: Path) -> None:
    (tmp_path / "base.sql").write_text(BASE)
    (tmp_path / "001_a.sql").write_text(FIRST)
    asked = ("tenants", ".", "--tenants", "2", "--server", "embedded", "--quiet")
    ended = bench(*asked, "--json", "-", cwd=tmp_path)
    assert ended.returncode == 0
    assert [tenant["outcome"] for tenant in json.loads(ended.stdout)["tenants"]] == ["applied"] * 2
    (tmp_path / "001_a.sql").write_text("ALTER TABLE deals ADD CHECK (id > 1);\n")
    ended = bench(*asked, cwd=tmp_path)
    assert ended.returncode == 4
    assert "tenant_1 fails at 001_a.sql:1: check constraint" in ended.stdout
