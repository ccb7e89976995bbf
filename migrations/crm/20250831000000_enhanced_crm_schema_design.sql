-- 20250831000000: enhanced CRM schema
--
-- What    62 columns on companies, contacts, deals, activities and tasks; the relationship tables company_activities,
--         deal_meetings, contact_interactions and deal_stakeholders; 38 indexes; three views; the normalisation of
--         company names and e-mail addresses that the following migrations match by.
-- Locks   ACCESS EXCLUSIVE on one existing table at a time, for a catalog change only: defaults are constants, so no
--         table is rewritten, and constraints are added NOT VALID, so none is read. They are validated afterwards under
--         SHARE UPDATE EXCLUSIVE, and indexes on existing tables are built CONCURRENTLY: reads and writes go on.
-- Re-run  Any number of times, also after an interruption: each statement leaves alone what is there already.
--         A lock that is not granted within 2 s ends the file (55P03); run it again.
-- Not     inside a transaction (psql -1): CREATE INDEX CONCURRENTLY refuses one.
-- Undo    rollback/20250831000000_rollback_enhanced_crm_schema.sql

SET lock_timeout = '2s';

-- ---------------------------------------------------------------------------------------------------------
-- Prerequisites
-- ---------------------------------------------------------------------------------------------------------

DO $prerequisites$
DECLARE
    missing text;
BEGIN
    -- gen_random_uuid() is part of the server since 13; no extension (uuid-ossp, pgcrypto) is needed.
    IF current_setting('server_version_num')::integer < 130000
        OR to_regprocedure('pg_catalog.gen_random_uuid()') IS NULL THEN
        RAISE EXCEPTION 'this migration needs PostgreSQL 13 or newer, the server is %', current_setting('server_version')
            USING ERRCODE = 'feature_not_supported';
    END IF;

    SELECT string_agg(format('%s.%s', required.relation, required.attribute), ', ' ORDER BY 1)
    INTO missing
    FROM (VALUES
        ('auth.users', 'id'),
        ('public.profiles', 'id'), ('public.profiles', 'is_admin'),
        ('public.companies', 'id'), ('public.companies', 'name'), ('public.companies', 'domain'),
        ('public.companies', 'industry'), ('public.companies', 'size'), ('public.companies', 'owner_id'),
        ('public.contacts', 'id'), ('public.contacts', 'email'), ('public.contacts', 'company_id'),
        ('public.deal_stages', 'id'),
        ('public.deals', 'id'), ('public.deals', 'company'), ('public.deals', 'contact_email'),
        ('public.deals', 'company_id'), ('public.deals', 'primary_contact_id'),
        ('public.activities', 'id'), ('public.activities', 'deal_id'),
        ('public.tasks', 'id'), ('public.tasks', 'deal_id'),
        ('public.meetings', 'id'), ('public.meetings', 'company_id')
    ) AS required (relation, attribute)
    WHERE NOT EXISTS (
        SELECT 1
        FROM pg_attribute AS a
        WHERE a.attrelid = to_regclass(required.relation) AND a.attname = required.attribute AND NOT a.attisdropped
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the CRM''s schema is not complete, missing: %', missing
            USING ERRCODE = 'undefined_column',
                  HINT = 'Apply the CRM''s earlier migrations first, or check that this is the right database.';
    END IF;
END
$prerequisites$;

-- ---------------------------------------------------------------------------------------------------------
-- Normalisation: what counts as the same company or the same address
-- ---------------------------------------------------------------------------------------------------------

BEGIN;

-- Equality of keys replaces ILIKE: it can be hashed, and %, _ and \ in a name mean themselves.
CREATE OR REPLACE FUNCTION public.crm_company_key(company_name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $key$
    SELECT nullif(btrim(regexp_replace(lower(company_name), '\s+', ' ', 'g')), '')
$key$;

COMMENT ON FUNCTION public.crm_company_key(text) IS
'Two company names are the same company if their keys are equal; NULL for a name without a visible character';

CREATE OR REPLACE FUNCTION public.crm_email_key(email text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $key$
    SELECT CASE
        WHEN lower(btrim(email, E' \t\r\n')) ~ '^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$' THEN lower(btrim(email, E' \t\r\n'))
    END
$key$;

COMMENT ON FUNCTION public.crm_email_key(text) IS
'The address in lower case without outer blanks; NULL for text that is not one address, such as foo@ or a@@b';

-- A mailbox provider's domain says nothing about the company that the address belongs to.
CREATE OR REPLACE FUNCTION public.crm_company_domain(email text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $domain$
    SELECT CASE
        WHEN split_part(public.crm_email_key(email), '@', 2) <> ALL (ARRAY[
            'gmail.com', 'googlemail.com', 'yahoo.com', 'yahoo.co.uk', 'yahoo.fr', 'yahoo.de', 'ymail.com',
            'hotmail.com', 'hotmail.co.uk', 'hotmail.fr', 'hotmail.de', 'outlook.com', 'outlook.de', 'live.com',
            'live.co.uk', 'msn.com', 'icloud.com', 'me.com', 'mac.com', 'aol.com', 'proton.me', 'protonmail.com',
            'gmx.com', 'gmx.de', 'gmx.net', 'web.de', 'mail.com', 'mail.ru', 'yandex.ru', 'yandex.com', 'zoho.com',
            'fastmail.com', 'qq.com', '163.com', '126.com', 'orange.fr', 'wanadoo.fr', 'free.fr', 'libero.it',
            'btinternet.com', 'comcast.net', 'verizon.net', 'att.net', 't-online.de'
        ])
        THEN split_part(public.crm_email_key(email), '@', 2)
    END
$domain$;

COMMENT ON FUNCTION public.crm_company_domain(text) IS
'The domain of an address where it can stand for a company; NULL for free-mail providers and malformed addresses';

COMMIT;

-- The suite's own tools and records, out of the application's sight.
BEGIN;

CREATE SCHEMA IF NOT EXISTS crm_migration;

CREATE OR REPLACE FUNCTION crm_migration.key_ranges(relation regclass, batch_rows integer)
RETURNS TABLE (first_id uuid, last_id uuid)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $ranges$
BEGIN
    EXECUTE format('SELECT id FROM %s ORDER BY id LIMIT 1', relation) INTO first_id;
    WHILE first_id IS NOT NULL LOOP
        EXECUTE format('SELECT id FROM %s WHERE id >= $1 ORDER BY id OFFSET $2 LIMIT 1', relation)
        INTO last_id
        USING first_id, batch_rows - 1;
        IF last_id IS NULL THEN
            EXECUTE format('SELECT id FROM %s ORDER BY id DESC LIMIT 1', relation) INTO last_id;
        END IF;
        RETURN NEXT;
        EXECUTE format('SELECT id FROM %s WHERE id > $1 ORDER BY id LIMIT 1', relation) INTO first_id USING last_id;
    END LOOP;
END
$ranges$;

COMMENT ON FUNCTION crm_migration.key_ranges(regclass, integer) IS
'The ranges of id (both ends included) that cut a table into batches of so many rows';

COMMIT;

-- ---------------------------------------------------------------------------------------------------------
-- Columns. Constant defaults are kept in the catalog: nothing is rewritten. Constraints come NOT VALID, since an
-- inline CHECK would read the table under ACCESS EXCLUSIVE.
-- ---------------------------------------------------------------------------------------------------------

ALTER TABLE public.companies
    ADD COLUMN IF NOT EXISTS industry_confidence_score numeric(3, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS size_confidence_score numeric(3, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS enriched_at timestamptz,
    ADD COLUMN IF NOT EXISTS enrichment_source text,
    ADD COLUMN IF NOT EXISTS annual_revenue bigint,
    ADD COLUMN IF NOT EXISTS employee_count integer,
    ADD COLUMN IF NOT EXISTS founding_year integer,
    ADD COLUMN IF NOT EXISTS headquarters_location text,
    ADD COLUMN IF NOT EXISTS technology_stack text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS social_media_urls jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS engagement_score numeric(5, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS lead_score numeric(5, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS last_engagement_date timestamptz,
    ADD COLUMN IF NOT EXISTS is_target_account boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS account_tier text NOT NULL DEFAULT 'smb',
    DROP CONSTRAINT IF EXISTS companies_account_tier_check,
    ADD CONSTRAINT companies_account_tier_check
        CHECK (account_tier IN ('enterprise', 'mid-market', 'smb', 'startup')) NOT VALID;

ALTER TABLE public.contacts
    ADD COLUMN IF NOT EXISTS job_seniority text,
    ADD COLUMN IF NOT EXISTS department text,
    ADD COLUMN IF NOT EXISTS decision_maker_score numeric(3, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS engagement_score numeric(5, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS enriched_at timestamptz,
    ADD COLUMN IF NOT EXISTS enrichment_source text,
    ADD COLUMN IF NOT EXISTS social_media_urls jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS interests text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS skills text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS last_interaction_date timestamptz,
    ADD COLUMN IF NOT EXISTS interaction_count integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS email_domain_verified boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS phone_verified boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS timezone text,
    ADD COLUMN IF NOT EXISTS preferred_contact_method text NOT NULL DEFAULT 'email',
    ADD COLUMN IF NOT EXISTS contact_quality_score numeric(3, 2) NOT NULL DEFAULT 0.0,
    DROP CONSTRAINT IF EXISTS contacts_job_seniority_check,
    ADD CONSTRAINT contacts_job_seniority_check
        CHECK (job_seniority IN ('entry', 'mid', 'senior', 'executive', 'c-level')) NOT VALID,
    DROP CONSTRAINT IF EXISTS contacts_preferred_contact_method_check,
    ADD CONSTRAINT contacts_preferred_contact_method_check
        CHECK (preferred_contact_method IN ('email', 'phone', 'linkedin', 'text')) NOT VALID;

ALTER TABLE public.deals
    ADD COLUMN IF NOT EXISTS deal_intelligence_score numeric(5, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS win_probability_ai numeric(3, 2),
    ADD COLUMN IF NOT EXISTS risk_factors text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS opportunity_score numeric(5, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS competitor_analysis jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS engagement_velocity numeric(5, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS last_meaningful_interaction timestamptz,
    ADD COLUMN IF NOT EXISTS decision_timeline text,
    ADD COLUMN IF NOT EXISTS budget_confirmed boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS technical_fit_score numeric(3, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS stakeholder_mapping jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS close_date_confidence numeric(3, 2) NOT NULL DEFAULT 0.0;

ALTER TABLE public.activities
    ADD COLUMN IF NOT EXISTS sentiment_score numeric(3, 2),
    ADD COLUMN IF NOT EXISTS engagement_quality text,
    ADD COLUMN IF NOT EXISTS outcome_prediction text,
    ADD COLUMN IF NOT EXISTS follow_up_score numeric(3, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS response_time_minutes integer,
    ADD COLUMN IF NOT EXISTS interaction_duration_minutes integer,
    ADD COLUMN IF NOT EXISTS activity_source text NOT NULL DEFAULT 'manual',
    ADD COLUMN IF NOT EXISTS ai_generated_summary text,
    ADD COLUMN IF NOT EXISTS next_action_suggestion text,
    ADD COLUMN IF NOT EXISTS urgency_score numeric(3, 2) NOT NULL DEFAULT 0.0,
    DROP CONSTRAINT IF EXISTS activities_sentiment_score_check,
    ADD CONSTRAINT activities_sentiment_score_check
        CHECK (sentiment_score >= -1 AND sentiment_score <= 1) NOT VALID,
    DROP CONSTRAINT IF EXISTS activities_engagement_quality_check,
    ADD CONSTRAINT activities_engagement_quality_check
        CHECK (engagement_quality IN ('low', 'medium', 'high', 'excellent')) NOT VALID,
    DROP CONSTRAINT IF EXISTS activities_outcome_prediction_check,
    ADD CONSTRAINT activities_outcome_prediction_check
        CHECK (outcome_prediction IN ('positive', 'neutral', 'negative', 'unclear')) NOT VALID,
    DROP CONSTRAINT IF EXISTS activities_activity_source_check,
    ADD CONSTRAINT activities_activity_source_check
        CHECK (activity_source IN ('manual', 'email', 'calendar', 'crm', 'integration')) NOT VALID;

ALTER TABLE public.tasks
    ADD COLUMN IF NOT EXISTS ai_priority_score numeric(5, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS estimated_duration_minutes integer,
    ADD COLUMN IF NOT EXISTS success_probability numeric(3, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS impact_score numeric(5, 2) NOT NULL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS auto_generated boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS parent_task_id uuid,
    ADD COLUMN IF NOT EXISTS sequence_order integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS blocking_reason text,
    ADD COLUMN IF NOT EXISTS context_data jsonb NOT NULL DEFAULT '{}',
    DROP CONSTRAINT IF EXISTS tasks_parent_task_id_fkey,
    ADD CONSTRAINT tasks_parent_task_id_fkey
        FOREIGN KEY (parent_task_id) REFERENCES public.tasks (id) ON DELETE CASCADE NOT VALID;

-- Each validation is a transaction of its own, and holds no lock that a reader or a writer would wait for.
ALTER TABLE public.companies VALIDATE CONSTRAINT companies_account_tier_check;
ALTER TABLE public.contacts
    VALIDATE CONSTRAINT contacts_job_seniority_check,
    VALIDATE CONSTRAINT contacts_preferred_contact_method_check;
ALTER TABLE public.activities
    VALIDATE CONSTRAINT activities_sentiment_score_check,
    VALIDATE CONSTRAINT activities_engagement_quality_check,
    VALIDATE CONSTRAINT activities_outcome_prediction_check,
    VALIDATE CONSTRAINT activities_activity_source_check;
ALTER TABLE public.tasks VALIDATE CONSTRAINT tasks_parent_task_id_fkey;

-- ---------------------------------------------------------------------------------------------------------
-- Relationship tables. Row level security is on from the first moment, so that default privileges cannot expose a
-- row before the policies of 20250831000003 say who may see it.
-- ---------------------------------------------------------------------------------------------------------

BEGIN;
CREATE TABLE IF NOT EXISTS public.company_activities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES public.companies (id) ON DELETE CASCADE,
    activity_id uuid NOT NULL REFERENCES public.activities (id) ON DELETE CASCADE,
    relationship_strength numeric(3, 2) NOT NULL DEFAULT 1.0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, activity_id)
);
ALTER TABLE public.company_activities ENABLE ROW LEVEL SECURITY;
CREATE INDEX IF NOT EXISTS idx_company_activities_activity ON public.company_activities (activity_id);
CREATE INDEX IF NOT EXISTS idx_company_activities_strength
    ON public.company_activities (company_id, relationship_strength DESC);
COMMIT;

BEGIN;
CREATE TABLE IF NOT EXISTS public.deal_meetings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    deal_id uuid NOT NULL REFERENCES public.deals (id) ON DELETE CASCADE,
    meeting_id uuid NOT NULL REFERENCES public.meetings (id) ON DELETE CASCADE,
    meeting_impact_score numeric(3, 2) NOT NULL DEFAULT 0.0,
    meeting_outcome text CHECK (meeting_outcome IN ('positive', 'neutral', 'negative', 'no_show', 'reschedule')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (deal_id, meeting_id)
);
ALTER TABLE public.deal_meetings ENABLE ROW LEVEL SECURITY;
CREATE INDEX IF NOT EXISTS idx_deal_meetings_meeting ON public.deal_meetings (meeting_id);
CREATE INDEX IF NOT EXISTS idx_deal_meetings_outcome ON public.deal_meetings (deal_id, meeting_outcome);
COMMIT;

BEGIN;
CREATE TABLE IF NOT EXISTS public.contact_interactions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    contact_id uuid NOT NULL REFERENCES public.contacts (id) ON DELETE CASCADE,
    activity_id uuid REFERENCES public.activities (id) ON DELETE SET NULL,
    meeting_id uuid REFERENCES public.meetings (id) ON DELETE SET NULL,
    task_id uuid REFERENCES public.tasks (id) ON DELETE SET NULL,
    interaction_type text NOT NULL
        CHECK (interaction_type IN ('email', 'call', 'meeting', 'social', 'text', 'other')),
    interaction_direction text NOT NULL CHECK (interaction_direction IN ('inbound', 'outbound')),
    engagement_score numeric(5, 2) NOT NULL DEFAULT 0.0,
    sentiment_score numeric(3, 2) CHECK (sentiment_score >= -1 AND sentiment_score <= 1),
    response_time_minutes integer,
    interaction_date timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT contact_interactions_source_check CHECK (num_nonnulls(activity_id, meeting_id, task_id) >= 1)
);
ALTER TABLE public.contact_interactions ENABLE ROW LEVEL SECURITY;
CREATE INDEX IF NOT EXISTS idx_contact_interactions_contact_date
    ON public.contact_interactions (contact_id, interaction_date DESC);
CREATE INDEX IF NOT EXISTS idx_contact_interactions_activity ON public.contact_interactions (activity_id);
CREATE INDEX IF NOT EXISTS idx_contact_interactions_meeting ON public.contact_interactions (meeting_id);
CREATE INDEX IF NOT EXISTS idx_contact_interactions_task ON public.contact_interactions (task_id);

-- ON DELETE SET NULL on the last remaining source would break the CHECK above, and so forbid deleting the activity,
-- meeting or task. ON DELETE CASCADE would lose an interaction that has another source left. So the interaction
-- goes with its last source. Only the foreign keys' own update is treated so (it runs inside their trigger, at
-- depth 1 or deeper); an update by hand that takes the last source away still fails on the CHECK.
CREATE OR REPLACE FUNCTION public.remove_interaction_without_source() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $trigger$
BEGIN
    DELETE FROM public.contact_interactions WHERE id = OLD.id;
    RETURN NULL;
END
$trigger$;

DROP TRIGGER IF EXISTS remove_interaction_without_source ON public.contact_interactions;
CREATE TRIGGER remove_interaction_without_source
    BEFORE UPDATE OF activity_id, meeting_id, task_id ON public.contact_interactions
    FOR EACH ROW
    WHEN (pg_trigger_depth() > 0 AND num_nonnulls(NEW.activity_id, NEW.meeting_id, NEW.task_id) = 0)
    EXECUTE FUNCTION public.remove_interaction_without_source();
COMMIT;

BEGIN;
CREATE TABLE IF NOT EXISTS public.deal_stakeholders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    deal_id uuid NOT NULL REFERENCES public.deals (id) ON DELETE CASCADE,
    contact_id uuid NOT NULL REFERENCES public.contacts (id) ON DELETE CASCADE,
    stakeholder_role text NOT NULL CHECK (stakeholder_role IN (
        'decision_maker', 'influencer', 'champion', 'gatekeeper', 'technical_evaluator',
        'budget_holder', 'end_user', 'procurement', 'legal', 'other'
    )),
    influence_level text NOT NULL DEFAULT 'medium'
        CHECK (influence_level IN ('low', 'medium', 'high', 'critical')),
    relationship_strength numeric(3, 2) NOT NULL DEFAULT 0.0,
    is_champion boolean NOT NULL DEFAULT false,
    last_interaction_date timestamptz,
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (deal_id, contact_id)
);
ALTER TABLE public.deal_stakeholders ENABLE ROW LEVEL SECURITY;
CREATE INDEX IF NOT EXISTS idx_deal_stakeholders_contact ON public.deal_stakeholders (contact_id);
CREATE INDEX IF NOT EXISTS idx_deal_stakeholders_champion
    ON public.deal_stakeholders (deal_id) WHERE is_champion;
COMMIT;

-- ---------------------------------------------------------------------------------------------------------
-- Indexes on existing tables
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
                'idx_companies_industry', 'idx_companies_size', 'idx_companies_engagement_score',
                'idx_companies_lead_score', 'idx_companies_is_target_account', 'idx_companies_account_tier',
                'idx_companies_enriched_at',
                'idx_contacts_job_seniority', 'idx_contacts_department', 'idx_contacts_decision_maker_score',
                'idx_contacts_engagement_score', 'idx_contacts_last_interaction_date',
                'idx_contacts_quality_score',
                'idx_deals_intelligence_score', 'idx_deals_win_probability_ai', 'idx_deals_opportunity_score',
                'idx_deals_last_meaningful_interaction', 'idx_deals_close_date_confidence',
                'idx_activities_sentiment_score', 'idx_activities_engagement_quality',
                'idx_activities_outcome_prediction', 'idx_activities_activity_source',
                'idx_activities_urgency_score',
                'idx_tasks_ai_priority_score', 'idx_tasks_impact_score', 'idx_tasks_success_probability',
                'idx_tasks_auto_generated', 'idx_tasks_parent_sequence'
            ])
    LOOP
        EXECUTE format('DROP INDEX %s', leftover);
        RAISE NOTICE 'dropped the invalid index % of an interrupted build', leftover;
    END LOOP;
END
$leftovers$;

-- A concurrent build waits for older transactions to end. Nobody queues behind that wait, so it may take its time.
SET lock_timeout = '10min';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_industry ON public.companies (industry);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_size ON public.companies (size);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_engagement_score ON public.companies (engagement_score DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_lead_score ON public.companies (lead_score DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_is_target_account
    ON public.companies (is_target_account) WHERE is_target_account;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_account_tier ON public.companies (account_tier);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_companies_enriched_at ON public.companies (enriched_at DESC);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_job_seniority ON public.contacts (job_seniority);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_department ON public.contacts (department);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_decision_maker_score
    ON public.contacts (decision_maker_score DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_engagement_score ON public.contacts (engagement_score DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_last_interaction_date
    ON public.contacts (last_interaction_date DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_quality_score ON public.contacts (contact_quality_score DESC);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_intelligence_score ON public.deals (deal_intelligence_score DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_win_probability_ai ON public.deals (win_probability_ai DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_opportunity_score ON public.deals (opportunity_score DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_last_meaningful_interaction
    ON public.deals (last_meaningful_interaction DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_deals_close_date_confidence ON public.deals (close_date_confidence DESC);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_activities_sentiment_score ON public.activities (sentiment_score);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_activities_engagement_quality ON public.activities (engagement_quality);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_activities_outcome_prediction ON public.activities (outcome_prediction);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_activities_activity_source ON public.activities (activity_source);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_activities_urgency_score ON public.activities (urgency_score DESC);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_ai_priority_score ON public.tasks (ai_priority_score DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_impact_score ON public.tasks (impact_score DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_success_probability ON public.tasks (success_probability DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_auto_generated
    ON public.tasks (auto_generated) WHERE auto_generated;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_parent_sequence ON public.tasks (parent_task_id, sequence_order);

SET lock_timeout = '2s';

-- ---------------------------------------------------------------------------------------------------------
-- Views. Each aggregate is computed by itself: joining several to-many relations before counting would multiply
-- their rows. LATERAL lets a filter or a LIMIT on the outer table reach the indexes of the inner ones.
-- ---------------------------------------------------------------------------------------------------------

BEGIN;

CREATE OR REPLACE VIEW public.companies_with_intelligence AS
SELECT
    c.id,
    c.name,
    c.domain,
    c.industry,
    c.size,
    c.owner_id,
    c.account_tier,
    c.is_target_account,
    c.engagement_score,
    c.lead_score,
    c.annual_revenue,
    c.employee_count,
    c.technology_stack,
    c.enriched_at,
    c.last_engagement_date,
    c.created_at,
    owner.email AS owner_email,
    people.contact_count,
    people.decision_maker_count,
    pipeline.deal_count,
    pipeline.active_deal_count,
    pipeline.active_deal_value,
    history.activity_count,
    history.last_activity_at,
    linked.linked_activity_count,
    met.meeting_count,
    met.average_meeting_sentiment
FROM public.companies AS c
LEFT JOIN public.profiles AS owner ON owner.id = c.owner_id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS contact_count,
        count(*) FILTER (WHERE ct.decision_maker_score >= 0.7) AS decision_maker_count
    FROM public.contacts AS ct
    WHERE ct.company_id = c.id
) AS people
CROSS JOIN LATERAL (
    SELECT
        count(*) AS deal_count,
        count(*) FILTER (WHERE d.status = 'active') AS active_deal_count,
        coalesce(sum(d.value) FILTER (WHERE d.status = 'active'), 0) AS active_deal_value
    FROM public.deals AS d
    WHERE d.company_id = c.id
) AS pipeline
CROSS JOIN LATERAL (
    SELECT count(*) AS activity_count, max(a.date) AS last_activity_at
    FROM public.activities AS a
    WHERE a.company_id = c.id
) AS history
CROSS JOIN LATERAL (
    SELECT count(*) AS linked_activity_count
    FROM public.company_activities AS ca
    WHERE ca.company_id = c.id
) AS linked
CROSS JOIN LATERAL (
    SELECT count(*) AS meeting_count, round(avg(m.sentiment_score), 2) AS average_meeting_sentiment
    FROM public.meetings AS m
    WHERE m.company_id = c.id
) AS met;

CREATE OR REPLACE VIEW public.deals_with_complete_relationships AS
SELECT
    d.id,
    d.name,
    d.value,
    d.status,
    d.owner_id,
    d.expected_close_date,
    d.deal_intelligence_score,
    d.win_probability_ai,
    d.risk_factors,
    d.created_at,
    stage.name AS stage_name,
    stage.order_position AS stage_position,
    d.company_id,
    coalesce(c.name, d.company) AS company_name,
    d.primary_contact_id,
    coalesce(ct.full_name, d.contact_name) AS contact_name,
    coalesce(ct.email, d.contact_email) AS contact_email,
    involved.stakeholder_count,
    involved.champion_count,
    involved.decision_maker_count,
    history.activity_count,
    history.last_activity_at,
    work.open_task_count,
    work.next_task_due,
    met.meeting_count,
    met.average_meeting_impact
FROM public.deals AS d
JOIN public.deal_stages AS stage ON stage.id = d.stage_id
LEFT JOIN public.companies AS c ON c.id = d.company_id
LEFT JOIN public.contacts AS ct ON ct.id = d.primary_contact_id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS stakeholder_count,
        count(*) FILTER (WHERE s.is_champion) AS champion_count,
        count(*) FILTER (WHERE s.stakeholder_role = 'decision_maker') AS decision_maker_count
    FROM public.deal_stakeholders AS s
    WHERE s.deal_id = d.id
) AS involved
CROSS JOIN LATERAL (
    SELECT count(*) AS activity_count, max(a.date) AS last_activity_at
    FROM public.activities AS a
    WHERE a.deal_id = d.id
) AS history
CROSS JOIN LATERAL (
    SELECT count(*) AS open_task_count, min(t.due_date) AS next_task_due
    FROM public.tasks AS t
    WHERE t.deal_id = d.id AND NOT t.completed
) AS work
CROSS JOIN LATERAL (
    SELECT count(*) AS meeting_count, round(avg(dm.meeting_impact_score), 2) AS average_meeting_impact
    FROM public.deal_meetings AS dm
    WHERE dm.deal_id = d.id
) AS met;

CREATE OR REPLACE VIEW public.activities_with_complete_data AS
SELECT
    a.id,
    a.type,
    a.status,
    a.priority,
    a.date,
    a.client_name,
    a.sales_rep,
    a.amount,
    a.user_id,
    a.sentiment_score,
    a.engagement_quality,
    a.outcome_prediction,
    a.activity_source,
    a.urgency_score,
    author.email AS user_email,
    a.company_id,
    c.name AS company_name,
    a.contact_id,
    ct.full_name AS contact_name,
    a.deal_id,
    d.name AS deal_name,
    d.value AS deal_value,
    stage.name AS deal_stage_name,
    linked.company_count,
    reached.interaction_count,
    reached.average_engagement
FROM public.activities AS a
LEFT JOIN public.profiles AS author ON author.id = a.user_id
LEFT JOIN public.companies AS c ON c.id = a.company_id
LEFT JOIN public.contacts AS ct ON ct.id = a.contact_id
LEFT JOIN public.deals AS d ON d.id = a.deal_id
LEFT JOIN public.deal_stages AS stage ON stage.id = d.stage_id
CROSS JOIN LATERAL (
    SELECT count(*) AS company_count
    FROM public.company_activities AS ca
    WHERE ca.activity_id = a.id
) AS linked
CROSS JOIN LATERAL (
    SELECT count(*) AS interaction_count, round(avg(ci.engagement_score), 2) AS average_engagement
    FROM public.contact_interactions AS ci
    WHERE ci.activity_id = a.id
) AS reached;

-- A view reads with its owner's rights and so past row level security, unless it is told otherwise, which needs 15.
-- Older servers keep the views from the application's roles (20250831000003 grants accordingly).
DO $invoker$
BEGIN
    IF current_setting('server_version_num')::integer >= 150000 THEN
        ALTER VIEW public.companies_with_intelligence SET (security_invoker = true);
        ALTER VIEW public.deals_with_complete_relationships SET (security_invoker = true);
        ALTER VIEW public.activities_with_complete_data SET (security_invoker = true);
    ELSE
        REVOKE ALL ON public.companies_with_intelligence, public.deals_with_complete_relationships,
            public.activities_with_complete_data FROM PUBLIC, anon, authenticated;
    END IF;
END
$invoker$;

COMMIT;

RESET lock_timeout;
