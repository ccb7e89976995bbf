-- What happened with the deals: linked ones, activities known by a contact or by an address, a meeting with twelve items.
UPDATE deals SET company_id = (SELECT id FROM companies WHERE domain = 'ann') WHERE name = 'linked';

INSERT INTO activities (user_id, type, client_name, sales_rep, date, contact_id, deal_id)
SELECT d.owner_id, 'outbound', 'Acme', 'Ann', now() - interval '1 day', ct.id, d.id
FROM contacts AS ct, deals AS d
WHERE d.name = 'spacing and case' AND ct.first_name = 'Jane';

INSERT INTO activities (user_id, type, client_name, sales_rep, date, contact_identifier)
SELECT p.id, 'sale', 'Unknown', 'Ann', now() - interval '2 days', address
FROM profiles AS p, (VALUES (' JANE@ACME.COM'), ('nobody@gmail.com')) AS known (address)
WHERE p.first_name = 'Ann';

INSERT INTO activities (user_id, type, client_name, sales_rep, date, company_id)
SELECT owner_id, 'proposal', 'Twin', 'Ben', now() - interval '3 days', id FROM companies WHERE domain = 'ben';

INSERT INTO tasks (title, assigned_to, created_by, due_date, deal_id)
SELECT 'Call back', owner_id, owner_id, now() - interval '1 day', id FROM deals WHERE name = 'linked';

INSERT INTO meetings (recording_id, title, meeting_start, owner_user_id, company_id, primary_contact_id, sentiment_score)
SELECT 'r1', 'Kick-off', now() - interval '23 hours', ct.owner_id, ct.company_id, ct.id, 0.5
FROM contacts AS ct
WHERE ct.first_name = 'Jane';

INSERT INTO meeting_action_items (meeting_id, title, assignee, priority, due_date)
SELECT m.id, 'Item ' || n, 'Ann', CASE n WHEN 1 THEN 'whatever' ELSE 'high' END, now() + n * interval '1 day'
FROM meetings AS m, generate_series(1, 12) AS n;
