-- Two users, a user without a profile, an administrator; companies of one name, and one that was merged.
INSERT INTO auth.users (id, email) VALUES
    ('00000000-0000-0000-0000-000000000001', 'ann@crm'),
    ('00000000-0000-0000-0000-000000000002', 'ben@crm'),
    ('00000000-0000-0000-0000-000000000003', 'eve@crm'),
    ('00000000-0000-0000-0000-000000000004', 'admin@crm');

INSERT INTO profiles (id, email, first_name, is_admin) VALUES
    ('00000000-0000-0000-0000-000000000001', 'ann@crm', 'Ann', false),
    ('00000000-0000-0000-0000-000000000002', 'ben@crm', 'Ben', false),
    ('00000000-0000-0000-0000-000000000004', 'admin@crm', 'Ada', true);

INSERT INTO deal_stages (name, color, order_position, default_probability) VALUES ('SQL', '#fff', 1, 25);

INSERT INTO companies (name, domain, owner_id, created_at) VALUES
    ('Acme Ltd', 'acme.com', '00000000-0000-0000-0000-000000000001', '2024-01-01'),
    ('Twin Co', 'ann', '00000000-0000-0000-0000-000000000001', '2024-01-02'),
    ('Twin Co', 'ben', '00000000-0000-0000-0000-000000000002', '2024-01-03');

INSERT INTO companies (name, owner_id, is_merged, merged_into_id)
SELECT 'Old Name', owner_id, true, id FROM companies WHERE name = 'Acme Ltd';

INSERT INTO contacts (email, first_name, owner_id, company_id)
SELECT 'Jane@Acme.com', 'Jane', owner_id, id FROM companies WHERE name = 'Acme Ltd';
