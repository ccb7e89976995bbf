-- Undo 20250831000002: drop what it created and delete the links that its functions inferred
--
-- Loses   what was stored since in the columns and the two tables that are dropped; the counts are reported first.
--         Activities and tasks that create_meeting_follow_up_activities has made are somebody's work and stay.
-- Locks   ACCESS EXCLUSIVE on one existing table at a time, for catalog changes. Indexes go CONCURRENTLY before
--         their columns do; links are deleted in batches that commit.
-- Re-run  Any number of times. Refuses to start while 20250831000003 is still applied.
-- Not     inside a transaction (psql -1): DROP INDEX CONCURRENTLY refuses one, and the batches commit.

SET lock_timeout = '2s';

DO $order$
DECLARE
    relation text;
    stored bigint;
BEGIN
    IF to_regprocedure('public.get_crm_dashboard_data(uuid, integer)') IS NOT NULL THEN
        RAISE EXCEPTION 'migration 20250831000003 is still applied'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Run 20250831000003_rollback_rls_policies.sql first.';
    END IF;
    FOREACH relation IN ARRAY ARRAY['activity_meetings', 'meeting_sequences'] LOOP
        CONTINUE WHEN to_regclass('public.' || relation) IS NULL;
        EXECUTE format('SELECT count(*) FROM public.%I', relation) INTO stored;
        IF stored > 0 THEN
            RAISE WARNING 'dropping public.% with % rows', relation, stored;
        END IF;
    END LOOP;
END
$order$;

BEGIN;
DROP VIEW IF EXISTS public.meetings_with_complete_relationships;
DROP VIEW IF EXISTS public.deal_meeting_analytics;
DROP FUNCTION IF EXISTS public.create_meeting_follow_up_activities(uuid, boolean);
DROP FUNCTION IF EXISTS public.populate_company_activity_relationships(uuid, uuid);
DROP FUNCTION IF EXISTS public.infer_meeting_deal_relationships(uuid, uuid);
COMMIT;

-- An inferred link carries an id computed from what it links. One that somebody has worked on since stays.
DO $undo$
DECLARE
    batch_rows CONSTANT integer := 20000;
    batch record;
BEGIN
    FOR batch IN SELECT r.first_id, r.last_id FROM crm_migration.key_ranges('public.deal_meetings', batch_rows) AS r LOOP
        DELETE FROM public.deal_meetings AS dm
        WHERE dm.id BETWEEN batch.first_id AND batch.last_id
            AND dm.id = md5('inferred deal_meetings' || dm.deal_id || dm.meeting_id)::uuid
            AND dm.meeting_outcome IS NULL
            AND dm.meeting_impact_score = (
                SELECT coalesce(m.sentiment_score, 0) FROM public.meetings AS m WHERE m.id = dm.meeting_id
            );
        COMMIT;
    END LOOP;

    FOR batch IN
        SELECT r.first_id, r.last_id FROM crm_migration.key_ranges('public.company_activities', batch_rows) AS r
    LOOP
        DELETE FROM public.company_activities AS ca
        WHERE ca.id BETWEEN batch.first_id AND batch.last_id
            AND ca.id = md5('populated company_activities' || ca.company_id || ca.activity_id)::uuid
            AND ca.relationship_strength IN (0.5, 0.8);
        COMMIT;
    END LOOP;
END
$undo$;

SET lock_timeout = '10min';

DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_company_created;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deals_primary_contact_created;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_meetings_primary_deal;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_meetings_meeting_type;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_meetings_meeting_outcome;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_meetings_quality_score;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_meetings_follow_up;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_meeting_action_items_deal;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_meeting_action_items_company;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_meeting_action_items_contact;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deal_meetings_stage_at_meeting;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deal_meetings_stage_after_meeting;
DROP INDEX CONCURRENTLY IF EXISTS public.idx_deal_meetings_progression;

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
            ('deal_meetings',
                'stage_at_meeting_id stage_after_meeting_id stage_changed moved_deal_forward'
                ' attendee_count external_attendee_count decision_makers_present objections_raised'
                ' competitors_mentioned commitments_made next_meeting_scheduled notes'),
            ('meeting_action_items',
                'deal_id company_id contact_id estimated_effort_hours business_impact'
                ' follow_up_meeting_required technical_requirement'),
            ('meetings',
                'deal_count primary_deal_id activities_generated_count tasks_generated_count'
                ' meeting_type meeting_outcome next_steps decision_timeline budget_discussed'
                ' timeline_discussed competitors_discussed decision_makers_identified'
                ' meeting_quality_score engagement_level follow_up_required follow_up_scheduled')
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

DROP TABLE IF EXISTS public.meeting_sequences;
DROP TABLE IF EXISTS public.activity_meetings;

ALTER TABLE public.deal_meetings
    DROP COLUMN IF EXISTS stage_at_meeting_id,
    DROP COLUMN IF EXISTS stage_after_meeting_id,
    DROP COLUMN IF EXISTS stage_changed,
    DROP COLUMN IF EXISTS moved_deal_forward,
    DROP COLUMN IF EXISTS attendee_count,
    DROP COLUMN IF EXISTS external_attendee_count,
    DROP COLUMN IF EXISTS decision_makers_present,
    DROP COLUMN IF EXISTS objections_raised,
    DROP COLUMN IF EXISTS competitors_mentioned,
    DROP COLUMN IF EXISTS commitments_made,
    DROP COLUMN IF EXISTS next_meeting_scheduled,
    DROP COLUMN IF EXISTS notes;

ALTER TABLE public.meeting_action_items
    DROP COLUMN IF EXISTS deal_id,
    DROP COLUMN IF EXISTS company_id,
    DROP COLUMN IF EXISTS contact_id,
    DROP COLUMN IF EXISTS estimated_effort_hours,
    DROP COLUMN IF EXISTS business_impact,
    DROP COLUMN IF EXISTS follow_up_meeting_required,
    DROP COLUMN IF EXISTS technical_requirement;

ALTER TABLE public.meetings
    DROP COLUMN IF EXISTS deal_count,
    DROP COLUMN IF EXISTS primary_deal_id,
    DROP COLUMN IF EXISTS activities_generated_count,
    DROP COLUMN IF EXISTS tasks_generated_count,
    DROP COLUMN IF EXISTS meeting_type,
    DROP COLUMN IF EXISTS meeting_outcome,
    DROP COLUMN IF EXISTS next_steps,
    DROP COLUMN IF EXISTS decision_timeline,
    DROP COLUMN IF EXISTS budget_discussed,
    DROP COLUMN IF EXISTS timeline_discussed,
    DROP COLUMN IF EXISTS competitors_discussed,
    DROP COLUMN IF EXISTS decision_makers_identified,
    DROP COLUMN IF EXISTS meeting_quality_score,
    DROP COLUMN IF EXISTS engagement_level,
    DROP COLUMN IF EXISTS follow_up_required,
    DROP COLUMN IF EXISTS follow_up_scheduled;

RESET lock_timeout;
