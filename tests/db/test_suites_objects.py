"""What the CRM suite's constraints, functions, policies and queries do."""

from __future__ import annotations

import psycopg
import pytest
from fix_crm import ADMIN, ANN, BEN, CRM, DIRTY_DEALS, Crm, one


def test_interaction_goes_with_its_last_source(crm: Crm) -> None:
    _, conn = crm(1)
    ids = conn.execute("""
        INSERT INTO contact_interactions (
            contact_id, activity_id, meeting_id, interaction_type, interaction_direction, interaction_date
        )
        SELECT ct.id, a.id, m.id, 'call', 'inbound', now()
        FROM contacts AS ct, activities AS a, meetings AS m
        WHERE a.type = 'outbound'
        RETURNING activity_id, meeting_id
    """).fetchone()
    assert ids is not None
    conn.execute("DELETE FROM activities WHERE id = %s", (ids[0],))
    assert conn.execute("SELECT activity_id, meeting_id FROM contact_interactions").fetchall() == [
        (None, ids[1])
    ]
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("UPDATE contact_interactions SET meeting_id = NULL")
    conn.execute("DELETE FROM meetings")
    assert one(conn, "SELECT count(*) FROM contact_interactions") == 0


def test_follow_up_work_is_bounded_and_created_once(crm: Crm) -> None:
    _, conn = crm(4)
    meeting = one(conn, "SELECT id FROM meetings")
    call = "SELECT activities_created, tasks_created FROM create_meeting_follow_up_activities(%s)"
    assert conn.execute(call, (meeting,)).fetchone() == (1, 10)
    assert conn.execute(call, (meeting,)).fetchone() == (0, 0)
    row = conn.execute("SELECT sales_rep, client_name FROM activities WHERE status = 'pending'").fetchone()
    assert row == ("Ann", "Acme Ltd")
    assert conn.execute(
        "SELECT activities_generated_count, tasks_generated_count FROM meetings"
    ).fetchone() == (1, 10)
    with pytest.raises(psycopg.errors.NoDataFound, match="not visible"):
        conn.execute(call, (ANN,))


def test_scores_and_dashboard_answer_for_one_and_refuse_nonsense(crm: Crm) -> None:
    _, conn = crm(4)
    assert (
        0
        < one(conn, "SELECT calculate_company_engagement_score(id) FROM companies WHERE name = 'Acme Ltd'")
        <= 100
    )
    assert 0 < one(conn, "SELECT calculate_deal_intelligence_score(id) FROM deals WHERE name = 'new'") <= 100
    assert one(conn, "SELECT calculate_deal_intelligence_score(%s)", (ANN,)) is None
    figures = conn.execute("SELECT * FROM get_crm_dashboard_data(%s)", (ANN,)).fetchall()
    assert len(figures) == 1
    assert len(figures[0]) == 16
    owned = sum(1 for owner, *_ in DIRTY_DEALS.values() if owner == ANN)
    assert figures[0][5:7] == (owned, owned * 100)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="days must lie"):
        conn.execute("SELECT * FROM get_crm_dashboard_data(%s, 0)", (ANN,))


@pytest.mark.pg(">= 15")
@pytest.mark.parametrize(("user", "deals", "stakeholders"), [(ANN, 19, 8), (BEN, 3, 1), (ADMIN, 24, 9)])
def test_users_read_their_own_rows_through_views_and_relationships(
    crm: Crm, user: str, deals: int, stakeholders: int
) -> None:
    _, conn = crm(4)
    conn.execute("SELECT set_config('request.jwt.claim.sub', %s, false)", (user,))
    conn.execute("SET ROLE authenticated")
    assert one(conn, "SELECT count(*) FROM deals_with_complete_relationships") == deals
    assert one(conn, "SELECT count(*) FROM deal_stakeholders") == stakeholders


def test_a_link_is_written_by_who_owns_both_ends(crm: Crm) -> None:
    _, conn = crm(4)
    insert = """
        INSERT INTO deal_stakeholders (deal_id, contact_id, stakeholder_role)
        VALUES (%s, %s, 'champion') RETURNING 1
    """
    deal = one(conn, "SELECT id FROM deals WHERE name = 'empty'")
    bens = one(conn, "UPDATE contacts SET owner_id = %s WHERE email = '1@shared.com' RETURNING id", (BEN,))
    anns = one(conn, "SELECT id FROM contacts WHERE email = '2@shared.com'")
    conn.execute("SELECT set_config('request.jwt.claim.sub', %s, false)", (ANN,))
    conn.execute("SET ROLE authenticated")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(insert, (deal, bens))
    assert one(conn, insert, (deal, anns)) == 1


def test_queries_of_the_suite_run(crm: Crm) -> None:
    _, before = crm(0)
    _, after = crm(4)
    missing = set()
    for query in CRM.queries:
        values = {name: one(before, source) for name, source in query.params.items()}
        after.execute(query.sql, values or None)
        try:
            before.execute(query.sql, values or None)
        except (
            psycopg.errors.UndefinedFunction,
            psycopg.errors.UndefinedTable,
            psycopg.errors.UndefinedColumn,
        ):
            missing.add(query.name)
    existed = {query.name for query in CRM.queries if query.kind == "workload"} - missing
    assert len(existed) >= 10
    assert {query.name for query in CRM.queries if query.kind == "function"} <= missing
