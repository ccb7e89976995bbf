-- Undo 20250831000000: drop what it created, and only that
--
-- Loses   what was stored since in the columns and relationship tables that are dropped; the counts are reported first.
-- Locks   ACCESS EXCLUSIVE on one existing table at a time, for catalog changes. Indexes go CONCURRENTLY before
--         their columns do.
-- Re-run  Any number of times. Refuses to start while a later migration of the suite is still applied.
-- Not     inside a transaction (psql -1): DROP INDEX CONCURRENTLY refuses one.

SET lock_timeout = '2s';

DO $order$
DECLARE
    relation text;
    stored bigint;
BEGIN
    IF to_regclass('crm_migration.legacy_backfill') IS NOT NULL THEN
        RAISE EXCEPTION 'migration 20250831000001 is still applied'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Run 20250831000001_rollback_legacy_contact_migration.sql first.';
    END IF;
    IF to_regclass('public.activity_meetings') IS NOT NULL THEN
        RAISE EXCEPTION 'migration 20250831000002 is still applied'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Run 20250831000002_rollback_direct_relationships.sql first.';
    END IF;
    FOREACH relation IN ARRAY ARRAY[
        'company_activities', 'deal_meetings', 'contact_interactions', 'deal_stakeholders'
    ] LOOP
        CONTINUE WHEN to_regclass('public.' || relation) IS NULL;
        EXECUTE format('SELECT count(*) FROM public.%I', relation) INTO stored;
        IF stored > 0 THEN
            RAISE WARNING 'dropping public.% with % rows', relation, stored;
        END IF;
    END LOOP;
END
$order$;

BEGIN;
DROP VIEW IF EXISTS public.activities_with_complete_data;
DROP VIEW IF EXISTS public.deals_with_complete_relationships;
DROP VIEW IF EXISTS public.companies_with_intelligence;
COMMIT;

SET lock_timeout = '10min';

DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_industry;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_size;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_engagement_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_lead_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_is_target_account;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_account_tier;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_companies_enriched_at;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_contacts_job_seniority;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_contacts_department;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_contacts_decision_maker_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_contacts_engagement_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_contacts_last_interaction_date;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_contacts_quality_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_intelligence_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_win_probability_ai;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_opportunity_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_last_meaningful_interaction;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_close_date_confidence;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_activities_sentiment_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_activities_engagement_quality;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_activities_outcome_prediction;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_activities_activity_source;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_activities_urgency_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_tasks_ai_priority_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_tasks_impact_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_tasks_success_probability;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_tasks_auto_generated;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_tasks_parent_sequence;

SET lock_timeout = '2s';

-- What has been stored in the columns is named before they go: everything that is not their default.
DO $stored$
DECLARE
    doomed record;
    stored bigint;
BEGIN
    FOR doomed IN
        SELECT
            a.attrelid::regclass AS relation,
            string_agg(
                format('%I IS DISTINCT FROM %s', a.attname, coalesce(pg_get_expr(d.adbin, d.adrelid), 'NULL')), ' OR '
            ) AS differs
        FROM (VALUES
            ('tasks',
                'ai_priority_score estimated_duration_minutes success_probability impact_score'
                ' auto_generated parent_task_id sequence_order blocking_reason context_data'),
            ('activities',
                'sentiment_score engagement_quality outcome_prediction follow_up_score'
                ' response_time_minutes interaction_duration_minutes activity_source'
                ' ai_generated_summary next_action_suggestion urgency_score'),
            ('deals',
                'deal_intelligence_score win_probability_ai risk_factors opportunity_score'
                ' competitor_analysis engagement_velocity last_meaningful_interaction decision_timeline'
                ' budget_confirmed technical_fit_score stakeholder_mapping close_date_confidence'),
            ('contacts',
                'job_seniority department decision_maker_score engagement_score enriched_at'
                ' enrichment_source social_media_urls interests skills last_interaction_date'
                ' interaction_count email_domain_verified phone_verified timezone'
                ' preferred_contact_method contact_quality_score'),
            ('companies',
                'industry_confidence_score size_confidence_score enriched_at enrichment_source'
                ' annual_revenue employee_count founding_year headquarters_location technology_stack'
                ' social_media_urls engagement_score lead_score last_engagement_date is_target_account'
                ' account_tier')
        ) AS c (relation, columns)
        JOIN pg_attribute AS a
            ON a.attrelid = to_regclass('public.' || c.relation) AND a.attname = ANY (string_to_array(c.columns, ' '))
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE NOT a.attisdropped
        GROUP BY a.attrelid
    LOOP
        EXECUTE format('SELECT count(*) FROM %s WHERE %s', doomed.relation, doomed.differs) INTO stored;
        IF stored > 0 THEN
            RAISE WARNING 'dropping columns of % that hold something in % rows', doomed.relation, stored;
        END IF;
    END LOOP;
END
$stored$;

-- Without CASCADE: whatever somebody has built on these tables since stops the rollback and is named.
DROP TABLE IF EXISTS public.deal_stakeholders;
DROP TABLE IF EXISTS public.contact_interactions;
DROP FUNCTION IF EXISTS public.remove_interaction_without_source();
DROP TABLE IF EXISTS public.deal_meetings;
DROP TABLE IF EXISTS public.company_activities;

ALTER TABLE public.tasks
    DROP COLUMN IF EXISTS ai_priority_score,
    DROP COLUMN IF EXISTS estimated_duration_minutes,
    DROP COLUMN IF EXISTS success_probability,
    DROP COLUMN IF EXISTS impact_score,
    DROP COLUMN IF EXISTS auto_generated,
    DROP COLUMN IF EXISTS parent_task_id,
    DROP COLUMN IF EXISTS sequence_order,
    DROP COLUMN IF EXISTS blocking_reason,
    DROP COLUMN IF EXISTS context_data;

ALTER TABLE public.activities
    DROP COLUMN IF EXISTS sentiment_score,
    DROP COLUMN IF EXISTS engagement_quality,
    DROP COLUMN IF EXISTS outcome_prediction,
    DROP COLUMN IF EXISTS follow_up_score,
    DROP COLUMN IF EXISTS response_time_minutes,
    DROP COLUMN IF EXISTS interaction_duration_minutes,
    DROP COLUMN IF EXISTS activity_source,
    DROP COLUMN IF EXISTS ai_generated_summary,
    DROP COLUMN IF EXISTS next_action_suggestion,
    DROP COLUMN IF EXISTS urgency_score;

ALTER TABLE public.deals
    DROP COLUMN IF EXISTS deal_intelligence_score,
    DROP COLUMN IF EXISTS win_probability_ai,
    DROP COLUMN IF EXISTS risk_factors,
    DROP COLUMN IF EXISTS opportunity_score,
    DROP COLUMN IF EXISTS competitor_analysis,
    DROP COLUMN IF EXISTS engagement_velocity,
    DROP COLUMN IF EXISTS last_meaningful_interaction,
    DROP COLUMN IF EXISTS decision_timeline,
    DROP COLUMN IF EXISTS budget_confirmed,
    DROP COLUMN IF EXISTS technical_fit_score,
    DROP COLUMN IF EXISTS stakeholder_mapping,
    DROP COLUMN IF EXISTS close_date_confidence;

ALTER TABLE public.contacts
    DROP COLUMN IF EXISTS job_seniority,
    DROP COLUMN IF EXISTS department,
    DROP COLUMN IF EXISTS decision_maker_score,
    DROP COLUMN IF EXISTS engagement_score,
    DROP COLUMN IF EXISTS enriched_at,
    DROP COLUMN IF EXISTS enrichment_source,
    DROP COLUMN IF EXISTS social_media_urls,
    DROP COLUMN IF EXISTS interests,
    DROP COLUMN IF EXISTS skills,
    DROP COLUMN IF EXISTS last_interaction_date,
    DROP COLUMN IF EXISTS interaction_count,
    DROP COLUMN IF EXISTS email_domain_verified,
    DROP COLUMN IF EXISTS phone_verified,
    DROP COLUMN IF EXISTS timezone,
    DROP COLUMN IF EXISTS preferred_contact_method,
    DROP COLUMN IF EXISTS contact_quality_score;

ALTER TABLE public.companies
    DROP COLUMN IF EXISTS industry_confidence_score,
    DROP COLUMN IF EXISTS size_confidence_score,
    DROP COLUMN IF EXISTS enriched_at,
    DROP COLUMN IF EXISTS enrichment_source,
    DROP COLUMN IF EXISTS annual_revenue,
    DROP COLUMN IF EXISTS employee_count,
    DROP COLUMN IF EXISTS founding_year,
    DROP COLUMN IF EXISTS headquarters_location,
    DROP COLUMN IF EXISTS technology_stack,
    DROP COLUMN IF EXISTS social_media_urls,
    DROP COLUMN IF EXISTS engagement_score,
    DROP COLUMN IF EXISTS lead_score,
    DROP COLUMN IF EXISTS last_engagement_date,
    DROP COLUMN IF EXISTS is_target_account,
    DROP COLUMN IF EXISTS account_tier;

BEGIN;
DROP FUNCTION IF EXISTS public.crm_company_domain(text);
DROP FUNCTION IF EXISTS public.crm_email_key(text);
DROP FUNCTION IF EXISTS public.crm_company_key(text);
DROP FUNCTION IF EXISTS crm_migration.key_ranges(regclass, integer);
DROP SCHEMA IF EXISTS crm_migration;
COMMIT;

RESET lock_timeout;
