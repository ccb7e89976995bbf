-- Undo 20250831000003: policies, functions, grants and indexes
--
-- What    The relationship tables are closed to the application's roles again: no grants, row level security without a
--         policy. No data is touched.
-- Locks   ACCESS EXCLUSIVE on one relationship table at a time, for a catalog change; indexes go CONCURRENTLY.
-- Re-run  Any number of times, as long as 20250831000002 is applied.
-- Not     inside a transaction (psql -1): DROP INDEX CONCURRENTLY refuses one.

SET lock_timeout = '2s';

BEGIN;
DROP POLICY IF EXISTS company_activities_select ON public.company_activities;
DROP POLICY IF EXISTS company_activities_all ON public.company_activities;
REVOKE SELECT, INSERT, UPDATE, DELETE ON public.company_activities FROM authenticated, service_role;
COMMIT;
BEGIN;
DROP POLICY IF EXISTS deal_meetings_select ON public.deal_meetings;
DROP POLICY IF EXISTS deal_meetings_all ON public.deal_meetings;
REVOKE SELECT, INSERT, UPDATE, DELETE ON public.deal_meetings FROM authenticated, service_role;
COMMIT;
BEGIN;
DROP POLICY IF EXISTS contact_interactions_select ON public.contact_interactions;
DROP POLICY IF EXISTS contact_interactions_all ON public.contact_interactions;
REVOKE SELECT, INSERT, UPDATE, DELETE ON public.contact_interactions FROM authenticated, service_role;
COMMIT;
BEGIN;
DROP POLICY IF EXISTS deal_stakeholders_select ON public.deal_stakeholders;
DROP POLICY IF EXISTS deal_stakeholders_all ON public.deal_stakeholders;
REVOKE SELECT, INSERT, UPDATE, DELETE ON public.deal_stakeholders FROM authenticated, service_role;
COMMIT;
BEGIN;
DROP POLICY IF EXISTS activity_meetings_select ON public.activity_meetings;
DROP POLICY IF EXISTS activity_meetings_all ON public.activity_meetings;
REVOKE SELECT, INSERT, UPDATE, DELETE ON public.activity_meetings FROM authenticated, service_role;
COMMIT;
BEGIN;
DROP POLICY IF EXISTS meeting_sequences_select ON public.meeting_sequences;
DROP POLICY IF EXISTS meeting_sequences_all ON public.meeting_sequences;
REVOKE SELECT, INSERT, UPDATE, DELETE ON public.meeting_sequences FROM authenticated, service_role;
COMMIT;

BEGIN;
REVOKE SELECT ON
    public.companies_with_intelligence, public.deals_with_complete_relationships,
    public.activities_with_complete_data, public.deal_meeting_analytics,
    public.meetings_with_complete_relationships, public.data_quality_check
FROM authenticated, service_role;
REVOKE EXECUTE ON FUNCTION
    public.infer_meeting_deal_relationships(uuid, uuid),
    public.populate_company_activity_relationships(uuid, uuid),
    public.create_meeting_follow_up_activities(uuid, boolean)
FROM authenticated, service_role;
DROP FUNCTION IF EXISTS public.user_can_access_ai_features();
DROP FUNCTION IF EXISTS public.user_can_access_sensitive_ai_data();
DROP FUNCTION IF EXISTS public.calculate_company_engagement_score(uuid);
DROP FUNCTION IF EXISTS public.calculate_deal_intelligence_score(uuid);
COMMIT;

SET lock_timeout = '10min';

DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_dashboard_query;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_dashboard_query;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_activities_dashboard_query;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_tasks_dashboard_query;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_meetings_dashboard_query;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_technology_stack;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_social_media_urls;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_contacts_social_media_urls;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_contacts_skills;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_contacts_interests;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_competitor_analysis;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_stakeholder_mapping;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_risk_factors;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_tasks_context_data;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_ai_analysis_query;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_contacts_ai_analysis_query;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_ai_intelligence_query;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_activities_ai_analysis_query;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_tasks_ai_analysis_query;

-- Last, because its presence is what tells the rollback of 20250831000002 to wait for this file.
DROP FUNCTION IF EXISTS public.get_crm_dashboard_data(uuid, integer);

RESET lock_timeout;
