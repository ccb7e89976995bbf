-- 20250831000003: enhanced RLS policies and performance
-- Row level security on the relationship tables, access and scoring functions, grants, dashboard and analysis indexes.

ALTER TABLE company_activities ENABLE ROW LEVEL SECURITY;
ALTER TABLE deal_meetings ENABLE ROW LEVEL SECURITY;
ALTER TABLE contact_interactions ENABLE ROW LEVEL SECURITY;
ALTER TABLE deal_stakeholders ENABLE ROW LEVEL SECURITY;
ALTER TABLE activity_meetings ENABLE ROW LEVEL SECURITY;
ALTER TABLE meeting_sequences ENABLE ROW LEVEL SECURITY;

CREATE POLICY company_activities_select ON company_activities FOR SELECT USING (
  company_id IN (SELECT id FROM companies WHERE owner_id = auth.uid()) OR
  activity_id IN (SELECT id FROM activities WHERE user_id = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY company_activities_all ON company_activities FOR ALL USING (
  company_id IN (SELECT id FROM companies WHERE owner_id = auth.uid()) OR
  activity_id IN (SELECT id FROM activities WHERE user_id = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY deal_meetings_select ON deal_meetings FOR SELECT USING (
  deal_id IN (SELECT id FROM deals WHERE owner_id = auth.uid()) OR
  meeting_id IN (SELECT id FROM meetings WHERE owner_user_id = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY deal_meetings_all ON deal_meetings FOR ALL USING (
  deal_id IN (SELECT id FROM deals WHERE owner_id = auth.uid()) OR
  meeting_id IN (SELECT id FROM meetings WHERE owner_user_id = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY contact_interactions_select ON contact_interactions FOR SELECT USING (
  contact_id IN (SELECT id FROM contacts WHERE owner_id = auth.uid()) OR
  activity_id IN (SELECT id FROM activities WHERE user_id = auth.uid()) OR
  meeting_id IN (SELECT id FROM meetings WHERE owner_user_id = auth.uid()) OR
  task_id IN (SELECT id FROM tasks WHERE assigned_to = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY contact_interactions_all ON contact_interactions FOR ALL USING (
  contact_id IN (SELECT id FROM contacts WHERE owner_id = auth.uid()) OR
  activity_id IN (SELECT id FROM activities WHERE user_id = auth.uid()) OR
  meeting_id IN (SELECT id FROM meetings WHERE owner_user_id = auth.uid()) OR
  task_id IN (SELECT id FROM tasks WHERE assigned_to = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY deal_stakeholders_select ON deal_stakeholders FOR SELECT USING (
  deal_id IN (SELECT id FROM deals WHERE owner_id = auth.uid()) OR
  contact_id IN (SELECT id FROM contacts WHERE owner_id = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY deal_stakeholders_all ON deal_stakeholders FOR ALL USING (
  deal_id IN (SELECT id FROM deals WHERE owner_id = auth.uid()) OR
  contact_id IN (SELECT id FROM contacts WHERE owner_id = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY activity_meetings_select ON activity_meetings FOR SELECT USING (
  activity_id IN (SELECT id FROM activities WHERE user_id = auth.uid()) OR
  meeting_id IN (SELECT id FROM meetings WHERE owner_user_id = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY activity_meetings_all ON activity_meetings FOR ALL USING (
  activity_id IN (SELECT id FROM activities WHERE user_id = auth.uid()) OR
  meeting_id IN (SELECT id FROM meetings WHERE owner_user_id = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY meeting_sequences_select ON meeting_sequences FOR SELECT USING (
  company_id IN (SELECT id FROM companies WHERE owner_id = auth.uid()) OR
  deal_id IN (SELECT id FROM deals WHERE owner_id = auth.uid()) OR
  meeting_id IN (SELECT id FROM meetings WHERE owner_user_id = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

CREATE POLICY meeting_sequences_all ON meeting_sequences FOR ALL USING (
  company_id IN (SELECT id FROM companies WHERE owner_id = auth.uid()) OR
  deal_id IN (SELECT id FROM deals WHERE owner_id = auth.uid()) OR
  meeting_id IN (SELECT id FROM meetings WHERE owner_user_id = auth.uid()) OR
  EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
);

-- Feature access
CREATE OR REPLACE FUNCTION user_can_access_ai_features()
RETURNS BOOLEAN AS $$
BEGIN
  -- Placeholder: every user with a profile
  RETURN EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid());
END;
$$ LANGUAGE plpgsql;

CREATE OR REPLACE FUNCTION user_can_access_sensitive_ai_data()
RETURNS BOOLEAN AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM profiles WHERE id = auth.uid() AND is_admin = true)
    OR EXISTS (SELECT 1 FROM team_members WHERE user_id = auth.uid() AND role IN ('leader', 'admin'));
END;
$$ LANGUAGE plpgsql;

-- Weighted engagement score
CREATE OR REPLACE FUNCTION calculate_company_engagement_score(company UUID)
RETURNS DECIMAL(5,2) AS $$
DECLARE
  activity_score DECIMAL := 0;
  meeting_score DECIMAL := 0;
  deal_score DECIMAL := 0;
  contact_score DECIMAL := 0;
BEGIN
  SELECT LEAST(40, COUNT(*) * 2) INTO activity_score
  FROM activities WHERE company_id = company AND date >= NOW() - INTERVAL '90 days';

  SELECT LEAST(30, COUNT(*) * 5 * (1 + COALESCE(AVG(sentiment_score), 0))) INTO meeting_score
  FROM meetings WHERE company_id = company AND meeting_start >= NOW() - INTERVAL '90 days';

  SELECT LEAST(20, COUNT(*) * 5) INTO deal_score
  FROM deals WHERE company_id = company AND status = 'active';

  SELECT LEAST(10, COUNT(*) * 2) INTO contact_score
  FROM contacts WHERE company_id = company;

  RETURN ROUND(activity_score + meeting_score + deal_score + contact_score, 2);
END;
$$ LANGUAGE plpgsql;

CREATE OR REPLACE FUNCTION calculate_deal_intelligence_score(deal UUID)
RETURNS DECIMAL(5,2) AS $$
DECLARE
  stage_score DECIMAL := 0;
  activity_score DECIMAL := 0;
  stakeholder_score DECIMAL := 0;
  meeting_score DECIMAL := 0;
BEGIN
  SELECT COALESCE(d.probability, ds.default_probability) * 0.3 INTO stage_score
  FROM deals d JOIN deal_stages ds ON ds.id = d.stage_id WHERE d.id = deal;

  SELECT LEAST(30, COUNT(*) * 3) INTO activity_score
  FROM activities WHERE deal_id = deal AND date >= NOW() - INTERVAL '30 days';

  SELECT LEAST(20, COUNT(*) * 5) INTO stakeholder_score
  FROM deal_stakeholders WHERE deal_id = deal;

  SELECT LEAST(20, COUNT(*) * 5 * (1 + COALESCE(AVG(meeting_impact_score), 0))) INTO meeting_score
  FROM deal_meetings WHERE deal_id = deal;

  RETURN ROUND(stage_score + activity_score + stakeholder_score + meeting_score, 2);
END;
$$ LANGUAGE plpgsql;

-- Dashboard figures
CREATE OR REPLACE FUNCTION get_crm_dashboard_data(target_user UUID, days INTEGER DEFAULT 30)
RETURNS TABLE (
  total_companies BIGINT, target_companies BIGINT, average_company_engagement NUMERIC,
  total_contacts BIGINT, decision_makers BIGINT,
  active_deals BIGINT, active_deal_value NUMERIC, weighted_deal_value NUMERIC,
  deals_closing_soon BIGINT, average_deal_intelligence NUMERIC,
  recent_activities BIGINT, completed_activities BIGINT,
  open_tasks BIGINT, overdue_tasks BIGINT,
  recent_meetings BIGINT, meetings_needing_follow_up BIGINT
) AS $$
BEGIN
  RETURN QUERY
  WITH company_stats AS (
    SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE is_target_account) AS targets, ROUND(AVG(engagement_score), 2) AS engagement
    FROM companies WHERE owner_id = target_user AND NOT is_merged
  ),
  contact_stats AS (
    SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE decision_maker_score >= 0.7) AS deciding
    FROM contacts WHERE owner_id = target_user
  ),
  deal_stats AS (
    SELECT
      COUNT(*) AS n,
      SUM(d.value) AS total,
      ROUND(SUM(d.value * COALESCE(d.probability, ds.default_probability) / 100.0), 2) AS weighted,
      COUNT(*) FILTER (WHERE d.expected_close_date BETWEEN CURRENT_DATE AND CURRENT_DATE + days) AS closing,
      ROUND(AVG(d.deal_intelligence_score), 2) AS intelligence
    FROM deals d JOIN deal_stages ds ON ds.id = d.stage_id
    WHERE d.owner_id = target_user AND d.status = 'active'
  ),
  activity_stats AS (
    SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE status = 'completed') AS done
    FROM activities WHERE user_id = target_user AND date BETWEEN NOW() - days * INTERVAL '1 day' AND NOW()
  ),
  task_stats AS (
    SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE due_date < NOW()) AS overdue
    FROM tasks WHERE assigned_to = target_user AND NOT completed
  ),
  meeting_stats AS (
    SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE follow_up_required AND NOT follow_up_scheduled) AS waiting
    FROM meetings WHERE owner_user_id = target_user AND meeting_start BETWEEN NOW() - days * INTERVAL '1 day' AND NOW()
  )
  SELECT
    cs.n, cs.targets, COALESCE(cs.engagement, 0),
    ct.n, ct.deciding,
    ds.n, COALESCE(ds.total, 0), COALESCE(ds.weighted, 0), ds.closing, COALESCE(ds.intelligence, 0),
    a.n, a.done, t.n, t.overdue, m.n, m.waiting
  FROM company_stats cs, contact_stats ct, deal_stats ds, activity_stats a, task_stats t, meeting_stats m;
END;
$$ LANGUAGE plpgsql;

-- Grants
GRANT SELECT, INSERT, UPDATE, DELETE ON
  company_activities, deal_meetings, contact_interactions, deal_stakeholders, activity_meetings, meeting_sequences
TO authenticated;

GRANT SELECT ON
  companies_with_intelligence, deals_with_complete_relationships, activities_with_complete_data,
  deal_meeting_analytics, meetings_with_complete_relationships, data_quality_check
TO authenticated;

GRANT EXECUTE ON FUNCTION
  infer_meeting_deal_relationships(),
  populate_company_activity_relationships(),
  create_meeting_follow_up_activities(UUID, BOOLEAN),
  user_can_access_ai_features(),
  user_can_access_sensitive_ai_data(),
  calculate_company_engagement_score(UUID),
  calculate_deal_intelligence_score(UUID),
  get_crm_dashboard_data(UUID, INTEGER)
TO authenticated;

-- Performance and analysis indexes
CREATE INDEX IF NOT EXISTS idx_companies_dashboard_query
  ON companies(owner_id, engagement_score DESC, lead_score DESC, is_target_account) WHERE owner_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_deals_dashboard_query
  ON deals(owner_id, status, stage_id, expected_close_date) WHERE status = 'active';
CREATE INDEX IF NOT EXISTS idx_activities_dashboard_query ON activities(user_id, date DESC, status);
CREATE INDEX IF NOT EXISTS idx_tasks_dashboard_query ON tasks(assigned_to, due_date) WHERE NOT completed;
CREATE INDEX IF NOT EXISTS idx_meetings_dashboard_query ON meetings(owner_user_id, meeting_start DESC);
CREATE INDEX IF NOT EXISTS idx_companies_technology_stack ON companies USING GIN(technology_stack);
CREATE INDEX IF NOT EXISTS idx_companies_social_media_urls ON companies USING GIN(social_media_urls);
CREATE INDEX IF NOT EXISTS idx_contacts_social_media_urls ON contacts USING GIN(social_media_urls);
CREATE INDEX IF NOT EXISTS idx_contacts_skills ON contacts USING GIN(skills);
CREATE INDEX IF NOT EXISTS idx_contacts_interests ON contacts USING GIN(interests);
CREATE INDEX IF NOT EXISTS idx_deals_competitor_analysis ON deals USING GIN(competitor_analysis);
CREATE INDEX IF NOT EXISTS idx_deals_stakeholder_mapping ON deals USING GIN(stakeholder_mapping);
CREATE INDEX IF NOT EXISTS idx_deals_risk_factors ON deals USING GIN(risk_factors);
CREATE INDEX IF NOT EXISTS idx_tasks_context_data ON tasks USING GIN(context_data);
CREATE INDEX IF NOT EXISTS idx_companies_ai_analysis_query
  ON companies(account_tier, engagement_score DESC, lead_score DESC);
CREATE INDEX IF NOT EXISTS idx_contacts_ai_analysis_query
  ON contacts(company_id, decision_maker_score DESC, engagement_score DESC) WHERE company_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_deals_ai_intelligence_query
  ON deals(owner_id, deal_intelligence_score DESC, win_probability_ai DESC NULLS LAST) WHERE status = 'active';
CREATE INDEX IF NOT EXISTS idx_activities_ai_analysis_query
  ON activities(company_id, date DESC, sentiment_score) WHERE company_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_tasks_ai_analysis_query
  ON tasks(assigned_to, ai_priority_score DESC, due_date) WHERE NOT completed;
