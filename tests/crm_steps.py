"""The planned statements and queries of the realistic run in factories.py."""

from __future__ import annotations

from dataclasses import replace

from factories import MIB, Held, Step, a_query

from bench.model.lock import LockMode
from bench.model.plan import NestedPlan, Query, QueryCost
from bench.model.statement import Hanging, Rewrite, StatementError, Validation

AX, SHARE, SRX = LockMode.ACCESS_EXCLUSIVE, LockMode.SHARE, LockMode.SHARE_ROW_EXCLUSIVE
SUX, RX, AS = LockMode.SHARE_UPDATE_EXCLUSIVE, LockMode.ROW_EXCLUSIVE, LockMode.ACCESS_SHARE

DUPLICATE_NAME = StatementError(
    sqlstate="23505",
    message='duplicate key value violates unique constraint "companies_domain_key"',
    constraint="companies_domain_key",
    detail="Key (domain)=(acme.example) already exists.",
    hint=None,
    line=24,
    column=1,
)


def begin(line: int) -> Step:
    return Step(line, "BEGIN", "BEGIN", 0.00005, wal_bytes=None, size_delta_bytes=None)


def commit(line: int) -> Step:
    return Step(line, "COMMIT", "COMMIT", 0.0011, wal_bytes=34, size_delta_bytes=0)


def add_columns(line: int, table: str, columns: str) -> Step:
    return Step(
        line, f"ALTER TABLE {table}\n  ADD COLUMN {columns}", "ALTER TABLE", 0.0031,
        locks=(Held(f"public.{table}", AX),), wal_bytes=9216, size_delta_bytes=8192,
    )  # fmt: skip


def create_table(line: int, table: str, *parents: str) -> Step:
    references = ", ".join(f"{each[:-1]}_id uuid REFERENCES {each}(id)" for each in parents)
    return Step(
        line, f"CREATE TABLE {table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), {references})",
        "CREATE TABLE", 0.0064, wal_bytes=41_300, size_delta_bytes=40_960,
        locks=(
            Held(f"public.{table}", AX, new=True),
            Held(f"public.{table}_pkey", AX, target="index", new=True, table=f"public.{table}"),
            *(Held(f"public.{each}", SRX) for each in parents),
        ),
    )  # fmt: skip


def index_online(line: int, name: str, table: str, expression: str, duration_s: float, size: int) -> Step:
    return Step(
        line, f"CREATE INDEX CONCURRENTLY {name} ON {table} {expression}", "CREATE INDEX CONCURRENTLY",
        duration_s, transaction="none", wal_bytes=size + 81_920, size_delta_bytes=size,
        locks=(
            Held(f"public.{table}", SUX),
            Held(f"public.{name}", RX, target="index", new=True, table=f"public.{table}"),
        ),
    )  # fmt: skip


def view(line: int, name: str, *tables: str) -> Step:
    return Step(
        line, f"CREATE VIEW {name} AS SELECT d.*, c.name AS company_name\nFROM {' JOIN '.join(tables)}",
        "CREATE VIEW", 0.0042, wal_bytes=12_480, size_delta_bytes=16_384,
        locks=(
            Held(f"public.{name}", AX, target="view", new=True),
            *(Held(f"public.{each}", AS) for each in tables),
        ),
    )  # fmt: skip


JOINED = {"Node Type": "Hash Join", "Actual Rows": 117_300, "Actual Loops": 1}
BACKFILL_PLAN = NestedPlan(
    "SELECT 1 FROM ONLY public.deals fk LEFT JOIN ONLY public.companies pk ON pk.id = fk.company_id",
    0.21, 0, JOINED,
)  # fmt: skip

CRM_STEPS: dict[str, tuple[Step, ...]] = {
    "20250831000000_enhanced_crm_schema_design": (
        begin(12),
        Step(13, "SET LOCAL lock_timeout = '2s'", "SET", 0.00006, wal_bytes=0),
        add_columns(15, "companies", "engagement_score numeric(5,2) DEFAULT 0.0"),
        add_columns(22, "contacts", "decision_maker_score numeric(3,2) DEFAULT 0.0"),
        add_columns(31, "deals", "competitor_analysis jsonb DEFAULT '{}'"),
        create_table(44, "company_activities", "companies", "activities"),
        create_table(61, "deal_stakeholders", "deals", "contacts"),
        commit(80),
        index_online(84, "idx_companies_engagement", "companies", "(engagement_score DESC)", 0.184, 2 * MIB),
        index_online(87, "idx_deals_competitors", "deals", "USING gin (competitor_analysis)", 0.412, 3 * MIB),
        view(92, "company_overview", "companies", "deals"),
    ),
    "20250831000001_migrate_legacy_contact_relationships": (
        begin(9),
        Step(
            24,
            "INSERT INTO companies (name, domain)\n"
            "SELECT DISTINCT lower(company), split_part(contact_email, '@', 2)\n"
            "FROM deals WHERE company_id IS NULL",
            "INSERT", 1.87, rows=8_412, wal_bytes=4 * MIB, size_delta_bytes=3 * MIB, temp_bytes=18 * MIB,
            locks=(Held("public.companies", RX), Held("public.deals", AS)),
            validations=(Validation("public.deals", 125_000, 1.0),),
        ),
        commit(33),
        Step(
            36,
            "DO $$\nBEGIN\n  UPDATE deals SET company_id = c.id FROM companies c\n"
            "  WHERE lower(c.name) = lower(company);\nEND $$",
            "DO", 6.42, transaction="own", wal_bytes=141 * MIB, size_delta_bytes=47 * MIB,
            locks=(Held("public.deals", RX), Held("public.companies", AS)),
            nested=(NestedPlan("UPDATE deals SET …", 6.39, 117_300, JOINED),),
        ),
        Step(
            58, "ALTER TABLE deals ALTER COLUMN value TYPE numeric(14,2) USING round(value, 2)",
            "ALTER TABLE", 0.731, transaction="own", wal_bytes=38 * MIB, size_delta_bytes=0,
            locks=(Held("public.deals", AX), Held("public.deals_pkey", AX, "index", table="public.deals")),
            rewrites=(
                Rewrite("public.deals", "table", None, 31 * MIB),
                Rewrite("public.deals_pkey", "index", "public.deals", 4 * MIB),
            ),
            hanging=(Hanging("value", "default", None, "0"),),
            validations=(Validation("public.deals", 125_000, 1.0),),
        ),
    ),
    "20250831000002_add_direct_relationships_and_meeting_enhancements": (
        begin(7),
        create_table(10, "deal_meetings", "deals", "activities"),
        create_table(29, "contact_interactions", "contacts"),
        add_columns(47, "activities", "sentiment_score numeric(3,2)"),
        commit(60),
        Step(
            63, "ALTER TABLE deals ADD CONSTRAINT deals_company_fk\n"
            "  FOREIGN KEY (company_id) REFERENCES companies NOT VALID",
            "ALTER TABLE", 0.0029, transaction="own", wal_bytes=4_100,
            locks=(Held("public.deals", SRX), Held("public.companies", SRX)),
        ),
        Step(
            67, "ALTER TABLE deals VALIDATE CONSTRAINT deals_company_fk", "ALTER TABLE", 0.214,
            transaction="own", wal_bytes=512,
            locks=(Held("public.deals", SUX), Held("public.companies", LockMode.ROW_SHARE)),
            validations=(Validation("public.deals", 125_000, 1.0),), nested=(BACKFILL_PLAN,),
        ),
        Step(
            70, "CREATE INDEX idx_activities_meeting ON activities (type, date) WHERE type = 'meeting'",
            "CREATE INDEX", 0.326, transaction="own", wal_bytes=4 * MIB, size_delta_bytes=4 * MIB,
            locks=(Held("public.activities", SHARE),
                   Held("public.idx_activities_meeting", AX, "index", True, "public.activities")),
            validations=(Validation("public.activities", 400_000, 1.0),),
        ),
    ),
    "20250831000003_enhanced_rls_policies_and_performance": (
        begin(5),
        Step(
            8, "ALTER TABLE deal_meetings ENABLE ROW LEVEL SECURITY", "ALTER TABLE", 0.0008, wal_bytes=400,
            locks=(Held("public.deal_meetings", AX),),
        ),
        Step(
            11, "CREATE POLICY deal_meetings_read ON deal_meetings FOR SELECT\n"
            "  USING (deal_id IN (SELECT id FROM deals WHERE owner_id = auth.uid()))",
            "CREATE POLICY", 0.0017, wal_bytes=1_900,
            locks=(Held("public.deal_meetings", AX), Held("public.deals", AS)),
        ),
        Step(18, "GRANT SELECT ON company_overview TO authenticated", "GRANT", 0.0006, wal_bytes=700),
        commit(22),
        index_online(26, "idx_deals_dashboard", "deals", "(owner_id, status, stage_id)", 0.288, 5 * MIB),
    ),
}  # fmt: skip

QUERIES: tuple[Query, ...] = (
    a_query(0.112, 0.0043, same_plan=False),
    replace(a_query(0.031, 0.034), name="contacts by company", text="TABLE contacts"),
    replace(a_query(None, 0.68), name="public.company_overview", kind="view", text="TABLE company_overview"),
    replace(
        a_query(0.02, None),
        name="deals by legacy company",
        after=QueryCost(None, None, None, None, None, None, error="42703: column d.company does not exist"),
    ),
)  # fmt: skip
