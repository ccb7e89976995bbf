-- 20250831000001: migrate legacy contact relationships
-- Extracts companies and contacts from the text columns of deals and links them. The legacy columns are kept.

-- Data quality view
CREATE OR REPLACE VIEW data_quality_check AS
SELECT 'deals' AS relation, 'deals' AS measure, COUNT(*) AS value FROM deals
UNION ALL
SELECT 'deals', 'without_company', COUNT(*) FROM deals WHERE company_id IS NULL
UNION ALL
SELECT 'deals', 'without_contact', COUNT(*) FROM deals WHERE primary_contact_id IS NULL
UNION ALL
SELECT 'deals', 'contact_email_malformed', COUNT(*) FROM deals WHERE contact_email NOT LIKE '%_@_%._%'
UNION ALL
SELECT 'companies', 'companies', COUNT(*) FROM companies
UNION ALL
SELECT 'companies', 'without_domain', COUNT(*) FROM companies WHERE domain IS NULL
UNION ALL
SELECT 'contacts', 'contacts', COUNT(*) FROM contacts
UNION ALL
SELECT 'contacts', 'without_company', COUNT(*) FROM contacts WHERE company_id IS NULL;

-- Statistics before the migration
CREATE TABLE IF NOT EXISTS migration_statistics (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  moment TEXT NOT NULL,
  relation TEXT NOT NULL,
  measure TEXT NOT NULL,
  value BIGINT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

INSERT INTO migration_statistics (moment, relation, measure, value)
SELECT 'before', relation, measure, value FROM data_quality_check;

-- Pre-migration validation
DO $$
DECLARE
  total_deals INTEGER;
  unlinked_deals INTEGER;
BEGIN
  SELECT COUNT(*), COUNT(*) FILTER (WHERE company_id IS NULL) INTO total_deals, unlinked_deals FROM deals;
  RAISE NOTICE 'Deals: %, without company: %', total_deals, unlinked_deals;
END;
$$;

-- Step 1: extract companies
DO $$
DECLARE
  company_rows INTEGER;
BEGIN
  INSERT INTO companies (name, domain, owner_id)
  WITH missing_companies AS (
    SELECT DISTINCT
      d.company AS company_name,
      LOWER(SPLIT_PART(d.contact_email, '@', 2)) AS extracted_domain,
      (ARRAY_AGG(d.owner_id ORDER BY d.created_at))[1] AS first_owner,
      MIN(d.created_at) AS first_seen
    FROM deals d
    WHERE d.company_id IS NULL
      AND d.company IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM companies c WHERE c.name ILIKE d.company)
    GROUP BY d.company, LOWER(SPLIT_PART(d.contact_email, '@', 2))
  )
  SELECT
    mc.company_name,
    CASE
      WHEN NOT EXISTS (SELECT 1 FROM companies c WHERE c.domain = mc.extracted_domain) THEN mc.extracted_domain
    END,
    mc.first_owner
  FROM missing_companies mc
  ORDER BY mc.first_seen;

  GET DIAGNOSTICS company_rows = ROW_COUNT;
  RAISE NOTICE 'Companies created: %', company_rows;
END;
$$;

-- Step 2: extract contacts
DO $$
DECLARE
  contact_rows INTEGER;
BEGIN
  INSERT INTO contacts (email, first_name, last_name, company_id, owner_id)
  WITH missing_contacts AS (
    SELECT
      LOWER(d.contact_email) AS email,
      d.contact_name,
      MIN(d.company) AS company_name,
      (ARRAY_AGG(d.owner_id ORDER BY d.created_at))[1] AS first_owner
    FROM deals d
    WHERE d.primary_contact_id IS NULL
      AND d.contact_email IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM contacts ct WHERE ct.email ILIKE d.contact_email)
    GROUP BY LOWER(d.contact_email), d.contact_name
  )
  SELECT
    mc.email,
    SPLIT_PART(mc.contact_name, ' ', 1),
    NULLIF(SPLIT_PART(mc.contact_name, ' ', 2), ''),
    (SELECT c.id FROM companies c WHERE c.name ILIKE mc.company_name ORDER BY c.created_at LIMIT 1),
    mc.first_owner
  FROM missing_contacts mc;

  GET DIAGNOSTICS contact_rows = ROW_COUNT;
  RAISE NOTICE 'Contacts created: %', contact_rows;
END;
$$;

-- Step 3: link deals
DO $$
DECLARE
  company_links INTEGER;
  contact_links INTEGER;
BEGIN
  UPDATE deals d
  SET company_id = (SELECT c.id FROM companies c WHERE c.name ILIKE d.company ORDER BY c.created_at LIMIT 1)
  WHERE d.company_id IS NULL
    AND EXISTS (SELECT 1 FROM companies c WHERE c.name ILIKE d.company);
  GET DIAGNOSTICS company_links = ROW_COUNT;

  UPDATE deals d
  SET primary_contact_id = (SELECT ct.id FROM contacts ct WHERE ct.email ILIKE d.contact_email ORDER BY ct.created_at LIMIT 1)
  WHERE d.primary_contact_id IS NULL
    AND EXISTS (SELECT 1 FROM contacts ct WHERE ct.email ILIKE d.contact_email);
  GET DIAGNOSTICS contact_links = ROW_COUNT;

  RAISE NOTICE 'Deals linked to a company: %, to a contact: %', company_links, contact_links;
END;
$$;

-- Step 4: fill the relationship tables from history
DO $$
BEGIN
  INSERT INTO deal_stakeholders (deal_id, contact_id, stakeholder_role)
  SELECT d.id, d.primary_contact_id, 'other'
  FROM deals d
  WHERE d.primary_contact_id IS NOT NULL
    AND NOT EXISTS (
      SELECT 1 FROM deal_stakeholders s WHERE s.deal_id = d.id AND s.contact_id = d.primary_contact_id
    );

  INSERT INTO company_activities (company_id, activity_id)
  SELECT COALESCE(a.company_id, d.company_id), a.id
  FROM activities a
  LEFT JOIN deals d ON d.id = a.deal_id
  WHERE COALESCE(a.company_id, d.company_id) IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM company_activities ca WHERE ca.activity_id = a.id);

  INSERT INTO contact_interactions (contact_id, activity_id, interaction_type, interaction_direction, interaction_date)
  SELECT
    a.contact_id,
    a.id,
    CASE a.type WHEN 'meeting' THEN 'meeting' WHEN 'outbound' THEN 'email' ELSE 'other' END,
    'outbound',
    a.date
  FROM activities a
  WHERE a.contact_id IS NOT NULL
    AND a.status = 'completed'
    AND NOT EXISTS (SELECT 1 FROM contact_interactions ci WHERE ci.activity_id = a.id);

  INSERT INTO contact_interactions (contact_id, meeting_id, interaction_type, interaction_direction, sentiment_score, interaction_date)
  SELECT m.primary_contact_id, m.id, 'meeting', 'outbound', m.sentiment_score, m.meeting_start
  FROM meetings m
  WHERE m.primary_contact_id IS NOT NULL
    AND m.meeting_start <= NOW()
    AND NOT EXISTS (SELECT 1 FROM contact_interactions ci WHERE ci.meeting_id = m.id);
END;
$$;

-- Statistics after the migration
INSERT INTO migration_statistics (moment, relation, measure, value)
SELECT 'after', relation, measure, value FROM data_quality_check;

-- Post-migration verification
DO $$
DECLARE
  linked INTEGER;
  total INTEGER;
BEGIN
  SELECT COUNT(*) FILTER (WHERE company_id IS NOT NULL), COUNT(*) INTO linked, total FROM deals;
  RAISE NOTICE 'Migration completed successfully: % of % deals have a company', linked, total;
END;
$$;

SELECT b.relation, b.measure, b.value AS before, a.value AS after
FROM migration_statistics b
JOIN migration_statistics a ON a.relation = b.relation AND a.measure = b.measure AND a.moment = 'after'
WHERE b.moment = 'before'
ORDER BY b.relation, b.measure;
