-- CREATE and DROP TABLE, TRUNCATE, LOCK, VACUUM, CLUSTER, ANALYZE.

-- base: shop
-- case: create_table
CREATE TABLE public.fresh (id int PRIMARY KEY, label text);
--= lock public.fresh ShareLock new
--= lock public.fresh AccessExclusiveLock new
--= lock public.fresh_pkey AccessExclusiveLock new

-- case: create_table_if_not_exists_present
CREATE TABLE IF NOT EXISTS public.child (id int);

-- case: create_table_references
CREATE TABLE public.fresh (id int PRIMARY KEY, child_id int REFERENCES public.child (id));
--= lock public.child AccessShareLock
--= lock public.child ShareRowExclusiveLock
--= lock public.fresh AccessShareLock new
--= lock public.fresh ShareLock new
--= lock public.fresh ShareRowExclusiveLock new
--= lock public.fresh AccessExclusiveLock new
--= lock public.fresh_pkey AccessExclusiveLock new
--= block public.child INSERT, UPDATE, DELETE on public.child
--= 18: lock public.child_pkey AccessShareLock

-- case: create_table_references_two
CREATE TABLE public.fresh (parent_id int REFERENCES public.parent, child_id int REFERENCES public.child);
--= lock public.child AccessShareLock
--= lock public.child ShareRowExclusiveLock
--= lock public.fresh AccessShareLock new
--= lock public.fresh ShareRowExclusiveLock new
--= lock public.fresh AccessExclusiveLock new
--= lock public.parent AccessShareLock
--= lock public.parent ShareRowExclusiveLock
--= block public.child INSERT, UPDATE, DELETE on public.child
--= block public.parent INSERT, UPDATE, DELETE on public.parent
--= 18: lock public.child_pkey AccessShareLock
--= 18: lock public.parent_pkey AccessShareLock

-- case: create_table_like
CREATE TABLE public.fresh (LIKE public.child);
--= lock public.child AccessShareLock
--= lock public.fresh AccessExclusiveLock new

-- case: create_table_like_including_all
-- The indexes that are copied are opened for a moment.
CREATE TABLE public.fresh (LIKE public.child INCLUDING ALL);
--= lock public.child AccessShareLock
--= lock public.fresh ShareLock new
--= lock public.fresh AccessExclusiveLock new
--= lock public.fresh_note_idx AccessExclusiveLock new
--= lock public.fresh_parent_id_idx AccessExclusiveLock new
--= lock public.fresh_pkey AccessExclusiveLock new
--= brief public.child_note_idx AccessShareLock
--= brief public.child_parent_id_idx AccessShareLock
--= brief public.child_pkey AccessShareLock

-- case: create_table_as
CREATE TABLE public.fresh AS SELECT * FROM public.child;
--= lock public.child AccessShareLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.fresh AccessExclusiveLock new
--= scan public.child rows=60 passes=1

-- case: create_table_as_view
CREATE TABLE public.fresh AS SELECT * FROM public.child_names WITH NO DATA;
--= lock public.child_names AccessShareLock view
--= lock public.fresh AccessExclusiveLock new

-- case: create_temporary_table
CREATE TEMPORARY TABLE fresh AS SELECT id FROM public.loner;
--= lock pg_temp.fresh AccessExclusiveLock new
--= lock public.loner AccessShareLock
--= scan public.loner rows=25 passes=1

-- case: create_table_inherits
CREATE TABLE public.fresh (extra int) INHERITS (public.loner);
--= lock public.fresh AccessExclusiveLock new
--= lock public.loner ShareUpdateExclusiveLock
--= 18: lock public.loner_id_seq AccessShareLock sequence

-- case: create_table_using_sequence
CREATE TABLE public.fresh (id int DEFAULT nextval('public.counter'));
--= lock public.fresh AccessExclusiveLock new
--= 18: lock public.counter AccessShareLock sequence

-- case: create_and_use_in_one_transaction
-- Locks on what the migration made itself block nobody.
BEGIN;
CREATE TABLE public.fresh (id int);
--= lock public.fresh AccessExclusiveLock new
CREATE INDEX fresh_idx ON public.fresh (id);
--= lock public.fresh ShareLock new
--= lock public.fresh_idx AccessExclusiveLock new
ALTER TABLE public.fresh ADD COLUMN label text;
DROP TABLE public.fresh;
COMMIT;

-- case: drop_table_alone
DROP TABLE public.loner;
--= lock public.loner AccessExclusiveLock
--= lock public.loner_id_seq AccessExclusiveLock sequence
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: drop_table_child
-- ACCESS EXCLUSIVE on the table that it refers to.
DROP TABLE public.item;
--= lock public.child AccessExclusiveLock
--= lock public.item AccessExclusiveLock
--= lock public.item_pkey AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.parent DELETE on public.child

-- case: drop_table_parent_fails
DROP TABLE public.parent;
--= lock public.child_names AccessExclusiveLock view
--= lock public.parent AccessExclusiveLock
--= lock public.parent_pkey AccessExclusiveLock
--= error 2BP01

-- case: drop_table_parent_cascade
DROP TABLE public.parent CASCADE;
--= lock public.child AccessExclusiveLock
--= lock public.child_names AccessExclusiveLock view
--= lock public.parent AccessExclusiveLock
--= lock public.parent_pkey AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child_names
--= block public.item INSERT on public.child
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent

-- case: drop_table_if_exists_absent
DROP TABLE IF EXISTS public.nothing;

-- case: drop_two_tables
DROP TABLE public.loner, public.item;
--= lock public.child AccessExclusiveLock
--= lock public.item AccessExclusiveLock
--= lock public.item_pkey AccessExclusiveLock
--= lock public.loner AccessExclusiveLock
--= lock public.loner_id_seq AccessExclusiveLock sequence
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
--= block public.parent DELETE on public.child

-- case: truncate
TRUNCATE public.loner;
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= truncate public.loner
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: truncate_restart_identity
TRUNCATE public.loner RESTART IDENTITY;
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= lock public.loner_id_seq RowExclusiveLock sequence
--= lock public.loner_id_seq AccessExclusiveLock sequence
--= truncate public.loner
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: truncate_parent_fails
TRUNCATE public.child;
--= lock public.child AccessExclusiveLock
--= error 0A000

-- case: truncate_cascade
TRUNCATE public.parent CASCADE;
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_parent_id_idx AccessExclusiveLock
--= lock public.child_pkey AccessExclusiveLock
--= lock public.item ShareLock
--= lock public.item AccessExclusiveLock
--= lock public.item_pkey AccessExclusiveLock
--= lock public.parent ShareLock
--= lock public.parent AccessExclusiveLock
--= lock public.parent_pkey AccessExclusiveLock
--= truncate public.child
--= truncate public.item
--= truncate public.parent
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent

-- case: truncate_three
TRUNCATE public.parent, public.child, public.item;
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_parent_id_idx AccessExclusiveLock
--= lock public.child_pkey AccessExclusiveLock
--= lock public.item ShareLock
--= lock public.item AccessExclusiveLock
--= lock public.item_pkey AccessExclusiveLock
--= lock public.parent ShareLock
--= lock public.parent AccessExclusiveLock
--= lock public.parent_pkey AccessExclusiveLock
--= truncate public.child
--= truncate public.item
--= truncate public.parent
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent

-- case: truncate_and_fill
BEGIN;
TRUNCATE public.loner;
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= truncate public.loner
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
INSERT INTO public.loner (label) SELECT 'again ' || n FROM generate_series(1, 5) n;
--= lock public.loner RowExclusiveLock
--= lock public.loner_id_seq RowExclusiveLock sequence
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
COMMIT;

-- case: lock_table
BEGIN;
LOCK TABLE public.child;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child
COMMIT;

-- case: lock_table_outside_of_transaction
LOCK TABLE public.child;
--= error 25P01

-- case: lock_table_exclusive
BEGIN;
LOCK TABLE public.child IN EXCLUSIVE MODE;
--= lock public.child ExclusiveLock
--= block public.child SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child
UPDATE public.child SET amount = amount + 1;
--= lock public.child RowExclusiveLock
--= lock public.child_note_idx RowExclusiveLock
--= lock public.child_parent_id_idx RowExclusiveLock
--= lock public.child_pkey RowExclusiveLock
--= scan public.child rows=60 passes=1
--= block public.child SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child
COMMIT;

-- case: lock_table_share_row_exclusive
BEGIN;
LOCK TABLE public.parent IN SHARE ROW EXCLUSIVE MODE;
--= lock public.parent ShareRowExclusiveLock
--= block public.parent INSERT, UPDATE, DELETE on public.parent
COMMIT;

-- case: lock_table_share
BEGIN;
LOCK TABLE public.parent IN SHARE MODE;
--= lock public.parent ShareLock
--= block public.parent INSERT, UPDATE, DELETE on public.parent
COMMIT;

-- case: lock_table_row_share
BEGIN;
LOCK TABLE public.parent IN ROW SHARE MODE;
--= lock public.parent RowShareLock
COMMIT;

-- case: lock_view
-- Locks what the view reads, too.
BEGIN;
LOCK TABLE public.child_names IN ACCESS EXCLUSIVE MODE;
--= lock public.child AccessExclusiveLock
--= lock public.child_names AccessExclusiveLock view
--= lock public.parent AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child_names
--= block public.item INSERT on public.child
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent
COMMIT;

-- case: vacuum
VACUUM public.child;
--= plain
--= lock public.child ShareUpdateExclusiveLock
--= lock public.child_note_idx RowExclusiveLock
--= lock public.child_parent_id_idx RowExclusiveLock
--= lock public.child_pkey RowExclusiveLock
--= brief public.child AccessShareLock

-- case: vacuum_freeze
VACUUM (FREEZE, ANALYZE) public.child;
--= plain
--= lock public.child ShareUpdateExclusiveLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_note_idx RowExclusiveLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_parent_id_idx RowExclusiveLock
--= lock public.child_pkey AccessShareLock
--= lock public.child_pkey RowExclusiveLock
--= brief public.child AccessShareLock

-- case: vacuum_full
VACUUM FULL public.child;
--= plain
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_parent_id_idx AccessExclusiveLock
--= lock public.child_pkey AccessExclusiveLock
--= brief public.child AccessShareLock
--= rewrite public.child
--= rebuild public.child_note_idx
--= rebuild public.child_parent_id_idx
--= rebuild public.child_pkey
--= scan public.child rows=240 passes=4

-- case: analyze
ANALYZE public.child;
--= lock public.child ShareUpdateExclusiveLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock

-- case: analyze_column
ANALYZE public.child (note);
--= lock public.child ShareUpdateExclusiveLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock

-- case: cluster
CLUSTER public.child USING child_parent_id_idx;
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_parent_id_idx AccessExclusiveLock
--= lock public.child_pkey AccessShareLock
--= lock public.child_pkey AccessExclusiveLock
--= rewrite public.child
--= rebuild public.child_note_idx
--= rebuild public.child_parent_id_idx
--= rebuild public.child_pkey
--= scan public.child rows=240 passes=4
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: cluster_materialized_view
CLUSTER public.totals USING totals_parent_id_idx;
--= lock public.totals ShareLock
--= lock public.totals AccessExclusiveLock
--= lock public.totals_parent_id_idx AccessShareLock
--= lock public.totals_parent_id_idx AccessExclusiveLock
--= rewrite public.totals
--= rebuild public.totals_parent_id_idx
--= scan public.totals rows=40 passes=2
--= block public.totals SELECT on public.totals

-- base: wide
-- case: vacuum_full_with_toast
VACUUM FULL public.wide;
--= plain
--= lock public.wide ShareLock
--= lock public.wide AccessExclusiveLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_pkey AccessExclusiveLock
--= lock public.wide_seen_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessExclusiveLock
--= brief public.wide AccessShareLock
--= rewrite public.wide
--= rebuild public.wide_number_idx
--= rebuild public.wide_pkey
--= rebuild public.wide_seen_idx
--= rebuild public.wide_word_idx
--= scan public.wide rows=200 passes=5

-- case: truncate_with_toast
TRUNCATE public.wide;
--= lock public.wide ShareLock
--= lock public.wide AccessExclusiveLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_pkey AccessExclusiveLock
--= lock public.wide_seen_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessExclusiveLock
--= truncate public.wide
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide

-- case: cluster_wide
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

-- case: drop_table_of_view
DROP TABLE public.wide;
--= lock public.wide AccessExclusiveLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_pkey AccessExclusiveLock
--= lock public.wide_plain AccessExclusiveLock view
--= lock public.wide_seen_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessExclusiveLock
--= error 2BP01

-- case: drop_table_of_view_cascade
DROP TABLE public.wide CASCADE;
--= lock public.wide AccessExclusiveLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_pkey AccessExclusiveLock
--= lock public.wide_plain AccessExclusiveLock view
--= lock public.wide_seen_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessExclusiveLock
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide_plain

-- case: truncate_unlogged
TRUNCATE public.quick;
--= lock public.quick ShareLock
--= lock public.quick AccessExclusiveLock
--= lock public.quick_id_idx AccessExclusiveLock
--= truncate public.quick
--= block public.quick SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.quick

-- base: parts
-- case: create_partition
CREATE TABLE public.regions_west PARTITION OF public.regions FOR VALUES IN ('west');
--= lock public.regions AccessExclusiveLock
--= lock public.regions_west AccessExclusiveLock new
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions
--= block public.regions_north INSERT, UPDATE on public.regions
--= block public.regions_south INSERT, UPDATE on public.regions

-- case: create_partition_beside_default
-- The default partition is read for rows that would belong to the new one.
CREATE TABLE public.events_2030 PARTITION OF public.events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
--= lock public.events AccessExclusiveLock
--= lock public.events_2030 ShareLock new
--= lock public.events_2030 ShareRowExclusiveLock new
--= lock public.events_2030 AccessExclusiveLock new
--= lock public.events_2030_kind_idx AccessExclusiveLock new
--= lock public.events_2030_pkey AccessExclusiveLock new
--= lock public.events_default AccessExclusiveLock
--= lock public.events_kind_idx ShareUpdateExclusiveLock
--= lock public.events_pkey ShareUpdateExclusiveLock
--= lock public.kinds AccessShareLock
--= lock public.kinds ShareRowExclusiveLock
--= scan public.events_default rows=2 passes=1
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 INSERT, UPDATE on public.events
--= block public.events_2025 INSERT, UPDATE on public.events
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds INSERT, UPDATE, DELETE on public.kinds
--= block public.recent SELECT on public.events
--= 18: lock public.kinds_pkey AccessShareLock

-- case: create_default_partition
CREATE TABLE public.regions_rest PARTITION OF public.regions DEFAULT;
--= lock public.regions AccessExclusiveLock
--= lock public.regions_rest AccessExclusiveLock new
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions
--= block public.regions_north INSERT, UPDATE on public.regions
--= block public.regions_south INSERT, UPDATE on public.regions

-- case: drop_partition
DROP TABLE public.regions_south;
--= lock public.regions AccessExclusiveLock
--= lock public.regions_south AccessExclusiveLock
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions
--= block public.regions_north INSERT, UPDATE on public.regions
--= block public.regions_south SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_south

-- case: drop_partition_with_foreign_key
DROP TABLE public.events_2024;
--= lock public.events AccessExclusiveLock
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2024_kind_idx AccessExclusiveLock
--= lock public.events_2024_pkey AccessExclusiveLock
--= lock public.events_default AccessExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 INSERT, UPDATE on public.events
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.events

-- case: drop_partitioned
DROP TABLE public.regions;
--= lock public.regions AccessExclusiveLock
--= lock public.regions_north AccessExclusiveLock
--= lock public.regions_south AccessExclusiveLock
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions
--= block public.regions_north SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_north
--= block public.regions_south SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_south

-- case: drop_default_partition
DROP TABLE public.events_default;
--= lock public.events AccessExclusiveLock
--= lock public.events_default AccessExclusiveLock
--= lock public.events_default_kind_idx AccessExclusiveLock
--= lock public.events_default_pkey AccessExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 INSERT, UPDATE on public.events
--= block public.events_2025 INSERT, UPDATE on public.events
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.events

-- case: drop_inherited_fails
DROP TABLE public.base;
--= lock public.base AccessExclusiveLock
--= lock public.base_pkey AccessExclusiveLock
--= lock public.kid AccessExclusiveLock
--= error 2BP01

-- case: drop_heir
DROP TABLE public.kid;
--= lock public.kid AccessExclusiveLock
--= block public.base SELECT, SELECT FOR UPDATE, UPDATE, DELETE on public.kid
--= block public.kid SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kid

-- case: drop_inherited_cascade
DROP TABLE public.base CASCADE;
--= lock public.base AccessExclusiveLock
--= lock public.base_pkey AccessExclusiveLock
--= lock public.kid AccessExclusiveLock
--= block public.base SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.base
--= block public.kid SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kid

-- case: truncate_partitioned
TRUNCATE public.events;
--= lock public.events AccessExclusiveLock
--= lock public.events_2024 ShareLock
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2024_kind_idx AccessExclusiveLock
--= lock public.events_2024_pkey AccessExclusiveLock
--= lock public.events_2025 ShareLock
--= lock public.events_2025 AccessExclusiveLock
--= lock public.events_2025_kind_idx AccessExclusiveLock
--= lock public.events_2025_pkey AccessExclusiveLock
--= lock public.events_default ShareLock
--= lock public.events_default AccessExclusiveLock
--= lock public.events_default_kind_idx AccessExclusiveLock
--= lock public.events_default_pkey AccessExclusiveLock
--= truncate public.events_2024
--= truncate public.events_2025
--= truncate public.events_default
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.events

-- case: truncate_partition
TRUNCATE public.events_2024;
--= lock public.events_2024 ShareLock
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2024_kind_idx AccessExclusiveLock
--= lock public.events_2024_pkey AccessExclusiveLock
--= truncate public.events_2024
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.kinds DELETE on public.events_2024

-- case: truncate_only
TRUNCATE ONLY public.base;
--= lock public.base ShareLock
--= lock public.base AccessExclusiveLock
--= lock public.base_pkey AccessExclusiveLock
--= truncate public.base
--= block public.base SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.base

-- case: lock_partitioned
BEGIN;
LOCK TABLE public.regions IN SHARE MODE;
--= lock public.regions ShareLock
--= lock public.regions_north ShareLock
--= lock public.regions_south ShareLock
--= block public.regions INSERT, UPDATE, DELETE on public.regions
--= block public.regions_north INSERT, UPDATE, DELETE on public.regions_north
--= block public.regions_south INSERT, UPDATE, DELETE on public.regions_south
COMMIT;

-- case: analyze_partitioned
ANALYZE public.regions;
--= lock public.regions ShareUpdateExclusiveLock
--= lock public.regions_north AccessShareLock
--= lock public.regions_north ShareUpdateExclusiveLock
--= lock public.regions_south AccessShareLock
--= lock public.regions_south ShareUpdateExclusiveLock

-- case: vacuum_partitioned
VACUUM public.regions;
--= plain
--= lock public.regions_north ShareUpdateExclusiveLock
--= lock public.regions_south ShareUpdateExclusiveLock
--= brief public.regions AccessShareLock
--= brief public.regions ShareUpdateExclusiveLock

-- case: create_heir
CREATE TABLE public.kid2 (extra int) INHERITS (public.base);
--= lock public.base ShareUpdateExclusiveLock
--= lock public.kid2 AccessExclusiveLock new

-- base: misc
-- case: drop_schema_fails
DROP SCHEMA app;
--= lock app.first AccessExclusiveLock
--= lock app.first_pkey AccessExclusiveLock
--= lock app.numbers AccessExclusiveLock sequence
--= lock app.second AccessExclusiveLock
--= lock app.second_pkey AccessExclusiveLock
--= error 2BP01

-- case: drop_schema_cascade
DROP SCHEMA app CASCADE;
--= lock app.first AccessExclusiveLock
--= lock app.first_pkey AccessExclusiveLock
--= lock app.numbers AccessExclusiveLock sequence
--= lock app.second AccessExclusiveLock
--= lock app.second_pkey AccessExclusiveLock
--= lock public.user_of_app AccessExclusiveLock
--= block app.first SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on app.first
--= block app.second SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on app.second
--= block public.user_of_app SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.user_of_app

-- case: create_typed_table
CREATE TABLE public.more_addresses OF public.address;
--= lock public.address AccessShareLock type
--= lock public.more_addresses AccessExclusiveLock new

-- case: drop_table_with_trigger
DROP TABLE public.audited;
--= lock public.audited ShareUpdateExclusiveLock
--= lock public.audited AccessExclusiveLock
--= lock public.audited_pkey AccessExclusiveLock
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: truncate_identity
TRUNCATE public.log RESTART IDENTITY;
--= lock public.log ShareLock
--= lock public.log AccessExclusiveLock
--= lock public.log_id_seq RowExclusiveLock sequence
--= lock public.log_id_seq AccessExclusiveLock sequence
--= truncate public.log
--= block public.audited INSERT on public.log
--= block public.log SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.log
--= block public.ruled DELETE on public.log

-- case: drop_owned
CREATE ROLE conformance_owner;
ALTER TABLE public.homes OWNER TO conformance_owner;
--= lock public.homes AccessExclusiveLock
--= lock public.homes_pkey AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes
DROP OWNED BY conformance_owner CASCADE;
--= lock public.homes AccessExclusiveLock
--= lock public.homes_pkey AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes
DROP ROLE conformance_owner;
