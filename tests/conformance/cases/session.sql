-- Search paths, prepared statements, cursors, deferred constraints, commands without a table's name.

-- base: misc
-- case: search_path
SET search_path = app, public;
ALTER TABLE second ADD COLUMN extra int;
--= lock app.second AccessExclusiveLock
--= block app.first DELETE on app.second
--= block app.second SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on app.second

-- case: search_path_of_another_schema
SET search_path = public;
ALTER TABLE app.second DROP COLUMN first_id;
--= lock app.first AccessExclusiveLock
--= lock app.second AccessExclusiveLock
--= block app.first SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on app.first
--= block app.second SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on app.second
--= block public.user_of_app INSERT on app.first

-- case: reassign_owned
CREATE ROLE conformance_heir;
ALTER TABLE public.homes OWNER TO conformance_heir;
--= lock public.homes AccessExclusiveLock
--= lock public.homes_pkey AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes
REASSIGN OWNED BY conformance_heir TO CURRENT_USER;
--= lock public.homes AccessExclusiveLock
--= lock public.homes_pkey AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes
DROP ROLE conformance_heir;

-- case: set_role
CREATE ROLE conformance_actor;
ALTER TABLE public.homes OWNER TO conformance_actor;
--= lock public.homes AccessExclusiveLock
--= lock public.homes_pkey AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes
SET ROLE conformance_actor;
ALTER TABLE public.homes ADD COLUMN extra int;
--= lock public.homes AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes
RESET ROLE;
ALTER TABLE public.homes OWNER TO CURRENT_USER;
--= lock public.homes AccessExclusiveLock
--= lock public.homes_pkey AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes
DROP ROLE conformance_actor;

-- case: alter_function
ALTER FUNCTION public.volatile_sql() STABLE;

-- case: set_schema_of_type
ALTER TYPE public.mood SET SCHEMA app;

-- case: set_schema_of_function
ALTER FUNCTION public.note_change() SET SCHEMA app;

-- case: event_trigger
CREATE FUNCTION public.say() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', tg_tag; END $$;
CREATE EVENT TRIGGER says ON ddl_command_start EXECUTE FUNCTION public.say();
ALTER TABLE public.homes ADD COLUMN extra int;
--= lock public.homes AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes

-- case: drop_trigger_function_fails
DROP FUNCTION public.note_change();
--= error 2BP01

-- case: rename_domain
ALTER DOMAIN public.positive RENAME TO above_zero;

-- case: drop_type_in_use
DROP TYPE public.address;
--= lock public.address AccessExclusiveLock type
--= lock public.addresses AccessExclusiveLock
--= lock public.homes AccessExclusiveLock
--= error 2BP01

-- case: function_with_exception
CREATE FUNCTION public.try_column() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABLE public.stock ADD COLUMN id int;
EXCEPTION WHEN duplicate_column THEN
    ALTER TABLE public.stock ADD COLUMN another int;
END $$;
SELECT public.try_column();
--= lock public.stock AccessExclusiveLock
--= block public.above SELECT on public.stock
--= block public.stock SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.stock
--= block public.stock_view SELECT on public.stock

-- case: procedure_in_loop
CREATE PROCEDURE public.in_batches() LANGUAGE plpgsql AS $$
BEGIN
    FOR batch IN 0..1 LOOP
        UPDATE public.audited SET label = 'done' WHERE id % 2 = batch;
        COMMIT;
    END LOOP;
END $$;
CALL public.in_batches();
--= plain
--= lock public.audited RowExclusiveLock
--= lock public.audited_pkey RowExclusiveLock
--= scan public.audited rows=32 passes=2

-- base: wide
-- case: deferred_constraint_fails
INSERT INTO public.booking (room, place) VALUES (1, 1);
--= lock public.booking RowExclusiveLock
--= lock public.booking_id_seq RowExclusiveLock sequence
--= brief public.booking_pkey RowExclusiveLock
--= brief public.booking_place_key RowExclusiveLock
--= error 23505

-- case: deferred_constraint_met
BEGIN;
UPDATE public.booking SET place = 16 - place;
--= lock public.booking RowExclusiveLock
--= lock public.booking_pkey RowExclusiveLock
--= lock public.booking_place_key RowExclusiveLock
--= scan public.booking rows=15 passes=1
--= block public.booking SELECT FOR UPDATE, UPDATE, DELETE on transactionid
COMMIT;

-- case: vacuum_analyze_all
ANALYZE;
--= lock public.booking ShareUpdateExclusiveLock
--= lock public.booking_pkey AccessShareLock
--= lock public.booking_place_key AccessShareLock
--= lock public.quick ShareUpdateExclusiveLock
--= lock public.quick_id_idx AccessShareLock
--= lock public.wide ShareUpdateExclusiveLock
--= lock public.wide_number_idx AccessShareLock
--= lock public.wide_pkey AccessShareLock
--= lock public.wide_seen_idx AccessShareLock
--= lock public.wide_word_idx AccessShareLock

-- case: vacuum_index_cleanup_off
VACUUM (INDEX_CLEANUP OFF, TRUNCATE OFF) public.wide;
--= plain
--= lock public.wide ShareUpdateExclusiveLock
--= lock public.wide_number_idx RowExclusiveLock
--= lock public.wide_pkey RowExclusiveLock
--= lock public.wide_seen_idx RowExclusiveLock
--= lock public.wide_word_idx RowExclusiveLock
--= brief public.wide AccessShareLock

-- case: reindex_system_free
REINDEX (VERBOSE) TABLE public.quick;
--= lock public.quick ShareLock
--= lock public.quick_id_idx AccessExclusiveLock
--= rebuild public.quick_id_idx
--= scan public.quick rows=30 passes=1
--= block public.quick SELECT, SELECT FOR UPDATE on public.quick_id_idx
--= block public.quick INSERT, UPDATE, DELETE on public.quick

-- case: cluster_again
CLUSTER public.wide USING wide_number_idx;
--= lock public.wide ShareLock
--= lock public.wide AccessExclusiveLock
--= lock public.wide_number_idx AccessShareLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_pkey AccessShareLock
--= lock public.wide_pkey AccessExclusiveLock
--= lock public.wide_seen_idx AccessShareLock
--= lock public.wide_seen_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessShareLock
--= lock public.wide_word_idx AccessExclusiveLock
--= rewrite public.wide
--= rebuild public.wide_number_idx
--= rebuild public.wide_pkey
--= rebuild public.wide_seen_idx
--= rebuild public.wide_word_idx
--= scan public.wide rows=200 passes=5
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide
CLUSTER public.wide;
--= lock public.wide ShareLock
--= lock public.wide AccessExclusiveLock
--= lock public.wide_number_idx AccessShareLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_pkey AccessShareLock
--= lock public.wide_pkey AccessExclusiveLock
--= lock public.wide_seen_idx AccessShareLock
--= lock public.wide_seen_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessShareLock
--= lock public.wide_word_idx AccessExclusiveLock
--= rewrite public.wide
--= rebuild public.wide_number_idx
--= rebuild public.wide_pkey
--= rebuild public.wide_seen_idx
--= rebuild public.wide_word_idx
--= scan public.wide rows=200 passes=5
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide

-- case: set_session_replication_role
SET session_replication_role = replica;
DELETE FROM public.wide WHERE id = 3;
--= lock public.wide RowExclusiveLock
--= lock public.wide_number_idx RowExclusiveLock
--= lock public.wide_pkey RowExclusiveLock
--= lock public.wide_seen_idx RowExclusiveLock
--= lock public.wide_word_idx RowExclusiveLock
--= scan public.wide rows=40 passes=1
--= block public.wide SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- base: shop
-- case: select_into
SELECT id, amount INTO public.fresh FROM public.child WHERE amount > 20;
--= lock public.child AccessShareLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.fresh AccessExclusiveLock new
--= scan public.child rows=60 passes=1

-- case: explain_analyze
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE public.loner SET size = 3;
--= lock public.loner RowExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: prepare_and_execute
PREPARE change AS UPDATE public.loner SET size = $1 WHERE id = $2;
--= lock public.loner RowExclusiveLock
EXECUTE change(4, 5);
--= lock public.loner RowExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: cursor
BEGIN;
DECLARE rows CURSOR FOR SELECT * FROM public.loner FOR UPDATE;
--= lock public.loner RowShareLock
FETCH 3 FROM rows;
--= scan public.loner rows=3 passes=1
--= block public.loner SELECT FOR UPDATE, UPDATE, DELETE on transactionid
COMMIT;

-- case: writing_with_clause
WITH gone AS (DELETE FROM public.item WHERE id > 25 RETURNING child_id)
UPDATE public.child SET note = 'left' WHERE id IN (SELECT child_id FROM gone);
--= lock public.child RowExclusiveLock
--= lock public.child_note_idx RowExclusiveLock
--= lock public.child_parent_id_idx RowExclusiveLock
--= lock public.child_pkey RowExclusiveLock
--= lock public.item RowExclusiveLock
--= lock public.item_pkey RowExclusiveLock
--= scan public.child rows=60 passes=1
--= scan public.item rows=30 passes=1
--= block public.child SELECT FOR UPDATE, UPDATE, DELETE on transactionid
--= block public.item SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: create_recursive_view
CREATE RECURSIVE VIEW public.numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 3;
--= lock public.numbers AccessExclusiveLock new view

-- case: replace_view_unchanged
CREATE OR REPLACE VIEW public.child_names AS
SELECT c.id, p.name FROM public.child c JOIN public.parent p ON p.id = c.parent_id;
--= lock public.child AccessShareLock
--= lock public.child_names AccessExclusiveLock view
--= lock public.parent AccessShareLock
--= block public.child_names SELECT on public.child_names

-- case: view_set_schema
CREATE SCHEMA attic;
ALTER VIEW public.child_names SET SCHEMA attic;
--= lock public.child_names AccessExclusiveLock view
--= block public.child_names SELECT on public.child_names

-- case: view_owner
ALTER VIEW public.child_names OWNER TO pg_database_owner;
--= lock public.child_names AccessExclusiveLock view
--= block public.child_names SELECT on public.child_names

-- case: refresh_with_no_data
REFRESH MATERIALIZED VIEW public.totals WITH NO DATA;
--= lock public.totals ShareLock
--= lock public.totals ExclusiveLock
--= lock public.totals AccessExclusiveLock
--= lock public.totals_parent_id_idx AccessExclusiveLock
--= rewrite public.totals
--= rebuild public.totals_parent_id_idx
--= block public.totals SELECT on public.totals

-- case: sequence_owned_by_none
ALTER SEQUENCE public.loner_id_seq OWNED BY NONE;
--= lock public.loner_id_seq RowExclusiveLock sequence
--= lock public.loner_id_seq ShareRowExclusiveLock sequence
--= block public.loner INSERT on public.loner_id_seq

-- case: drop_extension
CREATE EXTENSION pgrowlocks;
DROP EXTENSION pgrowlocks;

-- case: alter_constraint_of_replaced_key
ALTER TABLE public.item DROP CONSTRAINT item_child_id_fkey, ADD CONSTRAINT item_child_id_fkey
    FOREIGN KEY (child_id) REFERENCES public.child (id) NOT VALID;
--= lock public.child AccessShareLock
--= lock public.child ShareRowExclusiveLock
--= lock public.child AccessExclusiveLock
--= lock public.item AccessShareLock
--= lock public.item ShareRowExclusiveLock
--= lock public.item AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.parent DELETE on public.child
--= 18: lock public.child_pkey AccessShareLock
ALTER TABLE public.item VALIDATE CONSTRAINT item_child_id_fkey;
--= lock public.child AccessShareLock
--= lock public.child RowShareLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.item AccessShareLock
--= lock public.item ShareUpdateExclusiveLock
--= lock public.item_pkey AccessShareLock
--= scan public.child rows=60 passes=1
--= scan public.item rows=30 passes=1

-- case: lock_timeout_set
SET lock_timeout = '2s';
ALTER TABLE public.child ADD COLUMN extra int;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child
RESET lock_timeout;

-- case: update_key_of_parent_row
BEGIN;
INSERT INTO public.parent (id, name) VALUES (50, 'fifty');
--= lock public.parent RowExclusiveLock
--= brief public.parent_pkey RowExclusiveLock
UPDATE public.parent SET id = 51 WHERE id = 50;
--= lock public.child RowShareLock
--= lock public.child_note_idx RowShareLock
--= lock public.child_parent_id_idx RowShareLock
--= lock public.child_pkey RowShareLock
--= lock public.parent RowShareLock
--= lock public.parent_pkey RowShareLock
--= lock public.parent_pkey RowExclusiveLock
--= scan public.parent rows=42 passes=2
--= scan public.child rows=60 passes=1
DELETE FROM public.parent WHERE id = 51;
--= scan public.parent rows=41 passes=2
--= scan public.child rows=60 passes=1
COMMIT;

-- case: rows_locked_for_update
-- A foreign key's check locks the parent's row FOR KEY SHARE, and waits.
SELECT id FROM public.parent FOR UPDATE;
--= lock public.parent RowShareLock
--= lock public.parent_pkey RowShareLock
--= scan public.parent rows=20 passes=1
--= block public.child INSERT on transactionid
--= block public.parent SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: rows_locked_for_no_key_update
SELECT id FROM public.parent FOR NO KEY UPDATE;
--= lock public.parent RowShareLock
--= lock public.parent_pkey RowShareLock
--= scan public.parent rows=20 passes=1
--= block public.parent SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: create_index_then_fail
BEGIN;
CREATE INDEX loner_label_idx ON public.loner (label);
--= lock public.loner ShareLock
--= lock public.loner_label_idx AccessExclusiveLock new
--= scan public.loner rows=25 passes=1
--= block public.loner INSERT, UPDATE, DELETE on public.loner
ALTER TABLE public.loner ADD CONSTRAINT loner_size_key UNIQUE (size);
--= lock public.loner AccessExclusiveLock
--= brief public.loner AccessShareLock
--= scan public.loner rows=25 passes=1
--= error 23505

-- case: set_constraints
SET CONSTRAINTS ALL DEFERRED;
DELETE FROM public.item WHERE id = 4;
--= lock public.item RowExclusiveLock
--= lock public.item_pkey RowExclusiveLock
--= scan public.item rows=30 passes=1
--= block public.child DELETE on transactionid
--= block public.item SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- base: parts
-- case: truncate_only_partitioned
TRUNCATE ONLY public.regions;
--= lock public.regions AccessExclusiveLock
--= error 42809

-- case: detach_and_drop
ALTER TABLE public.events DETACH PARTITION public.events_2024;
--= lock public.events AccessExclusiveLock
--= lock public.events_2024 AccessShareLock
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2024_kind_idx AccessExclusiveLock
--= lock public.events_2024_pkey AccessExclusiveLock
--= lock public.events_default AccessExclusiveLock
--= lock public.kinds ShareRowExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 INSERT, UPDATE on public.events
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds INSERT, UPDATE, DELETE on public.kinds
--= block public.recent SELECT on public.events
DROP TABLE public.events_2024;
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2024_kind_idx AccessExclusiveLock
--= lock public.events_2024_pkey AccessExclusiveLock
--= lock public.kinds AccessExclusiveLock
--= block public.events INSERT on public.kinds
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 INSERT on public.kinds
--= block public.events_default INSERT on public.kinds
--= block public.kinds SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kinds

-- case: move_between_partitions
WITH moved AS (DELETE FROM public.events_default WHERE id = 100 RETURNING *)
INSERT INTO public.events SELECT id, date '2025-02-02', kind, body FROM moved;
--= lock public.events RowExclusiveLock
--= lock public.events_2025 RowExclusiveLock
--= lock public.events_default RowExclusiveLock
--= lock public.events_default_kind_idx RowExclusiveLock
--= lock public.events_default_pkey RowExclusiveLock
--= lock public.kinds RowShareLock
--= lock public.kinds_pkey RowShareLock
--= brief public.events_2025_kind_idx RowExclusiveLock
--= brief public.events_2025_pkey RowExclusiveLock
--= scan public.kinds rows=1 passes=1
--= scan public.events_default rows=2 passes=1
--= block public.events SELECT FOR UPDATE, UPDATE, DELETE on transactionid
--= block public.events_default SELECT FOR UPDATE, UPDATE, DELETE on transactionid
--= block public.kinds SELECT FOR UPDATE, DELETE on transactionid

-- case: reindex_partitioned_concurrently
REINDEX TABLE CONCURRENTLY public.regions;
--= plain
--= lock public.regions ShareUpdateExclusiveLock
--= lock public.regions_north ShareUpdateExclusiveLock
--= lock public.regions_north ShareLock
--= lock public.regions_south ShareUpdateExclusiveLock
--= lock public.regions_south ShareLock

-- case: vacuum_full_partitioned
VACUUM FULL public.regions;
--= plain
--= lock public.regions_north ShareLock
--= lock public.regions_north AccessExclusiveLock
--= lock public.regions_south ShareLock
--= lock public.regions_south AccessExclusiveLock
--= brief public.regions AccessShareLock
--= brief public.regions AccessExclusiveLock
--= rewrite public.regions_north
--= rewrite public.regions_south
--= scan public.regions_north rows=10 passes=1
--= scan public.regions_south rows=10 passes=1

-- case: drop_table_cascade_partition_parent
DROP TABLE public.kinds CASCADE;
--= lock public.events AccessExclusiveLock
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2025 AccessExclusiveLock
--= lock public.events_default AccessExclusiveLock
--= lock public.kinds AccessExclusiveLock
--= lock public.kinds_pkey AccessExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kinds
--= block public.recent SELECT on public.events

-- case: alter_partition_only
ALTER TABLE public.events_2025 ALTER COLUMN body SET NOT NULL;
--= lock public.events_2025 AccessExclusiveLock
--= scan public.events_2025 rows=15 passes=1
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_2025 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2025
--= block public.kinds DELETE on public.events_2025
--= block public.recent SELECT on public.events_2025

-- case: add_primary_key_to_partition
ALTER TABLE public.regions_north ADD PRIMARY KEY (id);
--= lock public.regions_north ShareLock
--= lock public.regions_north AccessExclusiveLock
--= lock public.regions_north_pkey AccessExclusiveLock new
--= scan public.regions_north rows=10 passes=1
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_north
--= block public.regions_north SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_north

-- case: unlogged_partition
ALTER TABLE public.regions_north SET UNLOGGED;
--= lock public.regions_north ShareLock
--= lock public.regions_north AccessExclusiveLock
--= rewrite public.regions_north
--= scan public.regions_north rows=10 passes=1
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_north
--= block public.regions_north SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_north
