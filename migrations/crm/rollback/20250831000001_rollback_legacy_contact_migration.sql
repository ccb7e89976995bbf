-- Undo 20250831000001: take back what the backfill did, and nothing that a user has done since
--
-- What    Deletes the derived relationship rows, sets deals.company_id and deals.primary_contact_id back to NULL where
--         they still hold what the backfill wrote, and deletes the contacts and companies that it created unless
--         somebody has edited them or refers to them by now; those are counted in a warning and stay.
-- Locks   Row locks, in batches that commit.
-- Re-run  Any number of times: the record in crm_migration.legacy_backfill goes last.
-- Not     inside a transaction (psql -1): the batches commit.

SET lock_timeout = '2s';

DO $order$
BEGIN
    IF to_regclass('public.activity_meetings') IS NOT NULL THEN
        RAISE EXCEPTION 'migration 20250831000002 is still applied'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Run 20250831000002_rollback_direct_relationships.sql first.';
    END IF;
END
$order$;

DO $undo$
DECLARE
    batch_rows CONSTANT integer := 20000;
    link_rows CONSTANT integer := 5000;
    batch record;
    touched bigint;
BEGIN
    IF to_regclass('crm_migration.legacy_backfill') IS NULL THEN
        RAISE NOTICE 'no record of the backfill: nothing to take back';
        RETURN;
    END IF;

    FOR batch IN
        SELECT r.first_id, r.last_id FROM crm_migration.key_ranges('public.contact_interactions', batch_rows) AS r
    LOOP
        DELETE FROM public.contact_interactions AS ci
        WHERE ci.id BETWEEN batch.first_id AND batch.last_id
            AND ci.id = crm_migration.derived_id(
                'contact_interactions', ci.contact_id, coalesce(ci.activity_id, ci.meeting_id)
            )
            AND ci.task_id IS NULL AND ci.engagement_score = 0 AND ci.response_time_minutes IS NULL;
        COMMIT;
    END LOOP;

    FOR batch IN
        SELECT r.first_id, r.last_id FROM crm_migration.key_ranges('public.company_activities', batch_rows) AS r
    LOOP
        DELETE FROM public.company_activities AS ca
        WHERE ca.id BETWEEN batch.first_id AND batch.last_id
            AND ca.id = crm_migration.derived_id('company_activities', ca.company_id, ca.activity_id)
            AND ca.relationship_strength = 1;
        COMMIT;
    END LOOP;

    FOR batch IN
        SELECT r.first_id, r.last_id FROM crm_migration.key_ranges('public.deal_stakeholders', batch_rows) AS r
    LOOP
        DELETE FROM public.deal_stakeholders AS ds
        WHERE ds.id BETWEEN batch.first_id AND batch.last_id
            AND ds.id = crm_migration.derived_id('deal_stakeholders', ds.deal_id, ds.contact_id)
            AND ds.stakeholder_role = 'other' AND ds.influence_level = 'medium' AND ds.relationship_strength = 0
            AND NOT ds.is_champion AND ds.last_interaction_date IS NULL AND ds.notes IS NULL;
        COMMIT;
    END LOOP;

    -- Deals: the record of a batch goes with the batch.
    LOOP
        WITH batch AS (
            DELETE FROM crm_migration.legacy_backfill AS b
            USING (
                SELECT DISTINCT l.row_id
                FROM crm_migration.legacy_backfill AS l
                WHERE l.relation = 'deals'
                ORDER BY l.row_id
                LIMIT link_rows
            ) AS chosen
            WHERE b.relation = 'deals' AND b.row_id = chosen.row_id
            RETURNING b.row_id, b.attribute, b.value
        ),
        links AS (
            SELECT
                b.row_id,
                (array_agg(b.value) FILTER (WHERE b.attribute = 'company_id'))[1] AS company_id,
                (array_agg(b.value) FILTER (WHERE b.attribute = 'primary_contact_id'))[1] AS contact_id
            FROM batch AS b
            GROUP BY b.row_id
        ),
        undone AS (
            UPDATE public.deals AS d
            SET company_id = CASE WHEN d.company_id = l.company_id THEN NULL ELSE d.company_id END,
                primary_contact_id =
                    CASE WHEN d.primary_contact_id = l.contact_id THEN NULL ELSE d.primary_contact_id END
            FROM links AS l
            WHERE d.id = l.row_id AND (d.company_id = l.company_id OR d.primary_contact_id = l.contact_id)
        )
        SELECT count(*) INTO touched FROM links;
        COMMIT;
        EXIT WHEN touched = 0;
    END LOOP;
END
$undo$;

-- Contacts first: they refer to the companies.
DO $undo_rows$
DECLARE
    kept bigint;
BEGIN
    IF to_regclass('crm_migration.legacy_backfill') IS NULL THEN
        RETURN;
    END IF;

    DELETE FROM public.contacts AS ct
    USING crm_migration.legacy_backfill AS l
    WHERE l.relation = 'contacts' AND l.attribute = '*' AND ct.id = l.row_id
        AND crm_migration.digest(ct) = l.digest
        AND NOT EXISTS (SELECT 1 FROM public.deals AS d WHERE d.primary_contact_id = ct.id)
        AND NOT EXISTS (SELECT 1 FROM public.activities AS a WHERE a.contact_id = ct.id)
        AND NOT EXISTS (SELECT 1 FROM public.tasks AS t WHERE t.contact_id = ct.id)
        AND NOT EXISTS (SELECT 1 FROM public.meetings AS m WHERE m.primary_contact_id = ct.id)
        AND NOT EXISTS (SELECT 1 FROM public.deal_stakeholders AS ds WHERE ds.contact_id = ct.id)
        AND NOT EXISTS (SELECT 1 FROM public.contact_interactions AS ci WHERE ci.contact_id = ct.id);
    SELECT count(*) INTO kept
    FROM crm_migration.legacy_backfill AS l
    JOIN public.contacts AS ct ON ct.id = l.row_id
    WHERE l.relation = 'contacts';
    IF kept > 0 THEN
        RAISE WARNING '% contacts of the backfill stay: edited or in use', kept;
    END IF;

    DELETE FROM public.companies AS c
    USING crm_migration.legacy_backfill AS l
    WHERE l.relation = 'companies' AND l.attribute = '*' AND c.id = l.row_id
        AND crm_migration.digest(c) = l.digest
        AND NOT EXISTS (SELECT 1 FROM public.deals AS d WHERE d.company_id = c.id)
        AND NOT EXISTS (SELECT 1 FROM public.contacts AS ct WHERE ct.company_id = c.id)
        AND NOT EXISTS (SELECT 1 FROM public.activities AS a WHERE a.company_id = c.id)
        AND NOT EXISTS (SELECT 1 FROM public.tasks AS t WHERE t.company_id = c.id)
        AND NOT EXISTS (SELECT 1 FROM public.meetings AS m WHERE m.company_id = c.id)
        AND NOT EXISTS (SELECT 1 FROM public.companies AS merged WHERE merged.merged_into_id = c.id)
        AND NOT EXISTS (SELECT 1 FROM public.company_activities AS ca WHERE ca.company_id = c.id);
    SELECT count(*) INTO kept
    FROM crm_migration.legacy_backfill AS l
    JOIN public.companies AS c ON c.id = l.row_id
    WHERE l.relation = 'companies';
    IF kept > 0 THEN
        RAISE WARNING '% companies of the backfill stay: edited or in use', kept;
    END IF;
END
$undo_rows$;

BEGIN;
DROP VIEW IF EXISTS public.data_quality_check;
DROP VIEW IF EXISTS crm_migration.companies_by_key;
DROP TABLE IF EXISTS crm_migration.staged_deals, crm_migration.staged_companies, crm_migration.staged_links;
DROP FUNCTION IF EXISTS crm_migration.digest(public.companies);
DROP FUNCTION IF EXISTS crm_migration.digest(public.contacts);
DROP FUNCTION IF EXISTS crm_migration.derived_id(text, uuid, uuid);
DROP TABLE IF EXISTS crm_migration.legacy_statistics;
DROP TABLE IF EXISTS crm_migration.legacy_backfill;
COMMIT;

RESET lock_timeout;
