-- 20250831000001: companies and contacts out of the legacy text columns of deals
--
-- What    Creates the companies and contacts that deals name in company, contact_name and contact_email and that do not
--         exist yet, sets deals.company_id and deals.primary_contact_id where they are NULL, and fills
--         deal_stakeholders, company_activities and contact_interactions from history. Legacy columns stay as they are.
-- How     Text is matched by equal keys (crm_company_key, crm_email_key), so by hash joins: time grows with the number
--         of rows, not with its square. What cannot be decided stays NULL and is counted in data_quality_check: names
--         without a visible character, malformed addresses. A free-mail domain, a domain that two names share and a
--         domain that a company has already are given to no new company.
-- Locks   Row locks on deals, at most 100 at a time and until the next COMMIT; nothing stronger on existing tables.
-- Re-run  Any number of times: finished batches are recognised by their result. Run again to pick up deals that the
--         application has written since.
-- Not     inside a transaction (psql -1): the batches commit.
-- Undo    rollback/20250831000001_rollback_legacy_contact_migration.sql, by the record that is kept in
--         crm_migration.legacy_backfill. Derived relationship rows carry an id computed from what they link, which
--         makes them recognisable and a second insertion impossible.

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
        ('public.company_activities'), ('public.contact_interactions'), ('public.deal_stakeholders')
    ) AS required (name)
    WHERE to_regclass(required.name) IS NULL;
    IF missing IS NOT NULL
        OR to_regprocedure('crm_migration.key_ranges(regclass, integer)') IS NULL
        OR to_regprocedure('public.crm_company_domain(text)') IS NULL THEN
        RAISE EXCEPTION 'migration 20250831000000 is not, or not completely, applied'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('Missing tables: %s', coalesce(missing, 'none')),
                  HINT = 'Run 20250831000000_enhanced_crm_schema_design.sql first.';
    END IF;
END
$prerequisites$;

-- ---------------------------------------------------------------------------------------------------------
-- Records: what the backfill did, and figures from before and after
-- ---------------------------------------------------------------------------------------------------------

BEGIN;

CREATE TABLE IF NOT EXISTS crm_migration.legacy_backfill (
    relation text NOT NULL CHECK (relation IN ('companies', 'contacts', 'deals')),
    row_id uuid NOT NULL,
    -- The column that was NULL and has been set, or '*' for a row that has been inserted.
    attribute text NOT NULL,
    value uuid,
    -- State of an inserted row, to tell later whether somebody has edited it.
    digest text,
    done_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (relation, row_id, attribute)
);

CREATE TABLE IF NOT EXISTS crm_migration.legacy_statistics (
    moment text NOT NULL CHECK (moment IN ('before', 'after')),
    measure text NOT NULL,
    value bigint NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The columns of the base schema only: scores that a job writes into the new columns are not an edit.
CREATE OR REPLACE FUNCTION crm_migration.digest(company public.companies) RETURNS text
LANGUAGE sql STABLE
AS $digest$
    SELECT md5(jsonb_build_array(
        company.name, company.domain, company.industry, company.size, company.website, company.address,
        company.phone, company.description, company.linkedin_url, company.owner_id, company.merged_into_id,
        company.is_merged
    )::text)
$digest$;

CREATE OR REPLACE FUNCTION crm_migration.digest(contact public.contacts) RETURNS text
LANGUAGE sql STABLE
AS $digest$
    SELECT md5(jsonb_build_array(
        contact.email, contact.first_name, contact.last_name, contact.company, contact.phone, contact.title,
        contact.linkedin_url, contact.is_primary, contact.company_id, contact.owner_id
    )::text)
$digest$;

CREATE OR REPLACE FUNCTION crm_migration.derived_id(kind text, one uuid, other uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT
AS $derived$
    SELECT md5(kind || one::text || other::text)::uuid
$derived$;

-- A merged company stands for the one that it was merged into, at the end of however long a chain. A circle has no
-- end: UNION stops there, and no company comes out of it.
CREATE OR REPLACE VIEW crm_migration.companies_by_key AS
WITH RECURSIVE chain AS (
    SELECT c.id AS origin, c.id AS company_id, c.merged_into_id
    FROM public.companies AS c
    UNION
    SELECT chain.origin, c.id, c.merged_into_id
    FROM chain
    JOIN public.companies AS c ON c.id = chain.merged_into_id
)
SELECT
    public.crm_company_key(origin.name) AS company_key,
    chain.company_id,
    survivor.owner_id,
    survivor.created_at
FROM chain
JOIN public.companies AS origin ON origin.id = chain.origin
JOIN public.companies AS survivor ON survivor.id = chain.company_id
WHERE chain.merged_into_id IS NULL AND public.crm_company_key(origin.name) IS NOT NULL;

CREATE OR REPLACE VIEW public.data_quality_check AS
SELECT 'deals' AS relation, figure.measure, figure.value
FROM (
    SELECT
        count(*) AS deals,
        count(*) FILTER (WHERE d.company_id IS NULL) AS without_company,
        count(*) FILTER (WHERE d.primary_contact_id IS NULL) AS without_contact,
        count(*) FILTER (WHERE d.company_id IS NULL AND public.crm_company_key(d.company) IS NULL) AS company_name_blank,
        count(*) FILTER (WHERE d.company_id IS NULL AND public.crm_company_key(d.company) IS NOT NULL)
            AS company_name_unmatched,
        count(*) FILTER (WHERE d.primary_contact_id IS NULL AND btrim(coalesce(d.contact_email, '')) = '')
            AS contact_email_blank,
        count(*) FILTER (
            WHERE btrim(coalesce(d.contact_email, '')) <> '' AND public.crm_email_key(d.contact_email) IS NULL
        ) AS contact_email_malformed
    FROM public.deals AS d
) AS counted
CROSS JOIN LATERAL (VALUES
    ('deals', counted.deals),
    ('without_company', counted.without_company),
    ('without_contact', counted.without_contact),
    ('company_name_blank', counted.company_name_blank),
    ('company_name_unmatched', counted.company_name_unmatched),
    ('contact_email_blank', counted.contact_email_blank),
    ('contact_email_malformed', counted.contact_email_malformed)
) AS figure (measure, value)
UNION ALL
SELECT 'companies', figure.measure, figure.value
FROM (
    SELECT
        coalesce(sum(same_key.companies), 0)::bigint AS companies,
        count(*) FILTER (WHERE same_key.companies > 1) AS names_used_twice,
        coalesce(sum(same_key.without_domain), 0)::bigint AS without_domain
    FROM (
        SELECT count(*) AS companies, count(*) FILTER (WHERE c.domain IS NULL) AS without_domain
        FROM public.companies AS c
        GROUP BY public.crm_company_key(c.name)
    ) AS same_key
) AS counted
CROSS JOIN LATERAL (VALUES
    ('companies', counted.companies),
    ('names_used_twice', counted.names_used_twice),
    ('without_domain', counted.without_domain)
) AS figure (measure, value)
UNION ALL
SELECT 'contacts', figure.measure, figure.value
FROM (
    SELECT
        coalesce(sum(same_key.contacts), 0)::bigint AS contacts,
        count(*) FILTER (WHERE same_key.contacts > 1) AS addresses_used_twice,
        coalesce(sum(same_key.without_company), 0)::bigint AS without_company
    FROM (
        SELECT count(*) AS contacts, count(*) FILTER (WHERE ct.company_id IS NULL) AS without_company
        FROM public.contacts AS ct
        GROUP BY lower(btrim(ct.email, E' \t\r\n'))
    ) AS same_key
) AS counted
CROSS JOIN LATERAL (VALUES
    ('contacts', counted.contacts),
    ('addresses_used_twice', counted.addresses_used_twice),
    ('without_company', counted.without_company)
) AS figure (measure, value);

DO $invoker$
BEGIN
    IF current_setting('server_version_num')::integer >= 150000 THEN
        ALTER VIEW public.data_quality_check SET (security_invoker = true);
    ELSE
        REVOKE ALL ON public.data_quality_check FROM PUBLIC, anon, authenticated;
    END IF;
END
$invoker$;

COMMIT;

INSERT INTO crm_migration.legacy_statistics (moment, measure, value)
SELECT 'before', q.relation || '.' || q.measure, q.value
FROM public.data_quality_check AS q
WHERE NOT EXISTS (SELECT 1 FROM crm_migration.legacy_statistics AS s WHERE s.moment = 'before');

-- ---------------------------------------------------------------------------------------------------------
-- Staging: the deals that lack a link, with the keys of their legacy text. Rebuilt by every run, so UNLOGGED.
-- ---------------------------------------------------------------------------------------------------------

DROP TABLE IF EXISTS crm_migration.staged_deals, crm_migration.staged_companies, crm_migration.staged_links;

CREATE UNLOGGED TABLE crm_migration.staged_deals AS
SELECT
    d.id AS deal_id,
    d.created_at,
    owner.id AS owner_id,
    d.company_id,
    d.primary_contact_id,
    public.crm_company_key(d.company) AS company_key,
    btrim(regexp_replace(d.company, '\s+', ' ', 'g')) AS company_name,
    public.crm_email_key(d.contact_email) AS email_key,
    public.crm_company_domain(d.contact_email) AS domain,
    nullif(btrim(regexp_replace(d.contact_name, '\s+', ' ', 'g')), '') AS contact_name
FROM public.deals AS d
-- Companies belong to a profile; a user without one cannot own any.
LEFT JOIN public.profiles AS owner ON owner.id = d.owner_id
WHERE d.company_id IS NULL OR d.primary_contact_id IS NULL;

ANALYZE crm_migration.staged_deals;

-- ---------------------------------------------------------------------------------------------------------
-- Companies that only exist as text: one for each key, in the spelling and with the owner of its oldest deal
-- ---------------------------------------------------------------------------------------------------------

WITH named AS (
    SELECT s.company_key, s.company_name, s.owner_id, s.domain, s.created_at, s.deal_id
    FROM crm_migration.staged_deals AS s
    WHERE s.company_id IS NULL
        AND s.company_key IS NOT NULL
        AND s.owner_id IS NOT NULL
        AND NOT EXISTS (
            SELECT 1 FROM public.companies AS c WHERE public.crm_company_key(c.name) = s.company_key
        )
),
wanted AS (
    SELECT DISTINCT ON (n.company_key) n.company_key, n.company_name, n.owner_id
    FROM named AS n
    ORDER BY n.company_key, n.created_at, n.deal_id
),
claims AS (
    SELECT DISTINCT n.company_key, n.domain
    FROM named AS n
    WHERE n.domain IS NOT NULL
),
undisputed AS (
    SELECT claim.company_key, claim.domain
    FROM (
        SELECT
            c.company_key,
            c.domain,
            count(*) OVER (PARTITION BY c.domain) AS companies_of_domain,
            count(*) OVER (PARTITION BY c.company_key) AS domains_of_company
        FROM claims AS c
    ) AS claim
    WHERE claim.companies_of_domain = 1
        AND claim.domains_of_company = 1
        AND NOT EXISTS (SELECT 1 FROM public.companies AS c WHERE lower(btrim(c.domain)) = claim.domain)
),
inserted AS (
    INSERT INTO public.companies AS c (name, domain, owner_id)
    SELECT w.company_name, u.domain, w.owner_id
    FROM wanted AS w
    LEFT JOIN undisputed AS u ON u.company_key = w.company_key
    -- Only the application, at this very moment, can have taken the domain; the next run creates the company without.
    ON CONFLICT (domain) DO NOTHING
    RETURNING c.id, crm_migration.digest(c) AS digest
)
INSERT INTO crm_migration.legacy_backfill (relation, row_id, attribute, digest)
SELECT 'companies', i.id, '*', i.digest
FROM inserted AS i;

ANALYZE public.companies;

-- Where a name occurs more than once, the deal's owner's own company comes first, then the oldest.
CREATE UNLOGGED TABLE crm_migration.staged_companies AS
WITH of_owner AS (
    SELECT DISTINCT ON (k.company_key, k.owner_id) k.company_key, k.owner_id, k.company_id
    FROM crm_migration.companies_by_key AS k
    ORDER BY k.company_key, k.owner_id, k.created_at, k.company_id
),
of_anybody AS (
    SELECT DISTINCT ON (k.company_key) k.company_key, k.company_id
    FROM crm_migration.companies_by_key AS k
    ORDER BY k.company_key, k.created_at, k.company_id
)
SELECT s.deal_id, coalesce(s.company_id, of_owner.company_id, of_anybody.company_id) AS company_id
FROM crm_migration.staged_deals AS s
LEFT JOIN of_owner ON of_owner.company_key = s.company_key AND of_owner.owner_id = s.owner_id
LEFT JOIN of_anybody ON of_anybody.company_key = s.company_key;

ANALYZE crm_migration.staged_companies;

-- ---------------------------------------------------------------------------------------------------------
-- Contacts that only exist as text: one for each address, named as on the oldest deal that gives a name
-- ---------------------------------------------------------------------------------------------------------

WITH wanted AS (
    SELECT DISTINCT ON (s.email_key) s.email_key, s.contact_name, s.owner_id, sc.company_id
    FROM crm_migration.staged_deals AS s
    JOIN crm_migration.staged_companies AS sc ON sc.deal_id = s.deal_id
    WHERE s.primary_contact_id IS NULL
        AND s.email_key IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM public.contacts AS ct WHERE lower(btrim(ct.email, E' \t\r\n')) = s.email_key)
    ORDER BY s.email_key, s.contact_name IS NULL, s.created_at, s.deal_id
),
inserted AS (
    INSERT INTO public.contacts AS ct (email, first_name, last_name, company_id, owner_id)
    SELECT
        w.email_key,
        split_part(w.contact_name, ' ', 1),
        nullif(substr(w.contact_name, length(split_part(w.contact_name, ' ', 1)) + 2), ''),
        w.company_id,
        w.owner_id
    FROM wanted AS w
    ON CONFLICT (email) DO NOTHING
    RETURNING ct.id, crm_migration.digest(ct) AS digest
)
INSERT INTO crm_migration.legacy_backfill (relation, row_id, attribute, digest)
SELECT 'contacts', i.id, '*', i.digest
FROM inserted AS i;

ANALYZE public.contacts;

-- ---------------------------------------------------------------------------------------------------------
-- Links: computed at once, written in batches
-- ---------------------------------------------------------------------------------------------------------

CREATE UNLOGGED TABLE crm_migration.staged_links AS
WITH of_owner AS (
    SELECT DISTINCT ON (lower(btrim(ct.email, E' \t\r\n')), ct.owner_id)
        lower(btrim(ct.email, E' \t\r\n')) AS email_key,
        ct.owner_id,
        ct.id AS contact_id
    FROM public.contacts AS ct
    ORDER BY lower(btrim(ct.email, E' \t\r\n')), ct.owner_id, ct.created_at, ct.id
),
of_anybody AS (
    SELECT DISTINCT ON (lower(btrim(ct.email, E' \t\r\n')))
        lower(btrim(ct.email, E' \t\r\n')) AS email_key,
        ct.id AS contact_id
    FROM public.contacts AS ct
    ORDER BY lower(btrim(ct.email, E' \t\r\n')), ct.created_at, ct.id
),
linked AS (
    SELECT
        s.deal_id,
        CASE WHEN s.company_id IS NULL THEN sc.company_id END AS company_id,
        CASE WHEN s.primary_contact_id IS NULL THEN coalesce(of_owner.contact_id, of_anybody.contact_id) END
            AS contact_id
    FROM crm_migration.staged_deals AS s
    JOIN crm_migration.staged_companies AS sc ON sc.deal_id = s.deal_id
    LEFT JOIN of_owner ON of_owner.email_key = s.email_key AND of_owner.owner_id = s.owner_id
    LEFT JOIN of_anybody ON of_anybody.email_key = s.email_key
)
SELECT row_number() OVER (ORDER BY l.deal_id) AS position, l.deal_id, l.company_id, l.contact_id
FROM linked AS l
WHERE l.company_id IS NOT NULL OR l.contact_id IS NOT NULL;

ALTER TABLE crm_migration.staged_links ADD PRIMARY KEY (position);
ANALYZE crm_migration.staged_links;

DO $link_deals$
DECLARE
    batch_rows CONSTANT bigint := 100;
    attempts CONSTANT integer := 5;
    total CONSTANT bigint := (SELECT count(*) FROM crm_migration.staged_links);
    first_position bigint := 1;
    last_position bigint;
    first_deal uuid;
    last_deal uuid;
    attempt integer;
BEGIN
    WHILE first_position <= total LOOP
        last_position := least(first_position + batch_rows - 1, total);
        -- The range of keys lets a batch read its own share of deals instead of all of them.
        first_deal := (SELECT l.deal_id FROM crm_migration.staged_links AS l WHERE l.position = first_position);
        last_deal := (SELECT l.deal_id FROM crm_migration.staged_links AS l WHERE l.position = last_position);
        FOR attempt IN 1..attempts LOOP
            BEGIN
                WITH batch AS (
                    SELECT
                        d.id,
                        CASE WHEN d.company_id IS NULL THEN l.company_id END AS company_id,
                        CASE WHEN d.primary_contact_id IS NULL THEN l.contact_id END AS contact_id
                    FROM crm_migration.staged_links AS l
                    JOIN public.deals AS d ON d.id = l.deal_id
                    WHERE l.position BETWEEN first_position AND last_position
                        AND d.id BETWEEN first_deal AND last_deal
                    ORDER BY d.id
                    FOR NO KEY UPDATE OF d
                ),
                linked AS (
                    UPDATE public.deals AS d
                    SET company_id = coalesce(d.company_id, b.company_id),
                        primary_contact_id = coalesce(d.primary_contact_id, b.contact_id)
                    FROM batch AS b
                    WHERE d.id = b.id
                        AND d.id BETWEEN first_deal AND last_deal
                        AND (b.company_id IS NOT NULL OR b.contact_id IS NOT NULL)
                    RETURNING b.id, b.company_id, b.contact_id
                )
                INSERT INTO crm_migration.legacy_backfill (relation, row_id, attribute, value)
                SELECT 'deals', l.id, link.attribute, link.value
                FROM linked AS l
                CROSS JOIN LATERAL (VALUES
                    ('company_id', l.company_id), ('primary_contact_id', l.contact_id)
                ) AS link (attribute, value)
                WHERE link.value IS NOT NULL
                -- A link that a user has removed since the last run is set again, and recorded again.
                ON CONFLICT (relation, row_id, attribute)
                DO UPDATE SET value = excluded.value, done_at = excluded.done_at;
                EXIT;
            EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
                -- The application works on one of these deals. Its transaction should be over in a moment.
                IF attempt = attempts THEN
                    RAISE;
                END IF;
                PERFORM pg_sleep(0.2 * attempt);
            END;
        END LOOP;
        COMMIT;
        first_position := last_position + 1;
    END LOOP;
END
$link_deals$;

-- ---------------------------------------------------------------------------------------------------------
-- Relationship tables from history. Only new rows are written, and the parents' rows are locked FOR KEY SHARE alone,
-- which delays nobody but a DELETE of that parent.
-- ---------------------------------------------------------------------------------------------------------

DO $relationships$
DECLARE
    batch_rows CONSTANT integer := 20000;
    batch record;
BEGIN
    FOR batch IN SELECT r.first_id, r.last_id FROM crm_migration.key_ranges('public.deals', batch_rows) AS r LOOP
        INSERT INTO public.deal_stakeholders (id, deal_id, contact_id, stakeholder_role)
        SELECT crm_migration.derived_id('deal_stakeholders', d.id, d.primary_contact_id), d.id, d.primary_contact_id,
            'other'
        FROM public.deals AS d
        WHERE d.id BETWEEN batch.first_id AND batch.last_id AND d.primary_contact_id IS NOT NULL
        ON CONFLICT DO NOTHING;
        COMMIT;
    END LOOP;

    FOR batch IN SELECT r.first_id, r.last_id FROM crm_migration.key_ranges('public.activities', batch_rows) AS r LOOP
        INSERT INTO public.company_activities (id, company_id, activity_id)
        SELECT crm_migration.derived_id('company_activities', link.company_id, link.activity_id), link.company_id,
            link.activity_id
        FROM (
            SELECT a.id AS activity_id, coalesce(a.company_id, d.company_id) AS company_id
            FROM public.activities AS a
            LEFT JOIN public.deals AS d ON d.id = a.deal_id
            WHERE a.id BETWEEN batch.first_id AND batch.last_id
        ) AS link
        WHERE link.company_id IS NOT NULL
        ON CONFLICT DO NOTHING;

        INSERT INTO public.contact_interactions (
            id, contact_id, activity_id, interaction_type, interaction_direction, interaction_date
        )
        SELECT
            crm_migration.derived_id('contact_interactions', a.contact_id, a.id),
            a.contact_id,
            a.id,
            CASE a.type WHEN 'meeting' THEN 'meeting' WHEN 'outbound' THEN 'email' ELSE 'other' END,
            'outbound',
            a.date
        FROM public.activities AS a
        WHERE a.id BETWEEN batch.first_id AND batch.last_id
            AND a.contact_id IS NOT NULL
            AND a.status = 'completed'
        ON CONFLICT DO NOTHING;
        COMMIT;
    END LOOP;

    FOR batch IN SELECT r.first_id, r.last_id FROM crm_migration.key_ranges('public.meetings', batch_rows) AS r LOOP
        INSERT INTO public.contact_interactions (
            id, contact_id, meeting_id, interaction_type, interaction_direction, sentiment_score, interaction_date
        )
        SELECT
            crm_migration.derived_id('contact_interactions', m.primary_contact_id, m.id),
            m.primary_contact_id,
            m.id,
            'meeting',
            'outbound',
            m.sentiment_score,
            m.meeting_start
        FROM public.meetings AS m
        WHERE m.id BETWEEN batch.first_id AND batch.last_id
            AND m.primary_contact_id IS NOT NULL
            AND m.meeting_start <= clock_timestamp()
        ON CONFLICT DO NOTHING;
        COMMIT;
    END LOOP;
END
$relationships$;

-- ---------------------------------------------------------------------------------------------------------
-- Check, figures, clearing up
-- ---------------------------------------------------------------------------------------------------------

DO $verify$
DECLARE
    unlinked bigint;
BEGIN
    SELECT count(*)
    INTO unlinked
    FROM crm_migration.staged_links AS l
    JOIN public.deals AS d ON d.id = l.deal_id
    WHERE (l.company_id IS NOT NULL AND d.company_id IS NULL)
        OR (l.contact_id IS NOT NULL AND d.primary_contact_id IS NULL);
    IF unlinked > 0 THEN
        RAISE EXCEPTION '% deals have lost their link while the backfill ran', unlinked
            USING ERRCODE = 'triggered_data_change_violation',
                  HINT = 'Their company or contact was deleted meanwhile. Run this file again.';
    END IF;
END
$verify$;

BEGIN;
DELETE FROM crm_migration.legacy_statistics WHERE moment = 'after';
INSERT INTO crm_migration.legacy_statistics (moment, measure, value)
SELECT 'after', q.relation || '.' || q.measure, q.value
FROM public.data_quality_check AS q;
COMMIT;

BEGIN;
DROP TABLE crm_migration.staged_deals, crm_migration.staged_companies, crm_migration.staged_links;
DROP VIEW crm_migration.companies_by_key;
COMMIT;

ANALYZE public.deals, public.deal_stakeholders, public.company_activities, public.contact_interactions;

SELECT b.measure, b.value AS before, a.value AS after
FROM crm_migration.legacy_statistics AS b
JOIN crm_migration.legacy_statistics AS a ON a.measure = b.measure AND a.moment = 'after'
WHERE b.moment = 'before'
ORDER BY b.measure;

RESET lock_timeout;
