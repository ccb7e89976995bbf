-- 20250831000003: row level security and performance
--
-- What    A SELECT and an ALL policy on each of the six relationship tables, access and scoring functions, the
--         dashboard's figures, grants to the application's roles, 19 indexes.
-- Locks   Policies take ACCESS EXCLUSIVE on the relationship table they belong to, for a catalog change. Indexes are
--         built CONCURRENTLY. Functions and grants lock no table.
-- Re-run  Any number of times, also after an interruption. A lock that is not granted within 2 s ends the file (55P03).
-- Not     inside a transaction (psql -1): CREATE INDEX CONCURRENTLY refuses one.
-- Undo    rollback/20250831000003_rollback_rls_policies.sql

SET lock_timeout = '2s';

-- ---------------------------------------------------------------------------------------------------------
-- Prerequisites
-- ---------------------------------------------------------------------------------------------------------

DO $prerequisites$
DECLARE
    missing text;
BEGIN
    IF current_setting('server_version_num')::integer < 130000 THEN
        RAISE EXCEPTION 'this migration needs PostgreSQL 13 or newer, the server is %', current_setting('server_version')
            USING ERRCODE = 'feature_not_supported';
    END IF;
    SELECT string_agg(required.name, ', ' ORDER BY required.name)
    INTO missing
    FROM (VALUES
        ('public.company_activities'), ('public.deal_meetings'), ('public.contact_interactions'),
        ('public.deal_stakeholders'), ('public.activity_meetings'), ('public.meeting_sequences'),
        ('public.data_quality_check'), ('public.deal_meeting_analytics'),
        ('public.meetings_with_complete_relationships')
    ) AS required (name)
    WHERE to_regclass(required.name) IS NULL;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the earlier migrations are not, or not completely, applied; missing: %', missing
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Run 20250831000000 to 20250831000002 first.';
    END IF;
    SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.relname)
    INTO missing
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace
        AND c.relname IN (
            'company_activities', 'deal_meetings', 'contact_interactions', 'deal_stakeholders', 'activity_meetings',
            'meeting_sequences'
        )
        AND NOT c.relrowsecurity;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'row level security has been switched off on %', missing
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Policies have no effect without it: ALTER TABLE ... ENABLE ROW LEVEL SECURITY.';
    END IF;
END
$prerequisites$;

-- ---------------------------------------------------------------------------------------------------------
-- Access functions. They run with the caller's rights; profiles and team_members are readable to the application.
-- ---------------------------------------------------------------------------------------------------------

BEGIN;

CREATE OR REPLACE FUNCTION public.user_can_access_ai_features() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $access$
    SELECT EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = auth.uid())
$access$;

COMMENT ON FUNCTION public.user_can_access_ai_features() IS 'Whether the session belongs to a user with a profile';

CREATE OR REPLACE FUNCTION public.user_can_access_sensitive_ai_data() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $access$
    SELECT
        EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = auth.uid() AND p.is_admin)
        OR EXISTS (
            SELECT 1 FROM public.team_members AS tm WHERE tm.user_id = auth.uid() AND tm.role IN ('leader', 'admin')
        )
$access$;

COMMENT ON FUNCTION public.user_can_access_sensitive_ai_data() IS
'Whether the session belongs to an administrator or to somebody who leads a team';

COMMIT;

-- ---------------------------------------------------------------------------------------------------------
-- Policies. A row is readable through any of its parents and writable through all of them: whoever links two
-- records must own both. (SELECT auth.uid()) and the administrator test are evaluated once per query, not per row.
-- Each table changes its policies in one transaction, so that a re-run never leaves a moment without.
-- ---------------------------------------------------------------------------------------------------------

BEGIN;
DROP POLICY IF EXISTS company_activities_select ON public.company_activities;
CREATE POLICY company_activities_select ON public.company_activities FOR SELECT TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.companies AS c WHERE c.id = company_id AND c.owner_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.activities AS a WHERE a.id = activity_id AND a.user_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);
DROP POLICY IF EXISTS company_activities_all ON public.company_activities;
CREATE POLICY company_activities_all ON public.company_activities FOR ALL TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
    OR (
        EXISTS (SELECT 1 FROM public.companies AS c WHERE c.id = company_id AND c.owner_id = (SELECT auth.uid()))
        AND EXISTS (SELECT 1 FROM public.activities AS a WHERE a.id = activity_id AND a.user_id = (SELECT auth.uid()))
    )
);
COMMIT;

BEGIN;
DROP POLICY IF EXISTS deal_meetings_select ON public.deal_meetings;
CREATE POLICY deal_meetings_select ON public.deal_meetings FOR SELECT TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.deals AS d WHERE d.id = deal_id AND d.owner_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.meetings AS m WHERE m.id = meeting_id AND m.owner_user_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);
DROP POLICY IF EXISTS deal_meetings_all ON public.deal_meetings;
CREATE POLICY deal_meetings_all ON public.deal_meetings FOR ALL TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
    OR (
        EXISTS (SELECT 1 FROM public.deals AS d WHERE d.id = deal_id AND d.owner_id = (SELECT auth.uid()))
        AND EXISTS (
            SELECT 1 FROM public.meetings AS m WHERE m.id = meeting_id AND m.owner_user_id = (SELECT auth.uid())
        )
    )
);
COMMIT;

BEGIN;
DROP POLICY IF EXISTS contact_interactions_select ON public.contact_interactions;
CREATE POLICY contact_interactions_select ON public.contact_interactions FOR SELECT TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.contacts AS ct WHERE ct.id = contact_id AND ct.owner_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.activities AS a WHERE a.id = activity_id AND a.user_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.meetings AS m WHERE m.id = meeting_id AND m.owner_user_id = (SELECT auth.uid()))
    OR EXISTS (
        SELECT 1 FROM public.tasks AS t
        WHERE t.id = task_id AND (t.assigned_to = (SELECT auth.uid()) OR t.created_by = (SELECT auth.uid()))
    )
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);
DROP POLICY IF EXISTS contact_interactions_all ON public.contact_interactions;
CREATE POLICY contact_interactions_all ON public.contact_interactions FOR ALL TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
    OR (
        EXISTS (SELECT 1 FROM public.contacts AS ct WHERE ct.id = contact_id AND ct.owner_id = (SELECT auth.uid()))
        AND (
            activity_id IS NULL
            OR EXISTS (SELECT 1 FROM public.activities AS a WHERE a.id = activity_id AND a.user_id = (SELECT auth.uid()))
        )
        AND (
            meeting_id IS NULL
            OR EXISTS (
                SELECT 1 FROM public.meetings AS m WHERE m.id = meeting_id AND m.owner_user_id = (SELECT auth.uid())
            )
        )
        AND (
            task_id IS NULL
            OR EXISTS (
                SELECT 1 FROM public.tasks AS t
                WHERE t.id = task_id AND (t.assigned_to = (SELECT auth.uid()) OR t.created_by = (SELECT auth.uid()))
            )
        )
    )
);
COMMIT;

BEGIN;
DROP POLICY IF EXISTS deal_stakeholders_select ON public.deal_stakeholders;
CREATE POLICY deal_stakeholders_select ON public.deal_stakeholders FOR SELECT TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.deals AS d WHERE d.id = deal_id AND d.owner_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.contacts AS ct WHERE ct.id = contact_id AND ct.owner_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);
DROP POLICY IF EXISTS deal_stakeholders_all ON public.deal_stakeholders;
CREATE POLICY deal_stakeholders_all ON public.deal_stakeholders FOR ALL TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
    OR (
        EXISTS (SELECT 1 FROM public.deals AS d WHERE d.id = deal_id AND d.owner_id = (SELECT auth.uid()))
        AND EXISTS (SELECT 1 FROM public.contacts AS ct WHERE ct.id = contact_id AND ct.owner_id = (SELECT auth.uid()))
    )
);
COMMIT;

BEGIN;
DROP POLICY IF EXISTS activity_meetings_select ON public.activity_meetings;
CREATE POLICY activity_meetings_select ON public.activity_meetings FOR SELECT TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.activities AS a WHERE a.id = activity_id AND a.user_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.meetings AS m WHERE m.id = meeting_id AND m.owner_user_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);
DROP POLICY IF EXISTS activity_meetings_all ON public.activity_meetings;
CREATE POLICY activity_meetings_all ON public.activity_meetings FOR ALL TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
    OR (
        EXISTS (SELECT 1 FROM public.activities AS a WHERE a.id = activity_id AND a.user_id = (SELECT auth.uid()))
        AND EXISTS (
            SELECT 1 FROM public.meetings AS m WHERE m.id = meeting_id AND m.owner_user_id = (SELECT auth.uid())
        )
    )
);
COMMIT;

BEGIN;
DROP POLICY IF EXISTS meeting_sequences_select ON public.meeting_sequences;
CREATE POLICY meeting_sequences_select ON public.meeting_sequences FOR SELECT TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.companies AS c WHERE c.id = company_id AND c.owner_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.deals AS d WHERE d.id = deal_id AND d.owner_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.meetings AS m WHERE m.id = meeting_id AND m.owner_user_id = (SELECT auth.uid()))
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);
DROP POLICY IF EXISTS meeting_sequences_all ON public.meeting_sequences;
CREATE POLICY meeting_sequences_all ON public.meeting_sequences FOR ALL TO authenticated
USING (
    EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
    OR (
        EXISTS (SELECT 1 FROM public.companies AS c WHERE c.id = company_id AND c.owner_id = (SELECT auth.uid()))
        AND (
            deal_id IS NULL
            OR EXISTS (SELECT 1 FROM public.deals AS d WHERE d.id = deal_id AND d.owner_id = (SELECT auth.uid()))
        )
        AND EXISTS (
            SELECT 1 FROM public.meetings AS m WHERE m.id = meeting_id AND m.owner_user_id = (SELECT auth.uid())
        )
    )
);
COMMIT;

-- ---------------------------------------------------------------------------------------------------------
-- Scores and dashboard. Caller's rights, so a score counts what the caller may see. No handler: an error is an error.
-- ---------------------------------------------------------------------------------------------------------

BEGIN;

CREATE OR REPLACE FUNCTION public.calculate_company_engagement_score(company uuid) RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $score$
    SELECT round((
        -- Each part is capped at its weight: 30 recency, 25 volume, 20 meetings, 15 pipeline, 10 contacts.
        30 * greatest(0, 1 - coalesce(extract(epoch FROM now() - history.last_at) / (90 * 86400), 1))
        + 25 * least(1, history.recent / 20.0)
        + 15 * least(1, met.recent / 5.0)
        + 5 * (1 + coalesce(met.sentiment, -1)) / 2
        + 15 * least(1, pipeline.active / 3.0)
        + 10 * least(1, people.total / 5.0)
    )::numeric, 2)
    FROM public.companies AS c
    CROSS JOIN LATERAL (
        SELECT
            max(a.date) FILTER (WHERE a.date <= now()) AS last_at,
            count(*) FILTER (WHERE a.date BETWEEN now() - interval '90 days' AND now()) AS recent
        FROM public.activities AS a
        WHERE a.company_id = c.id
    ) AS history
    CROSS JOIN LATERAL (
        SELECT count(*) AS recent, avg(m.sentiment_score) AS sentiment
        FROM public.meetings AS m
        WHERE m.company_id = c.id AND m.meeting_start BETWEEN now() - interval '90 days' AND now()
    ) AS met
    CROSS JOIN LATERAL (
        SELECT count(*) AS active FROM public.deals AS d WHERE d.company_id = c.id AND d.status = 'active'
    ) AS pipeline
    CROSS JOIN LATERAL (
        SELECT count(*) AS total FROM public.contacts AS ct WHERE ct.company_id = c.id
    ) AS people
    WHERE c.id = company
$score$;

COMMENT ON FUNCTION public.calculate_company_engagement_score(uuid) IS
'0 to 100 from the last 90 days; NULL for a company that does not exist or is not visible to the caller';

CREATE OR REPLACE FUNCTION public.calculate_deal_intelligence_score(deal uuid) RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $score$
    SELECT round((
        -- 25 stage, 25 activity, 20 stakeholders, 20 meetings, 10 a plausible close date.
        25 * least(100, greatest(0, coalesce(d.probability, stage.default_probability))) / 100.0
        + 15 * least(1, history.recent / 10.0)
        + 10 * greatest(0, 1 - coalesce(extract(epoch FROM now() - history.last_at) / (30 * 86400), 1))
        + 10 * least(1, involved.total / 3.0)
        + 10 * least(1, involved.deciding)
        + 10 * least(1, met.total / 3.0)
        + 10 * (1 + coalesce(met.impact, -1)) / 2
        + CASE WHEN d.expected_close_date BETWEEN current_date AND current_date + 365 THEN 10 ELSE 0 END
    )::numeric, 2)
    FROM public.deals AS d
    JOIN public.deal_stages AS stage ON stage.id = d.stage_id
    CROSS JOIN LATERAL (
        SELECT
            max(a.date) FILTER (WHERE a.date <= now()) AS last_at,
            count(*) FILTER (WHERE a.date BETWEEN now() - interval '30 days' AND now()) AS recent
        FROM public.activities AS a
        WHERE a.deal_id = d.id
    ) AS history
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS total,
            count(*) FILTER (WHERE ds.is_champion OR ds.stakeholder_role IN ('decision_maker', 'budget_holder'))
                AS deciding
        FROM public.deal_stakeholders AS ds
        WHERE ds.deal_id = d.id
    ) AS involved
    CROSS JOIN LATERAL (
        SELECT count(*) AS total, avg(dm.meeting_impact_score) AS impact
        FROM public.deal_meetings AS dm
        WHERE dm.deal_id = d.id
    ) AS met
    WHERE d.id = deal
$score$;

COMMENT ON FUNCTION public.calculate_deal_intelligence_score(uuid) IS
'0 to 100; NULL for a deal that does not exist or is not visible to the caller';

-- One aggregate for each table, each giving one row: their product is that one row.
CREATE OR REPLACE FUNCTION public.get_crm_dashboard_data(target_user uuid, days integer DEFAULT 30)
RETURNS TABLE (
    total_companies bigint,
    target_companies bigint,
    average_company_engagement numeric,
    total_contacts bigint,
    decision_makers bigint,
    active_deals bigint,
    active_deal_value numeric,
    weighted_deal_value numeric,
    deals_closing_soon bigint,
    average_deal_intelligence numeric,
    recent_activities bigint,
    completed_activities bigint,
    open_tasks bigint,
    overdue_tasks bigint,
    recent_meetings bigint,
    meetings_needing_follow_up bigint
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $dashboard$
BEGIN
    IF target_user IS NULL THEN
        RAISE EXCEPTION 'target_user must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF days IS NULL OR days NOT BETWEEN 1 AND 3660 THEN
        RAISE EXCEPTION 'days must lie between 1 and 3660, not %', coalesce(days::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    RETURN QUERY
    SELECT
        company.total, company.targets, company.engagement,
        contact.total, contact.deciding,
        deal.active, deal.value, deal.weighted, deal.closing, deal.intelligence,
        activity.recent, activity.completed,
        task.open, task.overdue,
        meeting.recent, meeting.unanswered
    FROM (
        SELECT
            count(*) AS total,
            count(*) FILTER (WHERE c.is_target_account) AS targets,
            coalesce(round(avg(c.engagement_score), 2), 0) AS engagement
        FROM public.companies AS c
        WHERE c.owner_id = target_user AND NOT c.is_merged
    ) AS company
    CROSS JOIN (
        SELECT count(*) AS total, count(*) FILTER (WHERE ct.decision_maker_score >= 0.7) AS deciding
        FROM public.contacts AS ct
        WHERE ct.owner_id = target_user
    ) AS contact
    CROSS JOIN (
        SELECT
            count(*) AS active,
            coalesce(sum(d.value), 0) AS value,
            coalesce(round(sum(d.value * coalesce(d.probability, stage.default_probability) / 100.0), 2), 0) AS weighted,
            count(*) FILTER (WHERE d.expected_close_date BETWEEN current_date AND current_date + days) AS closing,
            coalesce(round(avg(d.deal_intelligence_score), 2), 0) AS intelligence
        FROM public.deals AS d
        JOIN public.deal_stages AS stage ON stage.id = d.stage_id
        WHERE d.owner_id = target_user AND d.status = 'active'
    ) AS deal
    CROSS JOIN (
        SELECT count(*) AS recent, count(*) FILTER (WHERE a.status = 'completed') AS completed
        FROM public.activities AS a
        WHERE a.user_id = target_user AND a.date BETWEEN now() - make_interval(days => days) AND now()
    ) AS activity
    CROSS JOIN (
        SELECT count(*) AS open, count(*) FILTER (WHERE t.due_date < now()) AS overdue
        FROM public.tasks AS t
        WHERE t.assigned_to = target_user AND NOT t.completed
    ) AS task
    CROSS JOIN (
        SELECT
            count(*) AS recent,
            count(*) FILTER (WHERE m.follow_up_required AND NOT m.follow_up_scheduled) AS unanswered
        FROM public.meetings AS m
        WHERE m.owner_user_id = target_user
            AND m.meeting_start BETWEEN now() - make_interval(days => days) AND now()
    ) AS meeting;
END
$dashboard$;

COMMENT ON FUNCTION public.get_crm_dashboard_data(uuid, integer) IS
'The sixteen figures of a user''s dashboard, the recent ones over so many days, in one row';

REVOKE ALL ON FUNCTION
    public.user_can_access_ai_features(),
    public.user_can_access_sensitive_ai_data(),
    public.calculate_company_engagement_score(uuid),
    public.calculate_deal_intelligence_score(uuid),
    public.get_crm_dashboard_data(uuid, integer)
FROM PUBLIC;

COMMIT;

-- ---------------------------------------------------------------------------------------------------------
-- Grants
-- ---------------------------------------------------------------------------------------------------------

BEGIN;

GRANT SELECT, INSERT, UPDATE, DELETE ON
    public.company_activities, public.deal_meetings, public.contact_interactions, public.deal_stakeholders,
    public.activity_meetings, public.meeting_sequences
TO authenticated, service_role;

GRANT EXECUTE ON FUNCTION
    public.infer_meeting_deal_relationships(uuid, uuid),
    public.populate_company_activity_relationships(uuid, uuid),
    public.create_meeting_follow_up_activities(uuid, boolean),
    public.user_can_access_ai_features(),
    public.user_can_access_sensitive_ai_data(),
    public.calculate_company_engagement_score(uuid),
    public.calculate_deal_intelligence_score(uuid),
    public.get_crm_dashboard_data(uuid, integer)
TO authenticated, service_role;

GRANT SELECT ON
    public.companies_with_intelligence, public.deals_with_complete_relationships,
    public.activities_with_complete_data, public.deal_meeting_analytics,
    public.meetings_with_complete_relationships, public.data_quality_check
TO service_role;

-- Before 15 a view cannot run with the reader's rights: it would show every row to everybody.
DO $views$
BEGIN
    IF current_setting('server_version_num')::integer >= 150000 THEN
        GRANT SELECT ON
            public.companies_with_intelligence, public.deals_with_complete_relationships,
            public.activities_with_complete_data, public.deal_meeting_analytics,
            public.meetings_with_complete_relationships, public.data_quality_check
        TO authenticated;
    ELSE
        RAISE NOTICE 'the views are not granted to authenticated: security_invoker needs PostgreSQL 15';
    END IF;
END
$views$;

COMMIT;

-- ---------------------------------------------------------------------------------------------------------
-- Indexes
-- ---------------------------------------------------------------------------------------------------------

-- An interrupted CREATE INDEX CONCURRENTLY leaves an invalid index, which IF NOT EXISTS would take for a finished one.
DO $leftovers$
DECLARE
    leftover regclass;
BEGIN
    FOR leftover IN
        SELECT i.indexrelid::regclass
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE NOT i.indisvalid
            AND c.relnamespace = 'public'::regnamespace
            AND c.relname = ANY (ARRAY[
                'idx_companies_dashboard_query', 'idx_deals_dashboard_query', 'idx_activities_dashboard_query',
                'idx_tasks_dashboard_query', 'idx_meetings_dashboard_query',
                'idx_companies_technology_stack', 'idx_companies_social_media_urls',
                'idx_contacts_social_media_urls', 'idx_contacts_skills', 'idx_contacts_interests',
                'idx_deals_competitor_analysis', 'idx_deals_stakeholder_mapping', 'idx_deals_risk_factors',
                'idx_tasks_context_data',
                'idx_companies_ai_analysis_query', 'idx_contacts_ai_analysis_query',
                'idx_deals_ai_intelligence_query', 'idx_activities_ai_analysis_query', 'idx_tasks_ai_analysis_query'
            ])
    LOOP
        EXECUTE format('DROP INDEX %s', leftover);
        RAISE NOTICE 'dropped the invalid index % of an interrupted build', leftover;
    END LOOP;
END
$leftovers$;

-- A concurrent build waits for older transactions to end. Nobody queues behind that wait, so it may take its time.
SET lock_timeout = '10min';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_dashboard_query ON public.companies (
    owner_id, engagement_score DESC, lead_score DESC, is_target_account
) WHERE owner_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_dashboard_query ON public.deals (
    owner_id, status, stage_id, expected_close_date
) WHERE status = 'active';
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_activities_dashboard_query ON public.activities (
    user_id, date DESC, status
);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_dashboard_query ON public.tasks (
    assigned_to, due_date
) WHERE NOT completed;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_meetings_dashboard_query ON public.meetings (
    owner_user_id, meeting_start DESC
);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_technology_stack ON public.companies USING gin (technology_stack);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_social_media_urls
    ON public.companies USING gin (social_media_urls);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_social_media_urls ON public.contacts USING gin (social_media_urls);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_skills ON public.contacts USING gin (skills);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_interests ON public.contacts USING gin (interests);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_competitor_analysis ON public.deals USING gin (competitor_analysis);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_stakeholder_mapping ON public.deals USING gin (stakeholder_mapping);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_risk_factors ON public.deals USING gin (risk_factors);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_context_data ON public.tasks USING gin (context_data);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_ai_analysis_query ON public.companies (
    account_tier, engagement_score DESC, lead_score DESC
);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_ai_analysis_query ON public.contacts (
    company_id, decision_maker_score DESC, engagement_score DESC
) WHERE company_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_ai_intelligence_query ON public.deals (
    owner_id, deal_intelligence_score DESC, win_probability_ai DESC NULLS LAST
) WHERE status = 'active';
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_activities_ai_analysis_query ON public.activities (
    company_id, date DESC, sentiment_score
) WHERE company_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_ai_analysis_query ON public.tasks (
    assigned_to, ai_priority_score DESC, due_date
) WHERE NOT completed;

RESET lock_timeout;
