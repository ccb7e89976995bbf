-- 20250831000000: enhanced CRM schema design
-- New columns for AI-ready scoring and enrichment, relationship tables, indexes and aggregation views.

-- companies
ALTER TABLE companies
  ADD COLUMN IF NOT EXISTS industry_confidence_score DECIMAL(3,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS size_confidence_score DECIMAL(3,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS enriched_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS enrichment_source TEXT,
  ADD COLUMN IF NOT EXISTS annual_revenue BIGINT,
  ADD COLUMN IF NOT EXISTS employee_count INTEGER,
  ADD COLUMN IF NOT EXISTS founding_year INTEGER,
  ADD COLUMN IF NOT EXISTS headquarters_location TEXT,
  ADD COLUMN IF NOT EXISTS technology_stack TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS social_media_urls JSONB NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS engagement_score DECIMAL(5,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS lead_score DECIMAL(5,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS last_engagement_date TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS is_target_account BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS account_tier TEXT NOT NULL DEFAULT 'smb' CHECK (account_tier IN ('enterprise', 'mid-market', 'smb', 'startup'));

-- contacts
ALTER TABLE contacts
  ADD COLUMN IF NOT EXISTS job_seniority TEXT CHECK (job_seniority IN ('entry', 'mid', 'senior', 'executive', 'c-level')),
  ADD COLUMN IF NOT EXISTS department TEXT,
  ADD COLUMN IF NOT EXISTS decision_maker_score DECIMAL(3,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS engagement_score DECIMAL(5,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS enriched_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS enrichment_source TEXT,
  ADD COLUMN IF NOT EXISTS social_media_urls JSONB NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS interests TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS skills TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS last_interaction_date TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS interaction_count INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS email_domain_verified BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS phone_verified BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS timezone TEXT,
  ADD COLUMN IF NOT EXISTS preferred_contact_method TEXT NOT NULL DEFAULT 'email' CHECK (preferred_contact_method IN ('email', 'phone', 'linkedin', 'text')),
  ADD COLUMN IF NOT EXISTS contact_quality_score DECIMAL(3,2) NOT NULL DEFAULT 0.0;

-- deals
ALTER TABLE deals
  ADD COLUMN IF NOT EXISTS deal_intelligence_score DECIMAL(5,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS win_probability_ai DECIMAL(3,2),
  ADD COLUMN IF NOT EXISTS risk_factors TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS opportunity_score DECIMAL(5,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS competitor_analysis JSONB NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS engagement_velocity DECIMAL(5,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS last_meaningful_interaction TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS decision_timeline TEXT,
  ADD COLUMN IF NOT EXISTS budget_confirmed BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS technical_fit_score DECIMAL(3,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS stakeholder_mapping JSONB NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS close_date_confidence DECIMAL(3,2) NOT NULL DEFAULT 0.0;

-- activities
ALTER TABLE activities
  ADD COLUMN IF NOT EXISTS sentiment_score DECIMAL(3,2) CHECK (sentiment_score >= -1 AND sentiment_score <= 1),
  ADD COLUMN IF NOT EXISTS engagement_quality TEXT CHECK (engagement_quality IN ('low', 'medium', 'high', 'excellent')),
  ADD COLUMN IF NOT EXISTS outcome_prediction TEXT CHECK (outcome_prediction IN ('positive', 'neutral', 'negative', 'unclear')),
  ADD COLUMN IF NOT EXISTS follow_up_score DECIMAL(3,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS response_time_minutes INTEGER,
  ADD COLUMN IF NOT EXISTS interaction_duration_minutes INTEGER,
  ADD COLUMN IF NOT EXISTS activity_source TEXT NOT NULL DEFAULT 'manual' CHECK (activity_source IN ('manual', 'email', 'calendar', 'crm', 'integration')),
  ADD COLUMN IF NOT EXISTS ai_generated_summary TEXT,
  ADD COLUMN IF NOT EXISTS next_action_suggestion TEXT,
  ADD COLUMN IF NOT EXISTS urgency_score DECIMAL(3,2) NOT NULL DEFAULT 0.0;

-- tasks
ALTER TABLE tasks
  ADD COLUMN IF NOT EXISTS ai_priority_score DECIMAL(5,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS estimated_duration_minutes INTEGER,
  ADD COLUMN IF NOT EXISTS success_probability DECIMAL(3,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS impact_score DECIMAL(5,2) NOT NULL DEFAULT 0.0,
  ADD COLUMN IF NOT EXISTS auto_generated BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS parent_task_id UUID REFERENCES tasks(id) ON DELETE CASCADE,
  ADD COLUMN IF NOT EXISTS sequence_order INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS blocking_reason TEXT,
  ADD COLUMN IF NOT EXISTS context_data JSONB NOT NULL DEFAULT '{}';

-- company_activities
CREATE TABLE IF NOT EXISTS company_activities (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  company_id UUID NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
  activity_id UUID NOT NULL REFERENCES activities (id) ON DELETE CASCADE,
  relationship_strength DECIMAL(3,2) NOT NULL DEFAULT 1.0,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  UNIQUE (company_id, activity_id)
);

-- deal_meetings
CREATE TABLE IF NOT EXISTS deal_meetings (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  deal_id UUID NOT NULL REFERENCES deals (id) ON DELETE CASCADE,
  meeting_id UUID NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
  meeting_impact_score DECIMAL(3,2) NOT NULL DEFAULT 0.0,
  meeting_outcome TEXT CHECK (meeting_outcome IN ('positive', 'neutral', 'negative', 'no_show', 'reschedule')),
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  UNIQUE (deal_id, meeting_id)
);

-- contact_interactions
CREATE TABLE IF NOT EXISTS contact_interactions (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  contact_id UUID NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
  activity_id UUID REFERENCES activities (id) ON DELETE SET NULL,
  meeting_id UUID REFERENCES meetings (id) ON DELETE SET NULL,
  task_id UUID REFERENCES tasks (id) ON DELETE SET NULL,
  interaction_type TEXT NOT NULL
    CHECK (interaction_type IN ('email', 'call', 'meeting', 'social', 'text', 'other')),
  interaction_direction TEXT NOT NULL CHECK (interaction_direction IN ('inbound', 'outbound')),
  engagement_score DECIMAL(5,2) NOT NULL DEFAULT 0.0,
  sentiment_score DECIMAL(3,2) CHECK (sentiment_score >= -1 AND sentiment_score <= 1),
  response_time_minutes INTEGER,
  interaction_date TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  CONSTRAINT contact_interactions_source_check CHECK (num_nonnulls(activity_id, meeting_id, task_id) >= 1)
);

-- deal_stakeholders
CREATE TABLE IF NOT EXISTS deal_stakeholders (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  deal_id UUID NOT NULL REFERENCES deals (id) ON DELETE CASCADE,
  contact_id UUID NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
  stakeholder_role TEXT NOT NULL CHECK (stakeholder_role IN (
    'decision_maker', 'influencer', 'champion', 'gatekeeper', 'technical_evaluator',
    'budget_holder', 'end_user', 'procurement', 'legal', 'other'
  )),
  influence_level TEXT NOT NULL DEFAULT 'medium'
    CHECK (influence_level IN ('low', 'medium', 'high', 'critical')),
  relationship_strength DECIMAL(3,2) NOT NULL DEFAULT 0.0,
  is_champion BOOLEAN NOT NULL DEFAULT false,
  last_interaction_date TIMESTAMPTZ,
  notes TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  UNIQUE (deal_id, contact_id)
);

-- Performance indexes
CREATE INDEX IF NOT EXISTS idx_company_activities_activity ON company_activities(activity_id);
CREATE INDEX IF NOT EXISTS idx_company_activities_strength ON company_activities(company_id, relationship_strength DESC);
CREATE INDEX IF NOT EXISTS idx_deal_meetings_meeting ON deal_meetings(meeting_id);
CREATE INDEX IF NOT EXISTS idx_deal_meetings_outcome ON deal_meetings(deal_id, meeting_outcome);
CREATE INDEX IF NOT EXISTS idx_contact_interactions_contact_date ON contact_interactions(contact_id, interaction_date DESC);
CREATE INDEX IF NOT EXISTS idx_contact_interactions_activity ON contact_interactions(activity_id);
CREATE INDEX IF NOT EXISTS idx_contact_interactions_meeting ON contact_interactions(meeting_id);
CREATE INDEX IF NOT EXISTS idx_contact_interactions_task ON contact_interactions(task_id);
CREATE INDEX IF NOT EXISTS idx_deal_stakeholders_contact ON deal_stakeholders(contact_id);
CREATE INDEX IF NOT EXISTS idx_deal_stakeholders_champion ON deal_stakeholders(deal_id) WHERE is_champion;
CREATE INDEX IF NOT EXISTS idx_companies_industry ON companies(industry);
CREATE INDEX IF NOT EXISTS idx_companies_size ON companies(size);
CREATE INDEX IF NOT EXISTS idx_companies_engagement_score ON companies(engagement_score DESC);
CREATE INDEX IF NOT EXISTS idx_companies_lead_score ON companies(lead_score DESC);
CREATE INDEX IF NOT EXISTS idx_companies_is_target_account ON companies(is_target_account) WHERE is_target_account;
CREATE INDEX IF NOT EXISTS idx_companies_account_tier ON companies(account_tier);
CREATE INDEX IF NOT EXISTS idx_companies_enriched_at ON companies(enriched_at DESC);
CREATE INDEX IF NOT EXISTS idx_contacts_job_seniority ON contacts(job_seniority);
CREATE INDEX IF NOT EXISTS idx_contacts_department ON contacts(department);
CREATE INDEX IF NOT EXISTS idx_contacts_decision_maker_score ON contacts(decision_maker_score DESC);
CREATE INDEX IF NOT EXISTS idx_contacts_engagement_score ON contacts(engagement_score DESC);
CREATE INDEX IF NOT EXISTS idx_contacts_last_interaction_date ON contacts(last_interaction_date DESC);
CREATE INDEX IF NOT EXISTS idx_contacts_quality_score ON contacts(contact_quality_score DESC);
CREATE INDEX IF NOT EXISTS idx_deals_intelligence_score ON deals(deal_intelligence_score DESC);
CREATE INDEX IF NOT EXISTS idx_deals_win_probability_ai ON deals(win_probability_ai DESC);
CREATE INDEX IF NOT EXISTS idx_deals_opportunity_score ON deals(opportunity_score DESC);
CREATE INDEX IF NOT EXISTS idx_deals_last_meaningful_interaction ON deals(last_meaningful_interaction DESC);
CREATE INDEX IF NOT EXISTS idx_deals_close_date_confidence ON deals(close_date_confidence DESC);
CREATE INDEX IF NOT EXISTS idx_activities_sentiment_score ON activities(sentiment_score);
CREATE INDEX IF NOT EXISTS idx_activities_engagement_quality ON activities(engagement_quality);
CREATE INDEX IF NOT EXISTS idx_activities_outcome_prediction ON activities(outcome_prediction);
CREATE INDEX IF NOT EXISTS idx_activities_activity_source ON activities(activity_source);
CREATE INDEX IF NOT EXISTS idx_activities_urgency_score ON activities(urgency_score DESC);
CREATE INDEX IF NOT EXISTS idx_tasks_ai_priority_score ON tasks(ai_priority_score DESC);
CREATE INDEX IF NOT EXISTS idx_tasks_impact_score ON tasks(impact_score DESC);
CREATE INDEX IF NOT EXISTS idx_tasks_success_probability ON tasks(success_probability DESC);
CREATE INDEX IF NOT EXISTS idx_tasks_auto_generated ON tasks(auto_generated) WHERE auto_generated;
CREATE INDEX IF NOT EXISTS idx_tasks_parent_sequence ON tasks(parent_task_id, sequence_order);

-- Views
CREATE OR REPLACE VIEW companies_with_intelligence AS
SELECT
  c.id, c.name, c.domain, c.industry, c.size, c.owner_id, c.account_tier, c.is_target_account,
  c.engagement_score, c.lead_score, c.annual_revenue, c.employee_count, c.technology_stack,
  c.enriched_at, c.last_engagement_date, c.created_at,
  p.email AS owner_email,
  COUNT(DISTINCT ct.id) AS contact_count,
  COUNT(DISTINCT ct.id) FILTER (WHERE ct.decision_maker_score >= 0.7) AS decision_maker_count,
  COUNT(DISTINCT d.id) AS deal_count,
  COUNT(DISTINCT d.id) FILTER (WHERE d.status = 'active') AS active_deal_count,
  (SELECT COALESCE(SUM(value), 0) FROM deals WHERE company_id = c.id AND status = 'active') AS active_deal_value,
  (SELECT COUNT(*) FROM activities WHERE company_id = c.id) AS activity_count,
  (SELECT MAX(date) FROM activities WHERE company_id = c.id) AS last_activity_at,
  (SELECT COUNT(*) FROM company_activities WHERE company_id = c.id) AS linked_activity_count,
  (SELECT COUNT(*) FROM meetings WHERE company_id = c.id) AS meeting_count,
  (SELECT ROUND(AVG(sentiment_score), 2) FROM meetings WHERE company_id = c.id) AS average_meeting_sentiment
FROM companies c
LEFT JOIN profiles p ON p.id = c.owner_id
LEFT JOIN contacts ct ON ct.company_id = c.id
LEFT JOIN deals d ON d.company_id = c.id
GROUP BY c.id, p.email;

CREATE OR REPLACE VIEW deals_with_complete_relationships AS
SELECT
  d.id, d.name, d.value, d.status, d.owner_id, d.expected_close_date, d.deal_intelligence_score,
  d.win_probability_ai, d.risk_factors, d.created_at,
  ds.name AS stage_name,
  ds.order_position AS stage_position,
  d.company_id,
  COALESCE(c.name, d.company) AS company_name,
  d.primary_contact_id,
  COALESCE(ct.full_name, d.contact_name) AS contact_name,
  COALESCE(ct.email, d.contact_email) AS contact_email,
  COUNT(DISTINCT s.id) AS stakeholder_count,
  COUNT(DISTINCT s.id) FILTER (WHERE s.is_champion) AS champion_count,
  COUNT(DISTINCT s.id) FILTER (WHERE s.stakeholder_role = 'decision_maker') AS decision_maker_count,
  COUNT(DISTINCT a.id) AS activity_count,
  MAX(a.date) AS last_activity_at,
  COUNT(DISTINCT t.id) FILTER (WHERE NOT t.completed) AS open_task_count,
  MIN(t.due_date) FILTER (WHERE NOT t.completed) AS next_task_due,
  COUNT(DISTINCT dm.id) AS meeting_count,
  ROUND(AVG(dm.meeting_impact_score), 2) AS average_meeting_impact
FROM deals d
JOIN deal_stages ds ON ds.id = d.stage_id
LEFT JOIN companies c ON c.id = d.company_id
LEFT JOIN contacts ct ON ct.id = d.primary_contact_id
LEFT JOIN deal_stakeholders s ON s.deal_id = d.id
LEFT JOIN activities a ON a.deal_id = d.id
LEFT JOIN tasks t ON t.deal_id = d.id
LEFT JOIN deal_meetings dm ON dm.deal_id = d.id
GROUP BY d.id, ds.name, ds.order_position, c.name, ct.full_name, ct.email;

CREATE OR REPLACE VIEW activities_with_complete_data AS
SELECT
  a.id, a.type, a.status, a.priority, a.date, a.client_name, a.sales_rep, a.amount, a.user_id,
  a.sentiment_score, a.engagement_quality, a.outcome_prediction, a.activity_source, a.urgency_score,
  p.email AS user_email,
  a.company_id,
  c.name AS company_name,
  a.contact_id,
  ct.full_name AS contact_name,
  a.deal_id,
  d.name AS deal_name,
  d.value AS deal_value,
  ds.name AS deal_stage_name,
  COUNT(DISTINCT ca.id) AS company_count,
  COUNT(DISTINCT ci.id) AS interaction_count,
  ROUND(AVG(ci.engagement_score), 2) AS average_engagement
FROM activities a
LEFT JOIN profiles p ON p.id = a.user_id
LEFT JOIN companies c ON c.id = a.company_id
LEFT JOIN contacts ct ON ct.id = a.contact_id
LEFT JOIN deals d ON d.id = a.deal_id
LEFT JOIN deal_stages ds ON ds.id = d.stage_id
LEFT JOIN company_activities ca ON ca.activity_id = a.id
LEFT JOIN contact_interactions ci ON ci.activity_id = a.id
GROUP BY a.id, p.email, c.name, ct.full_name, d.name, d.value, ds.name;
