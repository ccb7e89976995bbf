-- Triggers, rules, policies, views, sequences, types, domains, statistics, comments, privileges, functions.

-- base: shop
-- case: create_view
CREATE VIEW public.cheap AS SELECT * FROM public.child WHERE price < 10;
--= lock public.cheap AccessExclusiveLock new view
--= lock public.child AccessShareLock

-- case: create_or_replace_view
CREATE OR REPLACE VIEW public.child_names AS
SELECT c.id, p.name, c.note FROM public.child c JOIN public.parent p ON p.id = c.parent_id;
--= lock public.child AccessShareLock
--= lock public.child_names AccessExclusiveLock view
--= lock public.parent AccessShareLock
--= block public.child_names SELECT on public.child_names

-- case: drop_view
DROP VIEW public.child_names;
--= lock public.child_names AccessExclusiveLock view
--= block public.child_names SELECT on public.child_names

-- case: alter_view_option
ALTER VIEW public.child_names SET (security_barrier = true);
--= lock public.child_names AccessExclusiveLock view
--= block public.child_names SELECT on public.child_names

-- case: alter_view_default
ALTER VIEW public.child_names ALTER COLUMN name SET DEFAULT 'none';
--= lock public.child_names AccessExclusiveLock view
--= block public.child_names SELECT on public.child_names

-- case: rename_view
ALTER VIEW public.child_names RENAME TO names_of_children;
--= lock public.child_names AccessExclusiveLock view
--= block public.child_names SELECT on public.child_names

-- case: create_materialized_view
CREATE MATERIALIZED VIEW public.cheap AS SELECT * FROM public.child WHERE price < 10;
--= lock public.cheap AccessExclusiveLock new
--= lock public.child AccessShareLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= scan public.child rows=60 passes=1
--= 18: lock public.cheap ShareLock new
--= 18: lock public.cheap ExclusiveLock new

-- case: create_materialized_view_no_data
CREATE MATERIALIZED VIEW public.cheap AS SELECT * FROM public.child WITH NO DATA;
--= lock public.cheap AccessExclusiveLock new
--= lock public.child AccessShareLock

-- case: refresh_materialized_view
REFRESH MATERIALIZED VIEW public.totals;
--= lock public.child AccessShareLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.totals ShareLock
--= lock public.totals ExclusiveLock
--= lock public.totals AccessExclusiveLock
--= lock public.totals_parent_id_idx AccessExclusiveLock
--= rewrite public.totals
--= rebuild public.totals_parent_id_idx
--= scan public.child rows=60 passes=1
--= scan public.totals rows=20 passes=1
--= block public.totals SELECT on public.totals
--= 15: lock public.totals AccessShareLock

-- case: refresh_materialized_view_concurrently
REFRESH MATERIALIZED VIEW CONCURRENTLY public.totals;
--= lock public.child AccessShareLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.totals AccessShareLock
--= lock public.totals RowExclusiveLock
--= lock public.totals ExclusiveLock
--= lock public.totals_parent_id_idx AccessShareLock
--= lock public.totals_parent_id_idx RowExclusiveLock
--= scan public.child rows=60 passes=1
--= scan public.totals rows=20 passes=1

-- case: refresh_materialized_view_changed
UPDATE public.child SET amount = amount + 1 WHERE id < 10;
--= lock public.child RowExclusiveLock
--= lock public.child_note_idx RowExclusiveLock
--= lock public.child_parent_id_idx RowExclusiveLock
--= lock public.child_pkey RowExclusiveLock
--= scan public.child rows=60 passes=1
--= block public.child SELECT FOR UPDATE, UPDATE, DELETE on transactionid
REFRESH MATERIALIZED VIEW CONCURRENTLY public.totals;
--= lock public.child AccessShareLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.totals AccessShareLock
--= lock public.totals RowExclusiveLock
--= lock public.totals ExclusiveLock
--= lock public.totals_parent_id_idx AccessShareLock
--= lock public.totals_parent_id_idx RowExclusiveLock
--= scan public.child rows=60 passes=1
--= scan public.totals rows=40 passes=2

-- case: drop_materialized_view
DROP MATERIALIZED VIEW public.totals;
--= lock public.totals AccessExclusiveLock
--= lock public.totals_parent_id_idx AccessExclusiveLock
--= block public.totals SELECT on public.totals

-- case: rename_materialized_view
ALTER MATERIALIZED VIEW public.totals RENAME TO sums;
--= lock public.totals AccessExclusiveLock
--= block public.totals SELECT on public.totals

-- case: create_sequence
CREATE SEQUENCE public.more;
--= lock public.more AccessExclusiveLock new sequence

-- case: create_sequence_owned
CREATE SEQUENCE public.more OWNED BY public.loner.size;
--= lock public.loner AccessShareLock
--= lock public.more AccessExclusiveLock new sequence

-- case: alter_sequence
ALTER SEQUENCE public.counter INCREMENT BY 5;
--= lock public.counter RowExclusiveLock sequence
--= lock public.counter ShareRowExclusiveLock sequence

-- case: alter_sequence_of_column
ALTER SEQUENCE public.loner_id_seq CACHE 20;
--= lock public.loner_id_seq RowExclusiveLock sequence
--= lock public.loner_id_seq ShareRowExclusiveLock sequence
--= block public.loner INSERT on public.loner_id_seq

-- case: alter_sequence_restart
ALTER SEQUENCE public.loner_id_seq RESTART WITH 500;
--= lock public.loner_id_seq RowExclusiveLock sequence
--= lock public.loner_id_seq ShareRowExclusiveLock sequence
--= block public.loner INSERT on public.loner_id_seq

-- case: alter_sequence_type
ALTER SEQUENCE public.loner_id_seq AS bigint;
--= lock public.loner_id_seq RowExclusiveLock sequence
--= lock public.loner_id_seq ShareRowExclusiveLock sequence
--= block public.loner INSERT on public.loner_id_seq

-- case: alter_sequence_owned
ALTER SEQUENCE public.counter OWNED BY public.loner.size;
--= lock public.counter RowExclusiveLock sequence
--= lock public.counter ShareRowExclusiveLock sequence
--= lock public.loner AccessShareLock

-- case: rename_sequence
ALTER SEQUENCE public.loner_id_seq RENAME TO loner_numbers;
--= lock public.loner_id_seq AccessExclusiveLock sequence
--= block public.loner INSERT on public.loner_id_seq

-- case: drop_sequence
DROP SEQUENCE public.counter;
--= lock public.counter AccessExclusiveLock sequence

-- case: drop_sequence_cascade
DROP SEQUENCE public.loner_id_seq CASCADE;
--= lock public.loner AccessExclusiveLock
--= lock public.loner_id_seq AccessExclusiveLock sequence
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: setval
SELECT setval('public.loner_id_seq', 100);
--= lock public.loner_id_seq RowExclusiveLock sequence

-- case: comment_on_table
COMMENT ON TABLE public.child IS 'children';
--= lock public.child ShareUpdateExclusiveLock

-- case: comment_on_column
COMMENT ON COLUMN public.child.note IS 'a note';
--= lock public.child ShareUpdateExclusiveLock

-- case: comment_on_index
COMMENT ON INDEX public.child_note_idx IS 'an index';
--= lock public.child_note_idx ShareUpdateExclusiveLock

-- case: comment_on_constraint
COMMENT ON CONSTRAINT child_amount_check ON public.child IS 'a check';
--= lock public.child AccessShareLock

-- case: grant_select
GRANT SELECT ON public.child TO pg_monitor;
--= 18: lock public.child AccessShareLock

-- case: grant_on_all_tables
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pg_monitor;

-- case: revoke
REVOKE ALL ON public.child FROM PUBLIC;
--= 18: lock public.child AccessShareLock

-- case: create_function
CREATE FUNCTION public.price_of(int) RETURNS numeric LANGUAGE sql AS 'SELECT price FROM public.child WHERE id = $1';
--= lock public.child AccessShareLock

-- case: create_function_atomic
CREATE FUNCTION public.price_of(wanted int) RETURNS numeric LANGUAGE sql
BEGIN ATOMIC SELECT price FROM public.child WHERE id = wanted; END;
--= lock public.child AccessShareLock

-- case: create_statistics
CREATE STATISTICS public.child_stats ON note, amount FROM public.child;
--= lock public.child ShareUpdateExclusiveLock

-- case: create_trigger_on_child
CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER child_nothing BEFORE UPDATE ON public.child FOR EACH ROW EXECUTE FUNCTION public.nothing();
--= lock public.child ShareRowExclusiveLock
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: create_publication
CREATE PUBLICATION changes FOR TABLE public.child;
--= lock public.child ShareUpdateExclusiveLock

-- case: create_publication_for_all
CREATE PUBLICATION changes FOR ALL TABLES;

-- case: create_publication_for_schema
CREATE PUBLICATION changes FOR TABLES IN SCHEMA public;

-- case: alter_publication
CREATE PUBLICATION changes FOR TABLE public.child;
--= lock public.child ShareUpdateExclusiveLock
ALTER PUBLICATION changes ADD TABLE public.parent;
--= lock public.parent ShareUpdateExclusiveLock
ALTER PUBLICATION changes DROP TABLE public.child;
--= lock public.child ShareUpdateExclusiveLock

-- case: create_extension
CREATE EXTENSION IF NOT EXISTS pgrowlocks;

-- base: misc
-- case: create_trigger
CREATE TRIGGER audited_note_more AFTER UPDATE ON public.audited
    FOR EACH ROW EXECUTE FUNCTION public.note_change();
--= lock public.audited ShareRowExclusiveLock
--= block public.audited INSERT, UPDATE, DELETE on public.audited

-- case: create_or_replace_trigger
CREATE OR REPLACE TRIGGER audited_note AFTER INSERT OR DELETE ON public.audited
    FOR EACH ROW EXECUTE FUNCTION public.note_change();
--= lock public.audited ShareRowExclusiveLock
--= block public.audited INSERT, UPDATE, DELETE on public.audited

-- case: drop_trigger
DROP TRIGGER audited_note ON public.audited;
--= lock public.audited AccessShareLock
--= lock public.audited AccessExclusiveLock
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: drop_trigger_if_exists_absent
DROP TRIGGER IF EXISTS nothing ON public.audited;
--= brief public.audited AccessShareLock

-- case: rename_trigger
ALTER TRIGGER audited_note ON public.audited RENAME TO audited_remark;
--= lock public.audited AccessExclusiveLock
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: create_constraint_trigger
CREATE CONSTRAINT TRIGGER audited_check AFTER INSERT ON public.audited
    FROM public.homes DEFERRABLE FOR EACH ROW EXECUTE FUNCTION public.note_change();
--= lock public.audited ShareRowExclusiveLock
--= lock public.homes AccessShareLock
--= block public.audited INSERT, UPDATE, DELETE on public.audited

-- case: create_rule
CREATE RULE homes_nothing AS ON DELETE TO public.homes DO INSTEAD NOTHING;
--= lock public.homes AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes

-- case: drop_rule
DROP RULE ruled_log ON public.ruled;
--= lock public.ruled AccessShareLock
--= lock public.ruled AccessExclusiveLock
--= block public.ruled SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.ruled

-- case: rename_rule
ALTER RULE ruled_log ON public.ruled RENAME TO ruled_note;
--= lock public.ruled AccessExclusiveLock
--= block public.ruled SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.ruled

-- case: create_policy
CREATE POLICY all_secrets ON public.secrets FOR SELECT USING (true);
--= lock public.secrets AccessExclusiveLock
--= block public.secrets SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.secrets

-- case: create_policy_with_subquery
CREATE POLICY home_secrets ON public.secrets USING (id IN (SELECT h.id FROM public.homes h));
--= lock public.homes AccessShareLock
--= lock public.secrets AccessExclusiveLock
--= block public.secrets SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.secrets

-- case: alter_policy
ALTER POLICY own_secrets ON public.secrets USING (true);
--= lock public.secrets AccessExclusiveLock
--= block public.secrets SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.secrets

-- case: drop_policy
DROP POLICY own_secrets ON public.secrets;
--= lock public.secrets AccessShareLock
--= lock public.secrets AccessExclusiveLock
--= block public.secrets SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.secrets

-- case: drop_policy_if_exists_absent
DROP POLICY IF EXISTS nothing ON public.secrets;
--= brief public.secrets AccessShareLock

-- case: add_enum_value
ALTER TYPE public.mood ADD VALUE 'calm' BEFORE 'happy';

-- case: rename_enum_value
ALTER TYPE public.mood RENAME VALUE 'sad' TO 'gloomy';

-- case: rename_type
ALTER TYPE public.mood RENAME TO feeling;

-- case: drop_type_cascade
DROP TYPE public.mood CASCADE;
--= lock public.stock AccessExclusiveLock
--= block public.above SELECT on public.stock
--= block public.stock SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.stock
--= block public.stock_view SELECT on public.stock

-- case: add_attribute
ALTER TYPE public.address ADD ATTRIBUTE town text CASCADE;
--= lock public.address AccessExclusiveLock type
--= lock public.addresses AccessExclusiveLock
--= block public.addresses SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.addresses
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT on public.address

-- case: add_attribute_fails
ALTER TYPE public.address ADD ATTRIBUTE town text;
--= lock public.address AccessExclusiveLock type
--= error 2BP01

-- case: drop_attribute
ALTER TYPE public.address DROP ATTRIBUTE street CASCADE;
--= lock public.address AccessExclusiveLock type
--= lock public.addresses AccessExclusiveLock
--= block public.addresses SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.addresses
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT on public.address

-- case: rename_attribute
ALTER TYPE public.address RENAME ATTRIBUTE street TO road CASCADE;
--= lock public.address AccessExclusiveLock type
--= lock public.addresses AccessExclusiveLock
--= block public.addresses SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.addresses
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT on public.address

-- case: add_domain_constraint
ALTER DOMAIN public.positive ADD CONSTRAINT positive_small CHECK (VALUE < 100000);
--= lock public.stock ShareLock
--= brief public.stock_view ShareLock view
--= scan public.stock rows=18 passes=1
--= block public.stock INSERT, UPDATE, DELETE on public.stock

-- case: add_domain_constraint_not_valid
ALTER DOMAIN public.anything ADD CONSTRAINT anything_small CHECK (VALUE < 100000) NOT VALID;

-- case: validate_domain_constraint
ALTER DOMAIN public.anything ADD CONSTRAINT anything_small CHECK (VALUE < 100000) NOT VALID;
ALTER DOMAIN public.anything VALIDATE CONSTRAINT anything_small;
--= lock public.stock ShareLock
--= scan public.stock rows=18 passes=1
--= block public.stock INSERT, UPDATE, DELETE on public.stock

-- case: add_domain_constraint_fails
ALTER DOMAIN public.positive ADD CONSTRAINT positive_big CHECK (VALUE > 1);
--= lock public.stock ShareLock
--= brief public.stock_view ShareLock view
--= scan public.stock rows=1 passes=1
--= error 23514

-- case: set_domain_not_null
ALTER DOMAIN public.anything SET NOT NULL;
--= lock public.stock ShareLock
--= scan public.stock rows=18 passes=1
--= block public.stock INSERT, UPDATE, DELETE on public.stock

-- case: drop_domain_constraint
ALTER DOMAIN public.positive DROP CONSTRAINT positive_check;

-- case: drop_domain_cascade
DROP DOMAIN public.anything CASCADE;
--= lock public.stock AccessExclusiveLock
--= block public.above SELECT on public.stock
--= block public.stock SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.stock
--= block public.stock_view SELECT on public.stock

-- case: alter_statistics
ALTER STATISTICS public.audited_stats SET STATISTICS 500;

-- case: drop_statistics
DROP STATISTICS public.audited_stats;
--= lock public.audited ShareUpdateExclusiveLock

-- case: replace_trigger_function
CREATE OR REPLACE FUNCTION public.note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;

-- case: drop_function_cascade
DROP FUNCTION public.note_change() CASCADE;
--= lock public.audited AccessExclusiveLock
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: replace_view_below
CREATE OR REPLACE VIEW public.stock_view AS SELECT id, quantity, feeling FROM public.stock;
--= lock public.stock AccessShareLock
--= lock public.stock_view AccessExclusiveLock view
--= block public.above SELECT on public.stock_view
--= block public.stock_view SELECT on public.stock_view

-- case: drop_view_cascade
DROP VIEW public.stock_view CASCADE;
--= lock public.above AccessExclusiveLock view
--= lock public.stock_view AccessExclusiveLock view
--= block public.above SELECT on public.above
--= block public.stock_view SELECT on public.stock_view

-- case: alter_default_privileges
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor;

-- base: parts
-- case: create_trigger_on_partitioned
CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER events_nothing AFTER INSERT ON public.events FOR EACH ROW EXECUTE FUNCTION public.nothing();
--= lock public.events ShareRowExclusiveLock
--= lock public.events_2024 ShareRowExclusiveLock
--= lock public.events_2025 ShareRowExclusiveLock
--= lock public.events_default ShareRowExclusiveLock
--= block public.events INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_default INSERT, UPDATE, DELETE on public.events_default

-- case: replace_view_on_partitioned
CREATE OR REPLACE VIEW public.recent AS SELECT id, body FROM public.events WHERE happened > '2025-09-01';
--= lock public.events AccessShareLock
--= lock public.recent AccessExclusiveLock view
--= block public.recent SELECT on public.recent

-- case: create_policy_on_partitioned
CREATE POLICY all_events ON public.events USING (true);
--= lock public.events AccessExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 INSERT, UPDATE on public.events
--= block public.events_2025 INSERT, UPDATE on public.events
--= block public.events_default INSERT, UPDATE on public.events
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.events

-- case: comment_on_partitioned
COMMENT ON TABLE public.events IS 'what happened';
--= lock public.events ShareUpdateExclusiveLock
