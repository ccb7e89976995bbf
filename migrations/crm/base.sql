-- The CRM as it is in production before the suite: the state that every migration starts from.
--
-- Runs on PostgreSQL 13 and newer, as a superuser or, where the three roles exist already, as the
-- owner of the database. Roles belong to the whole cluster: they are created where absent and never altered.

-- ---------------------------------------------------------------------------------------------------------
-- Platform: roles, extension, schema auth
-- ---------------------------------------------------------------------------------------------------------

DO $platform$
DECLARE
    me pg_roles%ROWTYPE;
    wanted text;
    may_grant_bypass boolean;
BEGIN
    SELECT * INTO STRICT me FROM pg_roles WHERE rolname = current_user;
    -- Before 16 only a superuser may create a role with BYPASSRLS; since then CREATEROLE plus BYPASSRLS is enough.
    may_grant_bypass := me.rolsuper
        OR (me.rolcreaterole AND me.rolbypassrls AND current_setting('server_version_num')::integer >= 160000);
    FOREACH wanted IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        CONTINUE WHEN EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted);
        IF NOT (me.rolsuper OR me.rolcreaterole) THEN
            RAISE EXCEPTION 'role "%" does not exist and "%" may not create it', wanted, current_user
                USING ERRCODE = 'insufficient_privilege',
                      HINT = format('Let a superuser run: CREATE ROLE %I NOLOGIN', wanted);
        END IF;
        BEGIN
            IF wanted = 'service_role' AND may_grant_bypass THEN
                CREATE ROLE service_role NOLOGIN BYPASSRLS;
            ELSE
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            -- Another database of this cluster is being set up at the same moment.
            RAISE NOTICE 'role "%" was created by another session', wanted;
        END;
    END LOOP;
    IF NOT (SELECT rolbypassrls FROM pg_roles WHERE rolname = 'service_role') THEN
        RAISE NOTICE 'service_role has no BYPASSRLS here: row level security applies to it';
    END IF;
END
$platform$;

-- The platform ships uuid-ossp in every database; a server without it is no obstacle to the base itself.
DO $extension$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'uuid-ossp') THEN
        CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
    ELSE
        RAISE NOTICE 'extension uuid-ossp is not available on this server';
    END IF;
END
$extension$;

CREATE SCHEMA auth;

CREATE TABLE auth.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION auth.uid() RETURNS uuid
LANGUAGE sql STABLE
SET search_path = pg_catalog
AS $uid$
    SELECT nullif(current_setting('request.jwt.claim.sub', true), '')::uuid
$uid$;

-- ---------------------------------------------------------------------------------------------------------
-- People
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE public.profiles (
    id uuid PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE,
    first_name text,
    last_name text,
    email text NOT NULL UNIQUE,
    stage text,
    avatar_url text,
    is_admin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.teams (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.team_members (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id uuid NOT NULL REFERENCES public.teams (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES public.profiles (id) ON DELETE CASCADE,
    role text NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'leader', 'admin')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (team_id, user_id)
);

-- ---------------------------------------------------------------------------------------------------------
-- Customers
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE public.companies (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    domain text UNIQUE,
    industry text,
    size text CHECK (size IN ('startup', 'small', 'medium', 'large', 'enterprise')),
    website text,
    address text,
    phone text,
    description text,
    linkedin_url text,
    owner_id uuid NOT NULL REFERENCES public.profiles (id),
    merged_into_id uuid REFERENCES public.companies (id) ON DELETE SET NULL,
    is_merged boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.contacts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE,
    first_name text,
    last_name text,
    full_name text GENERATED ALWAYS AS (
        nullif(btrim(coalesce(first_name, '') || ' ' || coalesce(last_name, '')), '')
    ) STORED,
    company text,
    phone text,
    title text,
    linkedin_url text,
    is_primary boolean NOT NULL DEFAULT false,
    company_id uuid REFERENCES public.companies (id) ON DELETE SET NULL,
    owner_id uuid REFERENCES public.profiles (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------------------------------------------------
-- Pipeline
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE public.deal_stages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    color text NOT NULL,
    order_position integer NOT NULL,
    default_probability integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.deals (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    company text NOT NULL,
    contact_name text,
    contact_email text,
    contact_phone text,
    value numeric(12, 2) NOT NULL,
    description text,
    stage_id uuid NOT NULL REFERENCES public.deal_stages (id),
    owner_id uuid NOT NULL REFERENCES auth.users (id),
    expected_close_date date,
    probability integer,
    status text NOT NULL DEFAULT 'active',
    stage_changed_at timestamptz NOT NULL DEFAULT now(),
    next_steps text,
    lead_source text,
    priority text,
    contact_identifier text,
    company_id uuid REFERENCES public.companies (id) ON DELETE SET NULL,
    primary_contact_id uuid REFERENCES public.contacts (id) ON DELETE SET NULL,
    one_off_revenue numeric(12, 2) NOT NULL DEFAULT 0,
    monthly_mrr numeric(12, 2) NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.activities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
    type text NOT NULL CHECK (type IN ('sale', 'outbound', 'meeting', 'proposal')),
    status text NOT NULL DEFAULT 'completed' CHECK (status IN ('pending', 'completed', 'cancelled', 'no_show')),
    priority text NOT NULL DEFAULT 'medium',
    client_name text NOT NULL,
    sales_rep text NOT NULL,
    details text,
    amount numeric(12, 2),
    date timestamptz NOT NULL,
    quantity integer NOT NULL DEFAULT 1,
    company_id uuid REFERENCES public.companies (id) ON DELETE SET NULL,
    contact_id uuid REFERENCES public.contacts (id) ON DELETE SET NULL,
    deal_id uuid REFERENCES public.deals (id) ON DELETE SET NULL,
    contact_identifier text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    title text NOT NULL,
    description text,
    due_date timestamptz,
    completed boolean NOT NULL DEFAULT false,
    priority text NOT NULL DEFAULT 'medium' CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'in_progress', 'completed', 'cancelled', 'overdue')),
    task_type text NOT NULL DEFAULT 'general',
    assigned_to uuid NOT NULL REFERENCES auth.users (id),
    created_by uuid NOT NULL REFERENCES auth.users (id),
    deal_id uuid REFERENCES public.deals (id) ON DELETE SET NULL,
    company_id uuid REFERENCES public.companies (id) ON DELETE SET NULL,
    contact_id uuid REFERENCES public.contacts (id) ON DELETE SET NULL,
    contact_email text,
    contact_name text,
    company text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.meetings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    recording_id text NOT NULL UNIQUE,
    title text,
    meeting_start timestamptz,
    meeting_end timestamptz,
    duration_minutes integer,
    owner_user_id uuid NOT NULL REFERENCES auth.users (id),
    company_id uuid REFERENCES public.companies (id) ON DELETE SET NULL,
    primary_contact_id uuid REFERENCES public.contacts (id) ON DELETE SET NULL,
    summary text,
    sentiment_score numeric(3, 2) CHECK (sentiment_score BETWEEN -1 AND 1),
    coach_rating numeric(5, 2) CHECK (coach_rating BETWEEN 0 AND 100),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.meeting_attendees (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    meeting_id uuid NOT NULL REFERENCES public.meetings (id) ON DELETE CASCADE,
    name text NOT NULL,
    email text NOT NULL,
    is_external boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.meeting_action_items (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    meeting_id uuid NOT NULL REFERENCES public.meetings (id) ON DELETE CASCADE,
    title text NOT NULL,
    assignee text NOT NULL,
    priority text NOT NULL DEFAULT 'medium',
    completed boolean NOT NULL DEFAULT false,
    due_date timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------------------------------------------------
-- Indexes: every foreign key, status, date and owner column
-- ---------------------------------------------------------------------------------------------------------

CREATE INDEX team_members_team_id_idx ON public.team_members (team_id);
CREATE INDEX team_members_user_id_idx ON public.team_members (user_id);

CREATE INDEX companies_name_idx ON public.companies (name);
CREATE INDEX companies_owner_id_idx ON public.companies (owner_id);
CREATE INDEX companies_merged_into_id_idx ON public.companies (merged_into_id);
CREATE INDEX companies_is_merged_idx ON public.companies (is_merged);
CREATE INDEX companies_created_at_idx ON public.companies (created_at);
CREATE INDEX companies_updated_at_idx ON public.companies (updated_at);

CREATE INDEX contacts_full_name_idx ON public.contacts (full_name);
CREATE INDEX contacts_company_idx ON public.contacts (company);
CREATE INDEX contacts_is_primary_idx ON public.contacts (is_primary);
CREATE INDEX contacts_company_id_idx ON public.contacts (company_id);
CREATE INDEX contacts_owner_id_idx ON public.contacts (owner_id);
CREATE INDEX contacts_created_at_idx ON public.contacts (created_at);
CREATE INDEX contacts_updated_at_idx ON public.contacts (updated_at);

CREATE INDEX deals_company_idx ON public.deals (company);
CREATE INDEX deals_contact_email_idx ON public.deals (contact_email);
CREATE INDEX deals_contact_identifier_idx ON public.deals (contact_identifier);
CREATE INDEX deals_stage_id_idx ON public.deals (stage_id);
CREATE INDEX deals_owner_id_idx ON public.deals (owner_id);
CREATE INDEX deals_expected_close_date_idx ON public.deals (expected_close_date);
CREATE INDEX deals_status_idx ON public.deals (status);
CREATE INDEX deals_stage_changed_at_idx ON public.deals (stage_changed_at);
CREATE INDEX deals_priority_idx ON public.deals (priority);
CREATE INDEX deals_company_id_idx ON public.deals (company_id);
CREATE INDEX deals_primary_contact_id_idx ON public.deals (primary_contact_id);
CREATE INDEX deals_created_at_idx ON public.deals (created_at);
CREATE INDEX deals_updated_at_idx ON public.deals (updated_at);

CREATE INDEX activities_user_id_idx ON public.activities (user_id);
CREATE INDEX activities_type_idx ON public.activities (type);
CREATE INDEX activities_status_idx ON public.activities (status);
CREATE INDEX activities_priority_idx ON public.activities (priority);
CREATE INDEX activities_date_idx ON public.activities (date);
CREATE INDEX activities_company_id_idx ON public.activities (company_id);
CREATE INDEX activities_contact_id_idx ON public.activities (contact_id);
CREATE INDEX activities_deal_id_idx ON public.activities (deal_id);
CREATE INDEX activities_contact_identifier_idx ON public.activities (contact_identifier);
CREATE INDEX activities_created_at_idx ON public.activities (created_at);

CREATE INDEX tasks_due_date_idx ON public.tasks (due_date);
CREATE INDEX tasks_completed_idx ON public.tasks (completed);
CREATE INDEX tasks_priority_idx ON public.tasks (priority);
CREATE INDEX tasks_status_idx ON public.tasks (status);
CREATE INDEX tasks_task_type_idx ON public.tasks (task_type);
CREATE INDEX tasks_assigned_to_idx ON public.tasks (assigned_to);
CREATE INDEX tasks_created_by_idx ON public.tasks (created_by);
CREATE INDEX tasks_deal_id_idx ON public.tasks (deal_id);
CREATE INDEX tasks_company_id_idx ON public.tasks (company_id);
CREATE INDEX tasks_contact_id_idx ON public.tasks (contact_id);
CREATE INDEX tasks_created_at_idx ON public.tasks (created_at);

CREATE INDEX meetings_meeting_start_idx ON public.meetings (meeting_start);
CREATE INDEX meetings_owner_user_id_idx ON public.meetings (owner_user_id);
CREATE INDEX meetings_company_id_idx ON public.meetings (company_id);
CREATE INDEX meetings_primary_contact_id_idx ON public.meetings (primary_contact_id);
CREATE INDEX meetings_created_at_idx ON public.meetings (created_at);

CREATE INDEX meeting_attendees_meeting_id_idx ON public.meeting_attendees (meeting_id);
CREATE INDEX meeting_attendees_email_idx ON public.meeting_attendees (email);

CREATE INDEX meeting_action_items_meeting_id_idx ON public.meeting_action_items (meeting_id);
CREATE INDEX meeting_action_items_completed_idx ON public.meeting_action_items (completed);
CREATE INDEX meeting_action_items_due_date_idx ON public.meeting_action_items (due_date);

-- ---------------------------------------------------------------------------------------------------------
-- Row level security: a user sees what is theirs, an administrator sees everything
-- ---------------------------------------------------------------------------------------------------------

-- The scalar subqueries make the planner evaluate auth.uid() and the administrator test once per query, not per row.

ALTER TABLE public.companies ENABLE ROW LEVEL SECURITY;
CREATE POLICY companies_owner_or_admin ON public.companies FOR ALL TO authenticated
USING (
    owner_id = (SELECT auth.uid())
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);

ALTER TABLE public.contacts ENABLE ROW LEVEL SECURITY;
CREATE POLICY contacts_owner_or_admin ON public.contacts FOR ALL TO authenticated
USING (
    owner_id = (SELECT auth.uid())
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);

ALTER TABLE public.deals ENABLE ROW LEVEL SECURITY;
CREATE POLICY deals_owner_or_admin ON public.deals FOR ALL TO authenticated
USING (
    owner_id = (SELECT auth.uid())
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);

ALTER TABLE public.activities ENABLE ROW LEVEL SECURITY;
CREATE POLICY activities_owner_or_admin ON public.activities FOR ALL TO authenticated
USING (
    user_id = (SELECT auth.uid())
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);

ALTER TABLE public.tasks ENABLE ROW LEVEL SECURITY;
CREATE POLICY tasks_owner_or_admin ON public.tasks FOR ALL TO authenticated
USING (
    assigned_to = (SELECT auth.uid())
    OR created_by = (SELECT auth.uid())
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);

ALTER TABLE public.meetings ENABLE ROW LEVEL SECURITY;
CREATE POLICY meetings_owner_or_admin ON public.meetings FOR ALL TO authenticated
USING (
    owner_user_id = (SELECT auth.uid())
    OR EXISTS (SELECT 1 FROM public.profiles AS p WHERE p.id = (SELECT auth.uid()) AND p.is_admin)
);

-- ---------------------------------------------------------------------------------------------------------
-- Grants
-- ---------------------------------------------------------------------------------------------------------

GRANT USAGE ON SCHEMA public, auth TO anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO authenticated, service_role;
GRANT SELECT ON ALL TABLES IN SCHEMA auth TO service_role;
