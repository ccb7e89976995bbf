-- 20250831000002: direct relationships and meeting enhancements
--
-- What    35 columns on meetings, meeting_action_items and deal_meetings; the relationship tables activity_meetings and
--         meeting_sequences; 17 indexes; functions that infer which deal a meeting belongs to, link activities to
--         companies and create follow-up work; the backfill of history with the first two; two views.
-- Locks   ACCESS EXCLUSIVE on one existing table at a time, for a catalog change only (constant defaults, constraints NOT
--         VALID and validated afterwards under SHARE UPDATE EXCLUSIVE). Indexes on existing tables are built
--         CONCURRENTLY. The backfill holds row locks on at most 5,000 meetings until its next COMMIT.
-- Re-run  Any number of times, also after an interruption. A lock that is not granted within 2 s ends the file (55P03).
-- Not     inside a transaction (psql -1): CREATE INDEX CONCURRENTLY refuses one, and the batches commit.
-- Undo    rollback/20250831000002_rollback_direct_relationships.sql

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
        ('public.deal_meetings'), ('public.company_activities'), ('public.contact_interactions'),
        ('public.meetings'), ('public.meeting_attendees'), ('public.meeting_action_items')
    ) AS required (name)
    WHERE to_regclass(required.name) IS NULL;
    IF missing IS NOT NULL OR to_regprocedure('public.crm_email_key(text)') IS NULL THEN
        RAISE EXCEPTION 'migration 20250831000000 is not, or not completely, applied'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('Missing tables: %s', coalesce(missing, 'none')),
                  HINT = 'Run 20250831000000_enhanced_crm_schema_design.sql first.';
    END IF;
    IF to_regclass('crm_migration.legacy_backfill') IS NULL THEN
        RAISE EXCEPTION 'migration 20250831000001 is not applied'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Run 20250831000001_migrate_legacy_contact_relationships.sql first.';
    END IF;
END
$prerequisites$;

-- ---------------------------------------------------------------------------------------------------------
-- Columns
-- ---------------------------------------------------------------------------------------------------------

ALTER TABLE public.meetings
    ADD COLUMN IF NOT EXISTS deal_count integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS primary_deal_id uuid,
    ADD COLUMN IF NOT EXISTS activities_generated_count integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS tasks_generated_count integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS meeting_type text NOT NULL DEFAULT 'other',
    ADD COLUMN IF NOT EXISTS meeting_outcome text NOT NULL DEFAULT 'pending',
    ADD COLUMN IF NOT EXISTS next_steps text,
    ADD COLUMN IF NOT EXISTS decision_timeline text,
    ADD COLUMN IF NOT EXISTS budget_discussed boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS timeline_discussed boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS competitors_discussed boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS decision_makers_identified boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS meeting_quality_score numeric(3, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS engagement_level text,
    ADD COLUMN IF NOT EXISTS follow_up_required boolean NOT NULL DEFAULT true,
    ADD COLUMN IF NOT EXISTS follow_up_scheduled boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT IF EXISTS meetings_meeting_type_check,
    ADD CONSTRAINT meetings_meeting_type_check CHECK (meeting_type IN (
        'discovery', 'demo', 'proposal_presentation', 'negotiation', 'closing', 'check_in', 'technical_review',
        'stakeholder_alignment', 'decision_maker_meeting', 'other'
    )) NOT VALID,
    DROP CONSTRAINT IF EXISTS meetings_meeting_outcome_check,
    ADD CONSTRAINT meetings_meeting_outcome_check CHECK (meeting_outcome IN (
        'positive', 'neutral', 'negative', 'no_show', 'reschedule', 'cancelled', 'pending'
    )) NOT VALID,
    DROP CONSTRAINT IF EXISTS meetings_meeting_quality_score_check,
    ADD CONSTRAINT meetings_meeting_quality_score_check
        CHECK (meeting_quality_score >= 0 AND meeting_quality_score <= 1) NOT VALID,
    DROP CONSTRAINT IF EXISTS meetings_engagement_level_check,
    ADD CONSTRAINT meetings_engagement_level_check
        CHECK (engagement_level IN ('low', 'medium', 'high', 'excellent')) NOT VALID;

ALTER TABLE public.meeting_action_items
    ADD COLUMN IF NOT EXISTS deal_id uuid,
    ADD COLUMN IF NOT EXISTS company_id uuid,
    ADD COLUMN IF NOT EXISTS contact_id uuid,
    ADD COLUMN IF NOT EXISTS estimated_effort_hours numeric(4, 1),
    ADD COLUMN IF NOT EXISTS business_impact text NOT NULL DEFAULT 'medium',
    ADD COLUMN IF NOT EXISTS follow_up_meeting_required boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS technical_requirement boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT IF EXISTS meeting_action_items_estimated_effort_hours_check,
    ADD CONSTRAINT meeting_action_items_estimated_effort_hours_check CHECK (estimated_effort_hours > 0) NOT VALID,
    DROP CONSTRAINT IF EXISTS meeting_action_items_business_impact_check,
    ADD CONSTRAINT meeting_action_items_business_impact_check
        CHECK (business_impact IN ('low', 'medium', 'high', 'critical')) NOT VALID;

ALTER TABLE public.deal_meetings
    ADD COLUMN IF NOT EXISTS stage_at_meeting_id uuid,
    ADD COLUMN IF NOT EXISTS stage_after_meeting_id uuid,
    ADD COLUMN IF NOT EXISTS stage_changed boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS moved_deal_forward boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS attendee_count integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS external_attendee_count integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS decision_makers_present integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS objections_raised text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS competitors_mentioned text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS commitments_made text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS next_meeting_scheduled boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS notes text;

-- Foreign keys one at a time: each locks its parent as well (SHARE ROW EXCLUSIVE), and only for the catalog change.
ALTER TABLE public.meetings
    DROP CONSTRAINT IF EXISTS meetings_primary_deal_id_fkey,
    ADD CONSTRAINT meetings_primary_deal_id_fkey
        FOREIGN KEY (primary_deal_id) REFERENCES public.deals (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE public.meeting_action_items
    DROP CONSTRAINT IF EXISTS meeting_action_items_deal_id_fkey,
    ADD CONSTRAINT meeting_action_items_deal_id_fkey
        FOREIGN KEY (deal_id) REFERENCES public.deals (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE public.meeting_action_items
    DROP CONSTRAINT IF EXISTS meeting_action_items_company_id_fkey,
    ADD CONSTRAINT meeting_action_items_company_id_fkey
        FOREIGN KEY (company_id) REFERENCES public.companies (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE public.meeting_action_items
    DROP CONSTRAINT IF EXISTS meeting_action_items_contact_id_fkey,
    ADD CONSTRAINT meeting_action_items_contact_id_fkey
        FOREIGN KEY (contact_id) REFERENCES public.contacts (id) ON DELETE CASCADE NOT VALID;
ALTER TABLE public.deal_meetings
    DROP CONSTRAINT IF EXISTS deal_meetings_stage_at_meeting_id_fkey,
    ADD CONSTRAINT deal_meetings_stage_at_meeting_id_fkey
        FOREIGN KEY (stage_at_meeting_id) REFERENCES public.deal_stages (id) ON DELETE SET NULL NOT VALID,
    DROP CONSTRAINT IF EXISTS deal_meetings_stage_after_meeting_id_fkey,
    ADD CONSTRAINT deal_meetings_stage_after_meeting_id_fkey
        FOREIGN KEY (stage_after_meeting_id) REFERENCES public.deal_stages (id) ON DELETE SET NULL NOT VALID;

ALTER TABLE public.meetings
    VALIDATE CONSTRAINT meetings_meeting_type_check,
    VALIDATE CONSTRAINT meetings_meeting_outcome_check,
    VALIDATE CONSTRAINT meetings_meeting_quality_score_check,
    VALIDATE CONSTRAINT meetings_engagement_level_check,
    VALIDATE CONSTRAINT meetings_primary_deal_id_fkey;
ALTER TABLE public.meeting_action_items
    VALIDATE CONSTRAINT meeting_action_items_estimated_effort_hours_check,
    VALIDATE CONSTRAINT meeting_action_items_business_impact_check,
    VALIDATE CONSTRAINT meeting_action_items_deal_id_fkey,
    VALIDATE CONSTRAINT meeting_action_items_company_id_fkey,
    VALIDATE CONSTRAINT meeting_action_items_contact_id_fkey;
ALTER TABLE public.deal_meetings
    VALIDATE CONSTRAINT deal_meetings_stage_at_meeting_id_fkey,
    VALIDATE CONSTRAINT deal_meetings_stage_after_meeting_id_fkey;

-- ---------------------------------------------------------------------------------------------------------
-- Relationship tables, closed by row level security until 20250831000003 says who may see what
-- ---------------------------------------------------------------------------------------------------------

BEGIN;
CREATE TABLE IF NOT EXISTS public.activity_meetings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    activity_id uuid NOT NULL REFERENCES public.activities (id) ON DELETE CASCADE,
    meeting_id uuid NOT NULL REFERENCES public.meetings (id) ON DELETE CASCADE,
    relationship_type text NOT NULL CHECK (relationship_type IN (
        'preparation', 'follow_up', 'related', 'generated_from', 'scheduled_during'
    )),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (activity_id, meeting_id)
);
ALTER TABLE public.activity_meetings ENABLE ROW LEVEL SECURITY;
CREATE INDEX IF NOT EXISTS idx_activity_meetings_meeting ON public.activity_meetings (meeting_id, relationship_type);
COMMIT;

BEGIN;
CREATE TABLE IF NOT EXISTS public.meeting_sequences (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sequence_name text NOT NULL,
    company_id uuid NOT NULL REFERENCES public.companies (id) ON DELETE CASCADE,
    deal_id uuid REFERENCES public.deals (id) ON DELETE CASCADE,
    sequence_order integer NOT NULL CHECK (sequence_order >= 1),
    meeting_id uuid NOT NULL REFERENCES public.meetings (id) ON DELETE CASCADE,
    planned_next_meeting timestamptz,
    sequence_completed boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (sequence_name, company_id, sequence_order)
);
ALTER TABLE public.meeting_sequences ENABLE ROW LEVEL SECURITY;
CREATE INDEX IF NOT EXISTS idx_meeting_sequences_meeting ON public.meeting_sequences (meeting_id);
CREATE INDEX IF NOT EXISTS idx_meeting_sequences_deal ON public.meeting_sequences (deal_id);
CREATE INDEX IF NOT EXISTS idx_meeting_sequences_company
    ON public.meeting_sequences (company_id, sequence_completed);
COMMIT;

-- ---------------------------------------------------------------------------------------------------------
-- Indexes that the backfill needs
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
                'idx_deals_company_created', 'idx_deals_primary_contact_created',
                'idx_meetings_primary_deal', 'idx_meetings_meeting_type', 'idx_meetings_meeting_outcome',
                'idx_meetings_quality_score', 'idx_meetings_follow_up',
                'idx_meeting_action_items_deal', 'idx_meeting_action_items_company',
                'idx_meeting_action_items_contact',
                'idx_deal_meetings_stage_at_meeting', 'idx_deal_meetings_stage_after_meeting',
                'idx_deal_meetings_progression'
            ])
    LOOP
        EXECUTE format('DROP INDEX %s', leftover);
        RAISE NOTICE 'dropped the invalid index % of an interrupted build', leftover;
    END LOOP;
END
$leftovers$;

-- A concurrent build waits for older transactions to end. Nobody queues behind that wait, so it may take its time.
SET lock_timeout = '10min';

-- "The deal that was opened last before the meeting" is one probe of these, however many deals a company has.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_company_created ON public.deals (company_id, created_at DESC, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_primary_contact_created
    ON public.deals (primary_contact_id, created_at DESC, id);

SET lock_timeout = '2s';

-- ---------------------------------------------------------------------------------------------------------
-- Functions. All run with the caller's rights: row level security decides what they see and write. None catches an
-- error: a failure reaches the caller, and nothing of the call stays. PUBLIC gets no right to call them.
-- ---------------------------------------------------------------------------------------------------------

BEGIN;

-- The deal of the same contact, else of the same company, that was opened last within the year before the meeting.
-- One row for a meeting at most, so a company with thousands of deals and meetings costs no more than their sum.
CREATE OR REPLACE FUNCTION public.infer_meeting_deal_relationships(
    first_meeting uuid DEFAULT '00000000-0000-0000-0000-000000000000',
    last_meeting uuid DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff'
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $infer$
DECLARE
    inserted bigint;
BEGIN
    INSERT INTO public.deal_meetings AS dm (
        id, deal_id, meeting_id, meeting_impact_score, attendee_count, external_attendee_count
    )
    SELECT
        md5('inferred deal_meetings' || found.deal_id || m.id)::uuid,
        found.deal_id,
        m.id,
        coalesce(m.sentiment_score, 0),
        present.attendees,
        present.external_attendees
    FROM public.meetings AS m
    LEFT JOIN LATERAL (
        SELECT d.id
        FROM public.deals AS d
        WHERE d.primary_contact_id = m.primary_contact_id
            AND d.created_at <= m.meeting_start
            AND d.created_at > m.meeting_start - interval '1 year'
        ORDER BY d.created_at DESC, d.id
        LIMIT 1
    ) AS by_contact ON true
    LEFT JOIN LATERAL (
        SELECT d.id
        FROM public.deals AS d
        WHERE by_contact.id IS NULL
            AND d.company_id = m.company_id
            AND d.created_at <= m.meeting_start
            AND d.created_at > m.meeting_start - interval '1 year'
        ORDER BY d.created_at DESC, d.id
        LIMIT 1
    ) AS by_company ON true
    CROSS JOIN LATERAL (VALUES (coalesce(by_contact.id, by_company.id))) AS found (deal_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS attendees, count(*) FILTER (WHERE ma.is_external) AS external_attendees
        FROM public.meeting_attendees AS ma
        WHERE ma.meeting_id = m.id
    ) AS present
    WHERE m.id BETWEEN first_meeting AND last_meeting
        AND found.deal_id IS NOT NULL
        -- A meeting that has its deal already, inferred or chosen by somebody, keeps it.
        AND NOT EXISTS (SELECT 1 FROM public.deal_meetings AS chosen WHERE chosen.meeting_id = m.id)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    RETURN inserted;
END
$infer$;

COMMENT ON FUNCTION public.infer_meeting_deal_relationships(uuid, uuid) IS
'Links meetings without a deal to the one they most likely belong to; returns the number of links made';

-- By the address of the contact, else by the domain of the company; a free-mail domain links nothing.
CREATE OR REPLACE FUNCTION public.populate_company_activity_relationships(
    first_activity uuid DEFAULT '00000000-0000-0000-0000-000000000000',
    last_activity uuid DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff'
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $populate$
DECLARE
    inserted bigint;
BEGIN
    WITH unlinked AS MATERIALIZED (
        SELECT a.id, public.crm_email_key(a.contact_identifier) AS email_key,
            public.crm_company_domain(a.contact_identifier) AS domain
        FROM public.activities AS a
        WHERE a.id BETWEEN first_activity AND last_activity
            AND a.contact_identifier IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM public.company_activities AS ca WHERE ca.activity_id = a.id)
    ),
    by_contact AS (
        SELECT DISTINCT ON (lower(btrim(ct.email, E' \t\r\n')))
            lower(btrim(ct.email, E' \t\r\n')) AS email_key, ct.company_id
        FROM public.contacts AS ct
        WHERE ct.company_id IS NOT NULL
            AND lower(btrim(ct.email, E' \t\r\n')) IN (SELECT u.email_key FROM unlinked AS u)
        ORDER BY lower(btrim(ct.email, E' \t\r\n')), ct.created_at, ct.id
    ),
    by_domain AS (
        SELECT DISTINCT ON (lower(btrim(c.domain))) lower(btrim(c.domain)) AS domain, c.id AS company_id
        FROM public.companies AS c
        WHERE lower(btrim(c.domain)) IN (SELECT u.domain FROM unlinked AS u)
        ORDER BY lower(btrim(c.domain)), c.created_at, c.id
    )
    INSERT INTO public.company_activities (id, company_id, activity_id, relationship_strength)
    SELECT
        md5('populated company_activities' || coalesce(by_contact.company_id, by_domain.company_id) || u.id)::uuid,
        coalesce(by_contact.company_id, by_domain.company_id),
        u.id,
        CASE WHEN by_contact.company_id IS NOT NULL THEN 0.8 ELSE 0.5 END
    FROM unlinked AS u
    LEFT JOIN by_contact ON by_contact.email_key = u.email_key
    LEFT JOIN by_domain ON by_domain.domain = u.domain
    WHERE coalesce(by_contact.company_id, by_domain.company_id) IS NOT NULL
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    RETURN inserted;
END
$populate$;

COMMENT ON FUNCTION public.populate_company_activity_relationships(uuid, uuid) IS
'Links activities without a company by e-mail address or domain; returns the number of links made';

-- One follow-up activity for a meeting and one task for each of its first ten open action items. Their ids are
-- computed from what they follow up, so a second call, or one at the same moment, creates nothing twice.
CREATE OR REPLACE FUNCTION public.create_meeting_follow_up_activities(meeting uuid, create_tasks boolean DEFAULT true)
RETURNS TABLE (activities_created integer, tasks_created integer)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $follow_up$
DECLARE
    max_tasks CONSTANT integer := 10;
    held public.meetings%ROWTYPE;
    follow_up_id uuid;
    deal uuid;
    client text;
    representative text;
BEGIN
    SELECT m.* INTO held FROM public.meetings AS m WHERE m.id = meeting FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'meeting % does not exist or is not visible to you', meeting
            USING ERRCODE = 'no_data_found';
    END IF;

    deal := coalesce(
        held.primary_deal_id,
        (
            SELECT dm.deal_id FROM public.deal_meetings AS dm
            WHERE dm.meeting_id = meeting
            ORDER BY dm.created_at, dm.id
            LIMIT 1
        )
    );
    -- activities.client_name and sales_rep are NOT NULL.
    client := coalesce(
        (SELECT c.name FROM public.companies AS c WHERE c.id = held.company_id),
        (SELECT coalesce(ct.full_name, ct.email) FROM public.contacts AS ct WHERE ct.id = held.primary_contact_id),
        nullif(held.title, ''),
        'Unknown client'
    );
    representative := coalesce(
        (
            SELECT coalesce(nullif(btrim(concat_ws(' ', p.first_name, p.last_name)), ''), p.email)
            FROM public.profiles AS p
            WHERE p.id = held.owner_user_id
        ),
        'Unassigned'
    );

    follow_up_id := md5('follow-up of meeting' || meeting)::uuid;
    INSERT INTO public.activities AS a (
        id, user_id, type, status, priority, client_name, sales_rep, details, date, company_id, contact_id, deal_id,
        activity_source
    ) VALUES (
        follow_up_id, held.owner_user_id, 'outbound', 'pending', 'high', client, representative,
        format('Follow up: %s', coalesce(nullif(held.title, ''), 'meeting')),
        greatest(coalesce(held.meeting_end, held.meeting_start, now()), now()) + interval '1 day',
        held.company_id, held.primary_contact_id, deal, 'crm'
    )
    ON CONFLICT (id) DO NOTHING;
    GET DIAGNOSTICS activities_created = ROW_COUNT;

    IF activities_created = 1 THEN
        INSERT INTO public.activity_meetings (activity_id, meeting_id, relationship_type)
        VALUES (follow_up_id, meeting, 'generated_from');
    END IF;

    tasks_created := 0;
    IF create_tasks THEN
        INSERT INTO public.tasks AS t (
            id, title, due_date, priority, task_type, assigned_to, created_by, deal_id, company_id, contact_id,
            auto_generated, context_data
        )
        SELECT
            md5('follow-up of action item' || item.id)::uuid,
            item.title,
            item.due_date,
            CASE WHEN item.priority IN ('low', 'medium', 'high', 'urgent') THEN item.priority ELSE 'medium' END,
            'follow_up',
            held.owner_user_id,
            held.owner_user_id,
            coalesce(item.deal_id, deal),
            coalesce(item.company_id, held.company_id),
            coalesce(item.contact_id, held.primary_contact_id),
            true,
            jsonb_build_object('meeting_id', meeting, 'meeting_action_item_id', item.id)
        FROM public.meeting_action_items AS item
        WHERE item.meeting_id = meeting AND NOT item.completed
        ORDER BY item.due_date, item.id
        LIMIT max_tasks
        ON CONFLICT (id) DO NOTHING;
        GET DIAGNOSTICS tasks_created = ROW_COUNT;
    END IF;

    UPDATE public.meetings AS m
    SET activities_generated_count = m.activities_generated_count + activities_created,
        tasks_generated_count = m.tasks_generated_count + tasks_created,
        follow_up_scheduled = true
    WHERE m.id = meeting AND (activities_created > 0 OR tasks_created > 0);

    RETURN NEXT;
END
$follow_up$;

COMMENT ON FUNCTION public.create_meeting_follow_up_activities(uuid, boolean) IS
'Creates a meeting''s follow-up activity and at most ten tasks, each once; returns how many of each are new';

REVOKE ALL ON FUNCTION
    public.infer_meeting_deal_relationships(uuid, uuid),
    public.populate_company_activity_relationships(uuid, uuid),
    public.create_meeting_follow_up_activities(uuid, boolean)
FROM PUBLIC;

COMMIT;

-- ---------------------------------------------------------------------------------------------------------
-- Backfill of history
-- ---------------------------------------------------------------------------------------------------------

DO $backfill$
DECLARE
    batch record;
BEGIN
    FOR batch IN SELECT r.first_id, r.last_id FROM crm_migration.key_ranges('public.meetings', 500) AS r LOOP
        PERFORM public.infer_meeting_deal_relationships(batch.first_id, batch.last_id);

        UPDATE public.meetings AS m
        SET deal_count = linked.deal_count,
            primary_deal_id = coalesce(m.primary_deal_id, linked.deal_id)
        FROM (
            SELECT
                dm.meeting_id,
                count(*) AS deal_count,
                (array_agg(dm.deal_id ORDER BY dm.created_at, dm.id))[1] AS deal_id
            FROM public.deal_meetings AS dm
            WHERE dm.meeting_id BETWEEN batch.first_id AND batch.last_id
            GROUP BY dm.meeting_id
        ) AS linked
        WHERE m.id = linked.meeting_id
            AND m.id BETWEEN batch.first_id AND batch.last_id
            AND (m.deal_count <> linked.deal_count OR m.primary_deal_id IS NULL);
        COMMIT;
    END LOOP;

    FOR batch IN SELECT r.first_id, r.last_id FROM crm_migration.key_ranges('public.activities', 50000) AS r LOOP
        PERFORM public.populate_company_activity_relationships(batch.first_id, batch.last_id);
        COMMIT;
    END LOOP;
END
$backfill$;

ANALYZE public.meetings, public.deal_meetings, public.company_activities;

-- ---------------------------------------------------------------------------------------------------------
-- The other indexes on existing tables, after the backfill: building one costs less than keeping it up meanwhile
-- ---------------------------------------------------------------------------------------------------------

SET lock_timeout = '10min';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_meetings_primary_deal ON public.meetings (primary_deal_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_meetings_meeting_type ON public.meetings (meeting_type);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_meetings_meeting_outcome ON public.meetings (meeting_outcome);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_meetings_quality_score ON public.meetings (meeting_quality_score DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_meetings_follow_up
    ON public.meetings (owner_user_id, meeting_start DESC) WHERE follow_up_required AND NOT follow_up_scheduled;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_meeting_action_items_deal ON public.meeting_action_items (deal_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_meeting_action_items_company
    ON public.meeting_action_items (company_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_meeting_action_items_contact
    ON public.meeting_action_items (contact_id);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deal_meetings_stage_at_meeting
    ON public.deal_meetings (stage_at_meeting_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deal_meetings_stage_after_meeting
    ON public.deal_meetings (stage_after_meeting_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deal_meetings_progression
    ON public.deal_meetings (deal_id) WHERE moved_deal_forward;

SET lock_timeout = '2s';

-- ---------------------------------------------------------------------------------------------------------
-- Views
-- ---------------------------------------------------------------------------------------------------------

BEGIN;

CREATE OR REPLACE VIEW public.deal_meeting_analytics AS
SELECT
    d.id AS deal_id,
    d.name AS deal_name,
    d.owner_id,
    d.status,
    d.value,
    stage.name AS stage_name,
    coalesce(c.name, d.company) AS company_name,
    met.meeting_count,
    met.first_meeting_at,
    met.last_meeting_at,
    met.total_minutes,
    met.average_impact,
    met.average_sentiment,
    met.positive_outcomes,
    met.forward_moves,
    met.external_attendees,
    items.open_action_items
FROM public.deals AS d
JOIN public.deal_stages AS stage ON stage.id = d.stage_id
LEFT JOIN public.companies AS c ON c.id = d.company_id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS meeting_count,
        min(m.meeting_start) AS first_meeting_at,
        max(m.meeting_start) AS last_meeting_at,
        coalesce(sum(m.duration_minutes), 0) AS total_minutes,
        round(avg(dm.meeting_impact_score), 2) AS average_impact,
        round(avg(m.sentiment_score), 2) AS average_sentiment,
        count(*) FILTER (WHERE dm.meeting_outcome = 'positive') AS positive_outcomes,
        count(*) FILTER (WHERE dm.moved_deal_forward) AS forward_moves,
        coalesce(sum(dm.external_attendee_count), 0) AS external_attendees
    FROM public.deal_meetings AS dm
    JOIN public.meetings AS m ON m.id = dm.meeting_id
    WHERE dm.deal_id = d.id
) AS met
CROSS JOIN LATERAL (
    SELECT count(*) AS open_action_items
    FROM public.deal_meetings AS dm
    JOIN public.meeting_action_items AS item ON item.meeting_id = dm.meeting_id
    WHERE dm.deal_id = d.id AND NOT item.completed
) AS items;

CREATE OR REPLACE VIEW public.meetings_with_complete_relationships AS
SELECT
    m.id,
    m.title,
    m.meeting_start,
    m.meeting_end,
    m.duration_minutes,
    m.owner_user_id,
    owner.email AS owner_email,
    m.meeting_type,
    m.meeting_outcome,
    m.meeting_quality_score,
    m.sentiment_score,
    m.follow_up_required,
    m.follow_up_scheduled,
    m.company_id,
    c.name AS company_name,
    m.primary_contact_id,
    ct.full_name AS contact_name,
    m.primary_deal_id,
    d.name AS primary_deal_name,
    linked.deal_count,
    linked.total_deal_value,
    present.attendee_count,
    present.external_attendee_count,
    items.action_item_count,
    items.open_action_item_count,
    work.activity_count
FROM public.meetings AS m
LEFT JOIN public.profiles AS owner ON owner.id = m.owner_user_id
LEFT JOIN public.companies AS c ON c.id = m.company_id
LEFT JOIN public.contacts AS ct ON ct.id = m.primary_contact_id
LEFT JOIN public.deals AS d ON d.id = m.primary_deal_id
CROSS JOIN LATERAL (
    SELECT count(*) AS deal_count, coalesce(sum(linked_deal.value), 0) AS total_deal_value
    FROM public.deal_meetings AS dm
    JOIN public.deals AS linked_deal ON linked_deal.id = dm.deal_id
    WHERE dm.meeting_id = m.id
) AS linked
CROSS JOIN LATERAL (
    SELECT count(*) AS attendee_count, count(*) FILTER (WHERE ma.is_external) AS external_attendee_count
    FROM public.meeting_attendees AS ma
    WHERE ma.meeting_id = m.id
) AS present
CROSS JOIN LATERAL (
    SELECT count(*) AS action_item_count, count(*) FILTER (WHERE NOT item.completed) AS open_action_item_count
    FROM public.meeting_action_items AS item
    WHERE item.meeting_id = m.id
) AS items
CROSS JOIN LATERAL (
    SELECT count(*) AS activity_count
    FROM public.activity_meetings AS am
    WHERE am.meeting_id = m.id
) AS work;

DO $invoker$
BEGIN
    IF current_setting('server_version_num')::integer >= 150000 THEN
        ALTER VIEW public.deal_meeting_analytics SET (security_invoker = true);
        ALTER VIEW public.meetings_with_complete_relationships SET (security_invoker = true);
    ELSE
        REVOKE ALL ON public.deal_meeting_analytics, public.meetings_with_complete_relationships
            FROM PUBLIC, anon, authenticated;
    END IF;
END
$invoker$;

COMMIT;

RESET lock_timeout;
