"""The CRM suites as files: names, counts, and mistakes that can be seen without a server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.migrate.script import read_statements
from bench.migrate.suite import find_suite

ROOT = Path(__file__).parents[2] / "migrations"
SUITES = ("crm", "crm_as_reviewed", "crm_one_transaction")
MIGRATIONS = (
    "20250831000000_enhanced_crm_schema_design.sql",
    "20250831000001_migrate_legacy_contact_relationships.sql",
    "20250831000002_add_direct_relationships_and_meeting_enhancements.sql",
    "20250831000003_enhanced_rls_policies_and_performance.sql",
)
ROLLBACKS = (
    "20250831000000_rollback_enhanced_crm_schema.sql",
    "20250831000001_rollback_legacy_contact_migration.sql",
    "20250831000002_rollback_direct_relationships.sql",
    "20250831000003_rollback_rls_policies.sql",
)
INDEXES = (38, 0, 17, 19)
CRM_FILES = [ROOT / "crm" / name for name in MIGRATIONS] + [
    ROOT / "crm" / "rollback" / name for name in ROLLBACKS
]


def code_of(path: Path) -> str:
    """The file without its comments."""
    return re.sub(r"--[^\n]*", "", path.read_text("utf-8"))


def statements_of(path: Path) -> list[str]:
    return [re.sub(r"--[^\n]*", "", one.text).strip() for one in read_statements(path)]


def index_statements(path: Path) -> list[str]:
    return [one for one in statements_of(path) if re.match(r"CREATE (UNIQUE )?INDEX\b", one)]


def index_name(statement: str) -> str:
    found = re.search(r"IF NOT EXISTS (\w+)", statement)
    assert found, statement
    return found.group(1)


def columns_added(path: Path) -> dict[str, list[str]]:
    return {
        re.sub("^public\\.", "", table): re.findall(r"ADD COLUMN IF NOT EXISTS (\w+)", body)
        for table, body in re.findall(r"ALTER TABLE ([\w.]+)\s+(ADD COLUMN .*?);", code_of(path), re.DOTALL)
    }


@pytest.mark.parametrize("suite", SUITES)
def test_suite_has_the_four_migrations_and_one_base(suite: str) -> None:
    found = find_suite(suite, ROOT)
    assert tuple(migration.file for migration in found.migrations) == MIGRATIONS
    assert found.base is not None
    assert found.base.resolve() == ROOT / "crm" / "base.sql"
    assert found.data == "crm"


def test_every_migration_of_crm_has_its_rollback() -> None:
    suite = find_suite("crm", ROOT)
    paired = tuple(migration.rollback.name if migration.rollback else None for migration in suite.migrations)
    assert paired == ROLLBACKS
    assert not suite.unpaired_rollbacks
    for other in SUITES[1:]:
        assert not find_suite(other, ROOT).rollbacks


@pytest.mark.parametrize("suite", SUITES)
def test_each_file_creates_its_number_of_indexes(suite: str) -> None:
    assert tuple(len(index_statements(ROOT / suite / name)) for name in MIGRATIONS) == INDEXES


def test_the_suites_create_the_same_indexes_and_columns() -> None:
    for name in MIGRATIONS:
        crm, reviewed = ROOT / "crm" / name, ROOT / "crm_as_reviewed" / name
        assert {index_name(one) for one in index_statements(crm)} == {
            index_name(one) for one in index_statements(reviewed)
        }
        assert columns_added(crm) == columns_added(reviewed)


def test_columns_are_as_many_as_the_design_names() -> None:
    first, third = (columns_added(ROOT / "crm" / MIGRATIONS[number]) for number in (0, 2))
    assert {table: len(names) for table, names in first.items()} == {
        "companies": 15, "contacts": 16, "deals": 12, "activities": 10, "tasks": 9
    }  # fmt: skip
    assert {table: len(names) for table, names in third.items()} == {
        "meetings": 16, "meeting_action_items": 7, "deal_meetings": 12
    }  # fmt: skip


@pytest.mark.parametrize("name", MIGRATIONS)
def test_one_transaction_suite_is_the_reviewed_one_in_begin_and_commit(name: str) -> None:
    reviewed = (ROOT / "crm_as_reviewed" / name).read_bytes()
    assert (ROOT / "crm_one_transaction" / name).read_bytes() == b"BEGIN;\n" + reviewed + b"COMMIT;\n"


@pytest.mark.parametrize("suite", SUITES[1:])
def test_the_suites_compare_the_same_queries(suite: str) -> None:
    assert find_suite(suite, ROOT).queries == find_suite("crm", ROOT).queries


def test_reviewed_suite_has_no_transaction_control_and_no_extension() -> None:
    for name in MIGRATIONS:
        kinds = {one.split()[0].upper() for one in statements_of(ROOT / "crm_as_reviewed" / name)}
        assert kinds.isdisjoint({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT"})
        assert "EXTENSION" not in code_of(ROOT / "crm_as_reviewed" / name)
    assert "ILIKE" in code_of(ROOT / "crm_as_reviewed" / MIGRATIONS[1])
    assert "uuid_generate_v4()" in code_of(ROOT / "crm_as_reviewed" / MIGRATIONS[0])


@pytest.mark.parametrize("name", MIGRATIONS)
def test_indexes_on_existing_tables_are_built_concurrently(name: str) -> None:
    path = ROOT / "crm" / name
    own = set(re.findall(r"CREATE TABLE IF NOT EXISTS (public\.\w+)", code_of(path)))
    for statement in index_statements(path):
        table = re.search(r"\bON (public\.\w+)", statement)
        assert table, statement
        assert ("CONCURRENTLY" in statement) == (table.group(1) not in own), statement


@pytest.mark.parametrize("name", MIGRATIONS)
def test_leftovers_of_every_concurrent_build_are_looked_for(name: str) -> None:
    path = ROOT / "crm" / name
    built = [index_name(one) for one in index_statements(path) if "CONCURRENTLY" in one]
    listed = re.search(r"c\.relname = ANY \(ARRAY\[(.*?)\]\)", code_of(path), re.DOTALL)
    assert sorted(re.findall(r"'(\w+)'", listed.group(1)) if listed else []) == sorted(built)


def test_rollbacks_drop_every_index_of_an_existing_table() -> None:
    for name, rollback in zip(MIGRATIONS, ROLLBACKS, strict=True):
        built = {index_name(one) for one in index_statements(ROOT / "crm" / name) if "CONCURRENTLY" in one}
        dropped = re.findall(
            r"DROP INDEX CONCURRENTLY IF EXISTS public\.(\w+)", code_of(ROOT / "crm" / "rollback" / rollback)
        )
        assert set(dropped) == built


@pytest.mark.parametrize("path", CRM_FILES, ids=lambda path: path.name)
def test_constraints_on_existing_tables_are_not_validated_where_they_are_added(path: Path) -> None:
    added = re.findall(r"ADD CONSTRAINT (\w+)(.*?)(?=,\s*(?:DROP|ADD)\b|;)", code_of(path), re.DOTALL)
    validated = re.findall(r"VALIDATE CONSTRAINT (\w+)", code_of(path))
    assert sorted(name for name, _ in added) == sorted(validated)
    for name, definition in added:
        assert definition.rstrip().endswith("NOT VALID"), name
    for column in re.findall(r"ADD COLUMN [^\n]*", code_of(path)):
        assert not re.search(r"\b(CHECK|REFERENCES|UNIQUE)\b", column), column


@pytest.mark.parametrize("path", CRM_FILES, ids=lambda path: path.name)
def test_every_file_bounds_its_lock_waits_from_its_first_statement(path: Path) -> None:
    texts = statements_of(path)
    assert texts[0] == "SET lock_timeout = '2s'"
    assert texts[-1] == "RESET lock_timeout"
    assert "lock_timeout = 0" not in code_of(path)


@pytest.mark.parametrize("path", CRM_FILES, ids=lambda path: path.name)
def test_known_mistakes_are_absent(path: Path) -> None:
    code = code_of(path)
    for pattern in (
        r"\bSAVEPOINT\b",  # a syntax error inside PL/pgSQL
        r"\$\$",  # ends early inside another $$ body: every body has a tag of its own
        r"\bI?LIKE\b",  # quadratic, and %, _ and \ in a name are patterns
        r"\bWHEN OTHERS\b",
        r"\bSECURITY DEFINER\b",
        r"\b(ALTER|CREATE|DROP) ROLE\b",
        r"\buuid_generate_v4\b",
        r"\bCASCADE;",
        r"\bTEMP(ORARY)? TABLE\b",
        r"\bcompleted successfully\b",
    ):
        assert not re.search(pattern, code, re.IGNORECASE), pattern


@pytest.mark.parametrize("name", MIGRATIONS)
def test_views_of_crm_read_with_the_rights_of_their_reader(name: str) -> None:
    code = code_of(ROOT / "crm" / name)
    views = re.findall(r"CREATE OR REPLACE VIEW (public\.\w+)", code)
    assert re.findall(r"ALTER VIEW (public\.\w+) SET \(security_invoker = true\)", code) == views


@pytest.mark.parametrize("name", MIGRATIONS)
def test_plpgsql_functions_of_crm_fix_their_search_path(name: str) -> None:
    code = code_of(ROOT / "crm" / name)
    for head in re.findall(r"CREATE OR REPLACE FUNCTION.*?AS \$\w+\$", code, re.DOTALL):
        assert "LANGUAGE plpgsql" not in head or "SET search_path = pg_catalog, pg_temp" in head, head


def test_every_relationship_table_is_closed_in_the_transaction_that_creates_it() -> None:
    for name in MIGRATIONS:
        for block in re.findall(r"BEGIN;(.*?)COMMIT;", code_of(ROOT / "crm" / name), re.DOTALL):
            created = re.findall(r"CREATE TABLE IF NOT EXISTS (public\.\w+)", block)
            assert re.findall(r"ALTER TABLE (public\.\w+) ENABLE ROW LEVEL SECURITY", block) == created
