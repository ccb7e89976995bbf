"""The CRM suite on a real server: what its files build, how they fail, what their rollbacks leave."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from fix_crm import CRM, MIGRATIONS, ROLLBACKS, Crm, apply, checksums, one, psql
from psycopg import sql

from bench.pg.catalog import describe_schema
from bench.pg.server import Server


def test_files_run_twice_and_their_rollbacks_give_back_the_base(server: Server, crm: Crm) -> None:
    name, conn = crm(4)
    base_name, base = crm(0)
    schema, rows = describe_schema(conn), checksums(conn)
    relations = ("company_activities", "contact_interactions", "deal_stakeholders", "deal_meetings")
    derived = checksums(conn, relations)

    apply(server, name, *MIGRATIONS)
    assert describe_schema(conn) == schema
    assert checksums(conn) == rows
    assert checksums(conn, relations) == derived

    apply(server, name, *reversed(ROLLBACKS))
    assert describe_schema(conn) == describe_schema(base)
    assert checksums(conn) == checksums(base)
    assert base_name != name


def test_suite_makes_what_it_promises(crm: Crm) -> None:
    _, conn = crm(4)
    assert one(conn, "SELECT count(*) FROM pg_indexes WHERE indexname ^@ 'idx_'") == 74
    assert one(conn, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    assert one(conn, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 0
    policies = conn.execute("""
        SELECT tablename::text, array_agg(cmd ORDER BY cmd)
        FROM pg_policies
        WHERE policyname NOT LIKE '%owner_or_admin'
        GROUP BY tablename
    """).fetchall()
    assert dict(policies) == {
        "company_activities": ["ALL", "SELECT"],
        "deal_meetings": ["ALL", "SELECT"],
        "contact_interactions": ["ALL", "SELECT"],
        "deal_stakeholders": ["ALL", "SELECT"],
        "activity_meetings": ["ALL", "SELECT"],
        "meeting_sequences": ["ALL", "SELECT"],
    }
    views = conn.execute("SELECT viewname::text FROM pg_views WHERE schemaname = 'public'").fetchall()
    assert {name for (name,) in views} == {
        "activities_with_complete_data",
        "companies_with_intelligence",
        "data_quality_check",
        "deal_meeting_analytics",
        "deals_with_complete_relationships",
        "meetings_with_complete_relationships",
    }
    assert one(conn, "SELECT count(*) FROM pg_class WHERE relname ^@ 'staged_'") == 0


@pytest.mark.parametrize("number", [0, 1, 2])
def test_rollback_out_of_order_is_refused(server: Server, crm: Crm, number: int) -> None:
    name, conn = crm(4)
    before = describe_schema(conn)
    refused = psql(server, name, ROLLBACKS[number])
    assert refused.returncode == 3
    assert "is still applied" in refused.stderr
    assert describe_schema(conn) == before


@pytest.mark.parametrize(("number", "applied"), [(1, 0), (2, 1), (3, 2)])
def test_migration_without_its_predecessor_is_refused(
    server: Server, crm: Crm, number: int, applied: int
) -> None:
    name, conn = crm(applied)
    before = describe_schema(conn)
    refused = psql(server, name, MIGRATIONS[number])
    assert refused.returncode == 3
    assert "55000" in refused.stderr
    assert describe_schema(conn) == before


def test_first_migration_names_what_the_base_lacks(server: Server, crm: Crm) -> None:
    name, conn = crm(0)
    conn.execute("ALTER TABLE deals DROP COLUMN contact_email")
    refused = psql(server, name, MIGRATIONS[0])
    assert refused.returncode == 3
    assert "missing: public.deals.contact_email" in refused.stderr


def test_lock_that_is_not_granted_ends_the_file_and_the_next_run_finishes_it(
    server: Server, crm: Crm
) -> None:
    name, conn = crm(0)
    with server.connect(name) as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM deals")
        stopped = psql(server, name, MIGRATIONS[0])
    assert stopped.returncode == 3
    assert "55P03" in stopped.stderr
    apply(server, name, MIGRATIONS[0])
    assert describe_schema(conn) == describe_schema(crm(1)[1])


def test_invalid_index_of_an_interrupted_build_is_built_again(server: Server, crm: Crm) -> None:
    name, conn = crm(3)
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute("CREATE UNIQUE INDEX CONCURRENTLY idx_deals_dashboard_query ON deals (status)")
    assert "dropped the invalid index" in apply(server, name, MIGRATIONS[3])
    assert describe_schema(conn) == describe_schema(crm(4)[1])


def test_base_is_made_by_a_database_owner_without_other_rights(server: Server, database: str) -> None:
    if not server.superuser:
        pytest.skip("needs a superuser to create another role")
    role = sql.Identifier(database + "_owner")
    with server.connect(database) as conn:
        apply(server, database, CRM.base or Path())
        conn.execute("DROP SCHEMA public CASCADE; DROP SCHEMA auth CASCADE; CREATE SCHEMA public")
        conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
        try:
            conn.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database), role))
            conn.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(role))
            conn.execute(sql.SQL("SET ROLE {}").format(role))
            conn.execute((CRM.base or Path()).read_bytes())
            assert (
                one(conn, "SELECT tableowner FROM pg_tables WHERE tablename = 'deals'") == database + "_owner"
            )
        finally:
            conn.execute("RESET ROLE")
            conn.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(database)))
            conn.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            conn.execute(sql.SQL("DROP ROLE {}").format(role))
