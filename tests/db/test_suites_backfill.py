"""What the backfills of the suites do with clean and with dirty text."""

from __future__ import annotations

import pytest
from fix_crm import ANN, BEN, EXPECTED, MIGRATIONS, ROLLBACKS, ROOT, Crm, apply, links, one, prepare, psql

from bench.migrate.suite import find_suite
from bench.pg.database import drop_database, new_name
from bench.pg.server import Server


def test_backfill_links_dirty_text(crm: Crm) -> None:
    _, conn = crm(2)
    assert links(conn) == EXPECTED
    names = conn.execute("SELECT first_name, last_name FROM contacts WHERE email = 'x@newone.com'").fetchall()
    assert names == [("Xavier", "Yves Zed")]
    assert one(conn, "SELECT company_id IS NULL FROM contacts WHERE email = 'olga@orphan.example'")
    quality = dict(
        conn.execute("SELECT relation || '.' || measure, value FROM data_quality_check").fetchall()
    )
    assert quality["deals.without_company"] == 3
    assert quality["deals.company_name_blank"] == 2
    assert quality["deals.contact_email_malformed"] == 2


def test_backfill_leaves_legacy_text_alone(crm: Crm) -> None:
    query = """
        SELECT md5(string_agg(concat_ws('|', id, company, contact_name, contact_email), ',' ORDER BY id))
        FROM deals
    """
    assert one(crm(2)[1], query) == one(crm(0)[1], query)


def test_backfill_fills_the_relationship_tables(crm: Crm) -> None:
    _, conn = crm(3)
    linked = conn.execute("""
        SELECT a.type, c.name, ca.relationship_strength
        FROM company_activities AS ca
        JOIN companies AS c ON c.id = ca.company_id
        JOIN activities AS a ON a.id = ca.activity_id
        ORDER BY a.type
    """).fetchall()
    assert [(kind, company, float(strength)) for kind, company, strength in linked] == [
        ("outbound", "Acme Ltd", 1.0),
        ("proposal", "Twin Co", 1.0), ("sale", "Acme Ltd", 0.8)
    ]  # fmt: skip
    assert one(conn, "SELECT count(*) FROM contact_interactions") == 2
    assert one(conn, "SELECT count(*) FROM deal_stakeholders") == sum(
        1 for _, _, email in EXPECTED.values() if email
    )
    assert (
        one(conn, "SELECT d.name FROM meetings AS m JOIN deals AS d ON d.id = m.primary_deal_id")
        == "spacing and case"
    )


def test_backfill_that_failed_is_finished_by_the_next_run(server: Server, crm: Crm) -> None:
    name, conn = crm(1)
    conn.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE 'not today'; END $f$;
        CREATE TRIGGER refuse BEFORE UPDATE ON deals FOR EACH ROW EXECUTE FUNCTION refuse();
    """)
    failed = psql(server, name, MIGRATIONS[1])
    assert failed.returncode == 3
    assert "not today" in failed.stderr
    conn.execute("DROP FUNCTION refuse CASCADE")
    apply(server, name, MIGRATIONS[1])
    assert links(conn) == EXPECTED

    apply(server, name, ROLLBACKS[1])
    assert one(conn, "SELECT count(*) FROM companies") == 4
    assert one(conn, "SELECT count(*) FROM contacts") == 1


def test_rollback_of_the_backfill_keeps_what_users_did_since(server: Server, crm: Crm) -> None:
    name, conn = crm(2)
    conn.execute("UPDATE companies SET phone = '1' WHERE name = 'Free Co'")
    conn.execute(
        """
        UPDATE deals SET company_id = c.id
        FROM companies AS c
        WHERE c.name = 'Shared A' AND deals.name = 'percent'
        """
    )
    conn.execute("UPDATE contacts SET title = 'CTO' WHERE email = 'tim@acme.com'")
    conn.execute(
        """
        UPDATE deal_stakeholders AS ds SET is_champion = true
        FROM contacts AS ct
        WHERE ct.id = ds.contact_id AND ct.first_name = 'Jane'
        """
    )
    said = apply(server, name, ROLLBACKS[1])
    assert "3 companies of the backfill stay" in said
    assert "1 contacts of the backfill stay" in said
    kept = {deal: found for deal, found in links(conn).items() if found != (None, None, None)}
    assert kept == {"percent": ("Shared A", None, None), "linked": ("Twin Co", "ann", None)}
    names = {row[0] for row in conn.execute("SELECT name FROM companies")}
    assert names == {"Acme Ltd", "Twin Co", "Old Name", "Free Co", "Shared A", "Not Acme"}
    assert one(conn, "SELECT count(*) FROM deal_stakeholders") == 1


CLEAN_DEALS = {
    "known": (ANN, "Acme Ltd", "Jane Doe", "jane@acme.com"),
    "new": (ANN, "New One", "Xavier Zed", "x@newone.com"),
    "other": (BEN, "Other Two", "Yves Zed", "y@othertwo.com"),
    "other again": (BEN, "Other Two", "Yves Zed", "y@othertwo.com"),
}


@pytest.mark.parametrize("suite", ["crm_as_reviewed", "crm_one_transaction"])
def test_reviewed_suites_work_on_clean_text(server: Server, crm: Crm, suite: str) -> None:
    found, name = find_suite(suite, ROOT), new_name("crm")
    prepare(server, name, found, CLEAN_DEALS)
    try:
        with server.connect(name) as conn:
            if not one(conn, "SELECT to_regprocedure('uuid_generate_v4()') IS NOT NULL"):
                pytest.skip("this server has no uuid-ossp")
            apply(server, name, *(migration.path for migration in found.migrations))
            assert links(conn) == {
                "known": ("Acme Ltd", "acme.com", "Jane@Acme.com"),
                "new": ("New One", "newone.com", "x@newone.com"),
                "other": ("Other Two", "othertwo.com", "y@othertwo.com"),
                "other again": ("Other Two", "othertwo.com", "y@othertwo.com"),
            }
            made = "SELECT array_agg(indexname ORDER BY indexname) FROM pg_indexes WHERE indexname ^@ 'idx_'"
            assert one(conn, made) == one(crm(4)[1], made)
    finally:
        drop_database(server, name)
