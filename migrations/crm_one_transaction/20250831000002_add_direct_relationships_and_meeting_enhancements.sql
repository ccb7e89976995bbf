BEGIN;
-- 20250831000002: add direct relationships and meeting enhancements
-- Meeting intelligence, activity to meeting links, meeting sequences and automated relationship inference.

-- meetings
ALTER TABLE meetings
  ADD COLUMN IF NOT EXISTS deal_count INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS primary_deal_id UUID REFERENCES deals(id) ON DELETE SET NULL,
  ADD COLUMN IF NOT EXISTS activities_generated_count INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS tasks_generated_count INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS meeting_type TEXT NOT NULL DEFAULT 'other' CHECK (meeting_type IN (
    'discovery', 'demo', 'proposal_presentation', 'negotiation', 'closing', 'check_in', 'technical_review',
    'stakeholder_alignment', 'decision_maker_meeting', 'other'
  )),
  ADD COLUMN IF NOT EXISTS meeting_outcome TEXT NOT NULL DEFAULT 'pending' CHECK (meeting_outcome IN (
    'positive', 'neutral', 'negative', 'no_show', 'reschedule', 'cancelled', 'pending'
  )),
  ADD COLUMN IF NOT EXISTS next_steps TEXT,
  ADD COLUMN IF NOT EXISTS decision_timeline TEXT,
  ADD COLUMN IF NOT EXISTS budget_discussed BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS timeline_discussed BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS competitors_discussed BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS decision_makers_identified BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS meeting_quality_score DECIMAL(3,2) NOT NULL DEFAULT 0.0 CHECK (meeting_quality_score >= 0 AND meeting_quality_score <= 1),
  ADD COLUMN IF NOT EXISTS engagement_level TEXT CHECK (engagement_level IN ('low', 'medium', 'high', 'excellent')),
  ADD COLUMN IF NOT EXISTS follow_up_required BOOLEAN NOT NULL DEFAULT true,
  ADD COLUMN IF NOT EXISTS follow_up_scheduled BOOLEAN NOT NULL DEFAULT false;

-- meeting_action_items
ALTER TABLE meeting_action_items
  ADD COLUMN IF NOT EXISTS deal_id UUID REFERENCES deals(id) ON DELETE SET NULL,
  ADD COLUMN IF NOT EXISTS company_id UUID REFERENCES companies(id) ON DELETE SET NULL,
  ADD COLUMN IF NOT EXISTS contact_id UUID REFERENCES contacts(id) ON DELETE CASCADE,
  ADD COLUMN IF NOT EXISTS estimated_effort_hours DECIMAL(4,1) CHECK (estimated_effort_hours > 0),
  ADD COLUMN IF NOT EXISTS business_impact TEXT NOT NULL DEFAULT 'medium' CHECK (business_impact IN ('low', 'medium', 'high', 'critical')),
  ADD COLUMN IF NOT EXISTS follow_up_meeting_required BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS technical_requirement BOOLEAN NOT NULL DEFAULT false;

-- deal_meetings
ALTER TABLE deal_meetings
  ADD COLUMN IF NOT EXISTS stage_at_meeting_id UUID REFERENCES deal_stages(id) ON DELETE SET NULL,
  ADD COLUMN IF NOT EXISTS stage_after_meeting_id UUID REFERENCES deal_stages(id) ON DELETE SET NULL,
  ADD COLUMN IF NOT EXISTS stage_changed BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS moved_deal_forward BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS attendee_count INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS external_attendee_count INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS decision_makers_present INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS objections_raised TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS competitors_mentioned TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS commitments_made TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS next_meeting_scheduled BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS notes TEXT;

-- activity_meetings
CREATE TABLE IF NOT EXISTS activity_meetings (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  activity_id UUID NOT NULL REFERENCES activities (id) ON DELETE CASCADE,
  meeting_id UUID NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
  relationship_type TEXT NOT NULL CHECK (relationship_type IN (
    'preparation', 'follow_up', 'related', 'generated_from', 'scheduled_during'
  )),
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  UNIQUE (activity_id, meeting_id)
);

-- meeting_sequences
CREATE TABLE IF NOT EXISTS meeting_sequences (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  sequence_name TEXT NOT NULL,
  company_id UUID NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
  deal_id UUID REFERENCES deals (id) ON DELETE CASCADE,
  sequence_order INTEGER NOT NULL CHECK (sequence_order >= 1),
  meeting_id UUID NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
  planned_next_meeting TIMESTAMPTZ,
  sequence_completed BOOLEAN NOT NULL DEFAULT false,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  UNIQUE (sequence_name, company_id, sequence_order)
);

-- Performance indexes
CREATE INDEX IF NOT EXISTS idx_activity_meetings_meeting ON activity_meetings(meeting_id, relationship_type);
CREATE INDEX IF NOT EXISTS idx_meeting_sequences_meeting ON meeting_sequences(meeting_id);
CREATE INDEX IF NOT EXISTS idx_meeting_sequences_deal ON meeting_sequences(deal_id);
CREATE INDEX IF NOT EXISTS idx_meeting_sequences_company ON meeting_sequences(company_id, sequence_completed);
CREATE INDEX IF NOT EXISTS idx_deals_company_created ON deals(company_id, created_at DESC, id);
CREATE INDEX IF NOT EXISTS idx_deals_primary_contact_created ON deals(primary_contact_id, created_at DESC, id);
CREATE INDEX IF NOT EXISTS idx_meetings_primary_deal ON meetings(primary_deal_id);
CREATE INDEX IF NOT EXISTS idx_meetings_meeting_type ON meetings(meeting_type);
CREATE INDEX IF NOT EXISTS idx_meetings_meeting_outcome ON meetings(meeting_outcome);
CREATE INDEX IF NOT EXISTS idx_meetings_quality_score ON meetings(meeting_quality_score DESC);
CREATE INDEX IF NOT EXISTS idx_meetings_follow_up
  ON meetings(owner_user_id, meeting_start DESC) WHERE follow_up_required AND NOT follow_up_scheduled;
CREATE INDEX IF NOT EXISTS idx_meeting_action_items_deal ON meeting_action_items(deal_id);
CREATE INDEX IF NOT EXISTS idx_meeting_action_items_company ON meeting_action_items(company_id);
CREATE INDEX IF NOT EXISTS idx_meeting_action_items_contact ON meeting_action_items(contact_id);
CREATE INDEX IF NOT EXISTS idx_deal_meetings_stage_at_meeting ON deal_meetings(stage_at_meeting_id);
CREATE INDEX IF NOT EXISTS idx_deal_meetings_stage_after_meeting ON deal_meetings(stage_after_meeting_id);
CREATE INDEX IF NOT EXISTS idx_deal_meetings_progression ON deal_meetings(deal_id) WHERE moved_deal_forward;

-- Infer which deals a meeting belongs to, from shared company or contact and date
CREATE OR REPLACE FUNCTION infer_meeting_deal_relationships()
RETURNS INTEGER AS $$
DECLARE
  inserted_count INTEGER;
BEGIN
  INSERT INTO deal_meetings (deal_id, meeting_id, meeting_impact_score)
  SELECT DISTINCT
    d.id,
    m.id,
    CASE
      WHEN m.sentiment_score > 0.3 THEN 0.8
      WHEN m.sentiment_score < -0.3 THEN 0.2
      ELSE 0.5
    END
  FROM meetings m
  JOIN deals d ON d.company_id = m.company_id OR d.primary_contact_id = m.primary_contact_id
  WHERE m.meeting_start >= d.created_at - INTERVAL '7 days'
    AND m.meeting_start <= COALESCE(d.expected_close_date, CURRENT_DATE) + INTERVAL '30 days'
    AND NOT EXISTS (
      SELECT 1 FROM deal_meetings dm WHERE dm.deal_id = d.id AND dm.meeting_id = m.id
    );

  GET DIAGNOSTICS inserted_count = ROW_COUNT;
  RETURN inserted_count;
END;
$$ LANGUAGE plpgsql;

-- Link activities to companies by e-mail address and domain
CREATE OR REPLACE FUNCTION populate_company_activity_relationships()
RETURNS INTEGER AS $$
DECLARE
  inserted_count INTEGER;
BEGIN
  INSERT INTO company_activities (company_id, activity_id, relationship_strength)
  SELECT DISTINCT ON (a.id) c.id, a.id, 0.8
  FROM activities a
  LEFT JOIN contacts ct ON ct.email ILIKE a.contact_identifier
  JOIN companies c ON c.id = ct.company_id OR c.domain = LOWER(SPLIT_PART(a.contact_identifier, '@', 2))
  WHERE a.contact_identifier LIKE '%@%'
    AND NOT EXISTS (SELECT 1 FROM company_activities ca WHERE ca.activity_id = a.id)
  ORDER BY a.id, c.created_at;

  GET DIAGNOSTICS inserted_count = ROW_COUNT;
  RETURN inserted_count;
END;
$$ LANGUAGE plpgsql;

-- Create follow-up work from a meeting and its action items
CREATE OR REPLACE FUNCTION create_meeting_follow_up_activities(meeting UUID, create_tasks BOOLEAN DEFAULT true)
RETURNS TABLE (activities_created INTEGER, tasks_created INTEGER) AS $$
DECLARE
  m meetings%ROWTYPE;
  activity UUID;
  item RECORD;
BEGIN
  SELECT * INTO m FROM meetings WHERE id = meeting;

  INSERT INTO activities (user_id, type, status, client_name, sales_rep, details, date, company_id, contact_id, deal_id)
  VALUES (
    m.owner_user_id, 'outbound', 'pending',
    COALESCE((SELECT name FROM companies WHERE id = m.company_id), 'Unknown'),
    COALESCE((SELECT email FROM profiles WHERE id = m.owner_user_id), 'Unknown'),
    'Follow up: ' || COALESCE(m.title, 'meeting'),
    NOW() + INTERVAL '1 day', m.company_id, m.primary_contact_id, m.primary_deal_id
  )
  RETURNING id INTO activity;
  activities_created := 1;

  INSERT INTO activity_meetings (activity_id, meeting_id, relationship_type)
  VALUES (activity, meeting, 'generated_from');

  tasks_created := 0;
  IF create_tasks THEN
    FOR item IN SELECT * FROM meeting_action_items WHERE meeting_id = meeting AND NOT completed LOOP
      INSERT INTO tasks (title, due_date, task_type, assigned_to, created_by, deal_id, company_id, contact_id, auto_generated, context_data)
      VALUES (
        item.title, item.due_date, 'follow_up', m.owner_user_id, m.owner_user_id,
        m.primary_deal_id, m.company_id, m.primary_contact_id, true,
        jsonb_build_object('meeting_id', meeting, 'meeting_action_item_id', item.id)
      );
      tasks_created := tasks_created + 1;
    END LOOP;
  END IF;

  UPDATE meetings
  SET activities_generated_count = activities_generated_count + activities_created,
      tasks_generated_count = tasks_generated_count + create_meeting_follow_up_activities.tasks_created,
      follow_up_scheduled = true
  WHERE id = meeting;

  RETURN NEXT;
END;
$$ LANGUAGE plpgsql;

-- Backfill historical data
SELECT infer_meeting_deal_relationships();
SELECT populate_company_activity_relationships();

UPDATE meetings m
SET deal_count = (SELECT COUNT(*) FROM deal_meetings dm WHERE dm.meeting_id = m.id),
    primary_deal_id = (SELECT dm.deal_id FROM deal_meetings dm WHERE dm.meeting_id = m.id ORDER BY dm.meeting_impact_score DESC, dm.id LIMIT 1);

-- Views
CREATE OR REPLACE VIEW deal_meeting_analytics AS
SELECT
  d.id AS deal_id,
  d.name AS deal_name,
  d.owner_id,
  d.status,
  d.value,
  ds.name AS stage_name,
  COALESCE(c.name, d.company) AS company_name,
  COUNT(DISTINCT m.id) AS meeting_count,
  MIN(m.meeting_start) AS first_meeting_at,
  MAX(m.meeting_start) AS last_meeting_at,
  COALESCE(SUM(m.duration_minutes), 0) AS total_minutes,
  ROUND(AVG(dm.meeting_impact_score), 2) AS average_impact,
  ROUND(AVG(m.sentiment_score), 2) AS average_sentiment,
  COUNT(*) FILTER (WHERE dm.meeting_outcome = 'positive') AS positive_outcomes,
  COUNT(*) FILTER (WHERE dm.moved_deal_forward) AS forward_moves,
  COALESCE(SUM(dm.external_attendee_count), 0) AS external_attendees,
  (SELECT COUNT(*) FROM meeting_action_items ai JOIN deal_meetings x ON x.meeting_id = ai.meeting_id
   WHERE x.deal_id = d.id AND NOT ai.completed) AS open_action_items
FROM deals d
JOIN deal_stages ds ON ds.id = d.stage_id
LEFT JOIN companies c ON c.id = d.company_id
LEFT JOIN deal_meetings dm ON dm.deal_id = d.id
LEFT JOIN meetings m ON m.id = dm.meeting_id
GROUP BY d.id, ds.name, c.name;

CREATE OR REPLACE VIEW meetings_with_complete_relationships AS
SELECT
  m.id, m.title, m.meeting_start, m.meeting_end, m.duration_minutes, m.owner_user_id,
  p.email AS owner_email,
  m.meeting_type, m.meeting_outcome, m.meeting_quality_score, m.sentiment_score,
  m.follow_up_required, m.follow_up_scheduled,
  m.company_id,
  c.name AS company_name,
  m.primary_contact_id,
  ct.full_name AS contact_name,
  m.primary_deal_id,
  pd.name AS primary_deal_name,
  COUNT(DISTINCT dm.deal_id) AS deal_count,
  COALESCE(SUM(DISTINCT d.value), 0) AS total_deal_value,
  COUNT(DISTINCT ma.id) AS attendee_count,
  COUNT(DISTINCT ma.id) FILTER (WHERE ma.is_external) AS external_attendee_count,
  COUNT(DISTINCT ai.id) AS action_item_count,
  COUNT(DISTINCT ai.id) FILTER (WHERE NOT ai.completed) AS open_action_item_count,
  COUNT(DISTINCT am.activity_id) AS activity_count
FROM meetings m
LEFT JOIN profiles p ON p.id = m.owner_user_id
LEFT JOIN companies c ON c.id = m.company_id
LEFT JOIN contacts ct ON ct.id = m.primary_contact_id
LEFT JOIN deals pd ON pd.id = m.primary_deal_id
LEFT JOIN deal_meetings dm ON dm.meeting_id = m.id
LEFT JOIN deals d ON d.id = dm.deal_id
LEFT JOIN meeting_attendees ma ON ma.meeting_id = m.id
LEFT JOIN meeting_action_items ai ON ai.meeting_id = m.id
LEFT JOIN activity_meetings am ON am.meeting_id = m.id
GROUP BY m.id, p.email, c.name, ct.full_name, pd.name;
COMMIT;
