-- The other forms of ALTER TABLE. https://www.postgresql.org/docs/15/sql-altertable.html

-- base: shop
-- case: rename_table
ALTER TABLE public.child RENAME TO children;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: rename_column
ALTER TABLE public.child RENAME COLUMN note TO remark;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: rename_column_of_view
ALTER TABLE public.child_names RENAME COLUMN name TO title;
--= lock public.child_names AccessExclusiveLock view
--= block public.child_names SELECT on public.child_names

-- case: rename_away_and_back
BEGIN;
ALTER TABLE public.loner RENAME TO loner_old;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
CREATE TABLE public.loner (id int PRIMARY KEY, label text);
--= lock public.loner ShareLock new
--= lock public.loner AccessExclusiveLock new
--= lock public.loner_pkey AccessExclusiveLock new
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
INSERT INTO public.loner SELECT id, label FROM public.loner_old;
--= lock public.loner AccessShareLock
--= lock public.loner RowExclusiveLock new
--= brief public.loner_pkey RowExclusiveLock new
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
COMMIT;

-- case: set_schema
CREATE SCHEMA attic;
ALTER TABLE public.loner SET SCHEMA attic;
--= lock public.loner AccessExclusiveLock
--= lock public.loner_id_seq AccessExclusiveLock sequence
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: owner
ALTER TABLE public.child OWNER TO pg_database_owner;
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_parent_id_idx AccessExclusiveLock
--= lock public.child_pkey AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: set_fillfactor
ALTER TABLE public.child SET (fillfactor = 70);
--= lock public.child ShareUpdateExclusiveLock

-- case: reset_fillfactor
ALTER TABLE public.child RESET (fillfactor);
--= lock public.child ShareUpdateExclusiveLock

-- case: set_autovacuum
ALTER TABLE public.child SET (autovacuum_enabled = false, autovacuum_vacuum_scale_factor = 0.01);
--= lock public.child ShareUpdateExclusiveLock

-- case: set_user_catalog_table
ALTER TABLE public.loner SET (user_catalog_table = true);
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: set_unlogged
ALTER TABLE public.loner SET UNLOGGED;
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= lock public.loner_id_seq RowExclusiveLock sequence
--= lock public.loner_id_seq AccessExclusiveLock sequence
--= rewrite public.loner
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: set_unlogged_referenced
ALTER TABLE public.item SET UNLOGGED;
--= lock public.item ShareLock
--= lock public.item AccessExclusiveLock
--= lock public.item_pkey AccessExclusiveLock
--= rewrite public.item
--= rebuild public.item_pkey
--= scan public.item rows=60 passes=2
--= block public.child DELETE on public.item
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item

-- case: set_unlogged_fails
ALTER TABLE public.parent SET UNLOGGED;
--= lock public.child AccessShareLock
--= lock public.parent AccessExclusiveLock
--= error 42P16

-- case: set_logged_present
ALTER TABLE public.loner SET LOGGED;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: set_access_method_same
ALTER TABLE public.loner SET ACCESS METHOD heap;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: cluster_on
ALTER TABLE public.child CLUSTER ON child_parent_id_idx;
--= lock public.child ShareUpdateExclusiveLock
--= lock public.child_parent_id_idx ShareUpdateExclusiveLock

-- case: set_without_cluster
ALTER TABLE public.child SET WITHOUT CLUSTER;
--= lock public.child ShareUpdateExclusiveLock

-- case: replica_identity_full
ALTER TABLE public.child REPLICA IDENTITY FULL;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: replica_identity_index
ALTER TABLE public.child REPLICA IDENTITY USING INDEX child_pkey;
--= lock public.child AccessExclusiveLock
--= lock public.child_pkey ShareLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: enable_row_security
ALTER TABLE public.child ENABLE ROW LEVEL SECURITY;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: force_row_security
ALTER TABLE public.child FORCE ROW LEVEL SECURITY;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: disable_trigger_all
ALTER TABLE public.child DISABLE TRIGGER ALL;
--= lock public.child ShareRowExclusiveLock
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: disable_trigger_user
ALTER TABLE public.child DISABLE TRIGGER USER;
--= lock public.child ShareRowExclusiveLock
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: set_tablespace_same
ALTER TABLE public.loner SET TABLESPACE pg_default;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: several_forms_of_one_strength
ALTER TABLE public.child ALTER COLUMN note SET STATISTICS 200, SET (fillfactor = 80);
--= lock public.child ShareUpdateExclusiveLock

-- case: several_forms_of_two_strengths
-- The strongest of them is taken at once.
ALTER TABLE public.child ALTER COLUMN note SET STATISTICS 200, ALTER COLUMN amount SET DEFAULT 0;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- base: wide
-- case: set_logged
ALTER TABLE public.quick SET LOGGED;
--= lock public.quick ShareLock
--= lock public.quick AccessExclusiveLock
--= lock public.quick_id_idx AccessExclusiveLock
--= rewrite public.quick
--= rebuild public.quick_id_idx
--= scan public.quick rows=60 passes=2
--= block public.quick SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.quick

-- case: replica_identity_using_unlogged
ALTER TABLE public.quick REPLICA IDENTITY USING INDEX quick_id_idx;
--= lock public.quick AccessExclusiveLock
--= lock public.quick_id_idx ShareLock
--= block public.quick SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.quick

-- case: set_toast_option
ALTER TABLE public.wide SET (toast.autovacuum_enabled = false);
--= lock public.wide ShareUpdateExclusiveLock

-- case: set_unlogged_with_toast
ALTER TABLE public.wide SET UNLOGGED;
--= lock public.wide ShareLock
--= lock public.wide AccessExclusiveLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_pkey AccessExclusiveLock
--= lock public.wide_seen_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessExclusiveLock
--= rewrite public.wide
--= rebuild public.wide_number_idx
--= rebuild public.wide_pkey
--= rebuild public.wide_seen_idx
--= rebuild public.wide_word_idx
--= scan public.wide rows=200 passes=5
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide

-- case: cluster_on_wide
ALTER TABLE public.wide CLUSTER ON wide_number_idx;
--= lock public.wide ShareUpdateExclusiveLock
--= lock public.wide_number_idx ShareUpdateExclusiveLock

-- base: misc
-- case: disable_trigger
ALTER TABLE public.audited DISABLE TRIGGER audited_note;
--= lock public.audited ShareRowExclusiveLock
--= block public.audited INSERT, UPDATE, DELETE on public.audited

-- case: enable_trigger_always
ALTER TABLE public.audited ENABLE ALWAYS TRIGGER audited_note;
--= lock public.audited ShareRowExclusiveLock
--= block public.audited INSERT, UPDATE, DELETE on public.audited

-- case: disable_rule
ALTER TABLE public.ruled DISABLE RULE ruled_log;
--= lock public.ruled AccessExclusiveLock
--= block public.ruled SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.ruled

-- case: disable_row_security
ALTER TABLE public.secrets DISABLE ROW LEVEL SECURITY;
--= lock public.secrets AccessExclusiveLock
--= block public.secrets SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.secrets

-- case: no_force_row_security
ALTER TABLE public.secrets NO FORCE ROW LEVEL SECURITY;
--= lock public.secrets AccessExclusiveLock
--= block public.secrets SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.secrets

-- case: of_type
CREATE TABLE public.typed (street text, number int);
--= lock public.typed AccessExclusiveLock new
ALTER TABLE public.typed OF public.address;
--= lock public.address AccessShareLock type
--= lock public.typed AccessExclusiveLock new

-- case: not_of
ALTER TABLE public.addresses NOT OF;
--= lock public.addresses AccessExclusiveLock
--= block public.addresses SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.addresses

-- case: rename_schema
ALTER SCHEMA app RENAME TO application;

-- base: parts
-- case: inherit
ALTER TABLE public.stray INHERIT public.base;
--= lock public.base ShareUpdateExclusiveLock
--= lock public.stray AccessExclusiveLock
--= block public.stray SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.stray

-- case: no_inherit
ALTER TABLE public.kid NO INHERIT public.base;
--= lock public.base AccessShareLock
--= lock public.kid AccessExclusiveLock
--= block public.base SELECT, SELECT FOR UPDATE, UPDATE, DELETE on public.kid
--= block public.kid SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kid

-- case: attach_partition
-- Both the new partition and the default one are read.
ALTER TABLE public.events ATTACH PARTITION public.events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
--= lock public.events ShareUpdateExclusiveLock
--= lock public.events_2027 AccessShareLock
--= lock public.events_2027 ShareLock
--= lock public.events_2027 ShareRowExclusiveLock
--= lock public.events_2027 AccessExclusiveLock
--= lock public.events_2027_kind_idx AccessShareLock new
--= lock public.events_2027_kind_idx AccessExclusiveLock new
--= lock public.events_2027_pkey AccessShareLock new
--= lock public.events_2027_pkey AccessExclusiveLock new
--= lock public.events_default AccessExclusiveLock
--= lock public.events_kind_idx ShareUpdateExclusiveLock
--= lock public.events_pkey ShareUpdateExclusiveLock
--= lock public.kinds AccessShareLock
--= lock public.kinds RowShareLock
--= lock public.kinds ShareRowExclusiveLock
--= lock public.kinds_pkey AccessShareLock
--= scan public.kinds rows=5 passes=1
--= scan public.events_default rows=2 passes=1
--= scan public.events_2027 rows=48 passes=4
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.events_2027 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2027
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds INSERT, UPDATE, DELETE on public.kinds
--= block public.recent SELECT on public.events_default

-- case: attach_partition_with_check
-- The new partition proves its bounds; the default one is still read.
ALTER TABLE public.events ATTACH PARTITION public.events_2028 FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');
--= lock public.events ShareUpdateExclusiveLock
--= lock public.events_2028 AccessShareLock
--= lock public.events_2028 ShareUpdateExclusiveLock
--= lock public.events_2028 ShareLock
--= lock public.events_2028 ShareRowExclusiveLock
--= lock public.events_2028 AccessExclusiveLock
--= lock public.events_2028_kind_idx AccessShareLock new
--= lock public.events_2028_kind_idx AccessExclusiveLock new
--= lock public.events_2028_pkey AccessShareLock
--= lock public.events_default AccessExclusiveLock
--= lock public.events_kind_idx ShareUpdateExclusiveLock
--= lock public.events_pkey ShareUpdateExclusiveLock
--= lock public.kinds AccessShareLock
--= lock public.kinds RowShareLock
--= lock public.kinds ShareRowExclusiveLock
--= lock public.kinds_pkey AccessShareLock
--= scan public.kinds rows=5 passes=1
--= scan public.events_default rows=2 passes=1
--= scan public.events_2028 rows=24 passes=2
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.events_2028 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2028
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds INSERT, UPDATE, DELETE on public.kinds
--= block public.recent SELECT on public.events_default

-- case: attach_partition_with_both_checks
ALTER TABLE public.events_default ADD CONSTRAINT not_2028 CHECK (happened < '2028-01-01' OR happened >= '2029-01-01');
--= lock public.events_default AccessExclusiveLock
--= scan public.events_default rows=2 passes=1
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds DELETE on public.events_default
--= block public.recent SELECT on public.events_default
ALTER TABLE public.events ATTACH PARTITION public.events_2028 FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');
--= lock public.events ShareUpdateExclusiveLock
--= lock public.events_2028 AccessShareLock
--= lock public.events_2028 ShareUpdateExclusiveLock
--= lock public.events_2028 ShareLock
--= lock public.events_2028 ShareRowExclusiveLock
--= lock public.events_2028 AccessExclusiveLock
--= lock public.events_2028_kind_idx AccessShareLock new
--= lock public.events_2028_kind_idx AccessExclusiveLock new
--= lock public.events_2028_pkey AccessShareLock
--= lock public.events_default AccessExclusiveLock
--= lock public.events_kind_idx ShareUpdateExclusiveLock
--= lock public.events_pkey ShareUpdateExclusiveLock
--= lock public.kinds AccessShareLock
--= lock public.kinds RowShareLock
--= lock public.kinds ShareRowExclusiveLock
--= lock public.kinds_pkey AccessShareLock
--= scan public.kinds rows=5 passes=1
--= scan public.events_2028 rows=24 passes=2
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.events_2028 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2028
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds INSERT, UPDATE, DELETE on public.kinds
--= block public.recent SELECT on public.events_default

-- case: attach_partition_fails
ALTER TABLE public.events ATTACH PARTITION public.events_2027 FOR VALUES FROM ('2029-01-01') TO ('2030-01-01');
--= lock public.events ShareUpdateExclusiveLock
--= lock public.events_2027 ShareLock
--= lock public.events_2027 ShareRowExclusiveLock
--= lock public.events_2027 AccessExclusiveLock
--= lock public.events_default AccessExclusiveLock
--= lock public.events_kind_idx ShareUpdateExclusiveLock
--= lock public.events_pkey ShareUpdateExclusiveLock
--= lock public.kinds AccessShareLock
--= lock public.kinds ShareRowExclusiveLock
--= brief public.events_kind_idx AccessShareLock
--= brief public.events_pkey AccessShareLock
--= scan public.events_2027 rows=25 passes=3
--= error 23514
--= 18: lock public.kinds_pkey AccessShareLock

-- case: attach_partition_without_default
CREATE TABLE public.regions_west (id int NOT NULL, region text NOT NULL CHECK (region = 'west'), size int);
--= lock public.regions_west AccessExclusiveLock new
ALTER TABLE public.regions ATTACH PARTITION public.regions_west FOR VALUES IN ('west');
--= lock public.regions ShareUpdateExclusiveLock
--= lock public.regions_west AccessExclusiveLock new

-- case: detach_partition
ALTER TABLE public.regions DETACH PARTITION public.regions_south;
--= lock public.regions AccessExclusiveLock
--= lock public.regions_south AccessExclusiveLock
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions
--= block public.regions_north INSERT, UPDATE on public.regions
--= block public.regions_south SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_south

-- case: detach_partition_with_default
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

-- case: detach_partition_concurrently
ALTER TABLE public.regions DETACH PARTITION public.regions_south CONCURRENTLY;
--= plain
--= lock public.regions AccessShareLock
--= lock public.regions ShareUpdateExclusiveLock
--= lock public.regions_south ShareUpdateExclusiveLock
--= lock public.regions_south AccessExclusiveLock

-- case: detach_partition_concurrently_with_default
ALTER TABLE public.events DETACH PARTITION public.events_2024 CONCURRENTLY;
--= plain
--= lock public.events ShareUpdateExclusiveLock
--= error 55000

-- case: rename_partitioned
ALTER TABLE public.events RENAME TO happenings;
--= lock public.events AccessExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 INSERT, UPDATE on public.events
--= block public.events_2025 INSERT, UPDATE on public.events
--= block public.events_default INSERT, UPDATE on public.events
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.events

-- case: rename_column_of_partitioned
ALTER TABLE public.events RENAME COLUMN id TO event_id;
--= lock public.events AccessExclusiveLock
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2025 AccessExclusiveLock
--= lock public.events_default AccessExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.events

-- case: set_fillfactor_of_partition
ALTER TABLE public.events_2025 SET (fillfactor = 50);
--= lock public.events_2025 ShareUpdateExclusiveLock

-- case: enable_row_security_of_partitioned
ALTER TABLE public.events ENABLE ROW LEVEL SECURITY;
--= lock public.events AccessExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 INSERT, UPDATE on public.events
--= block public.events_2025 INSERT, UPDATE on public.events
--= block public.events_default INSERT, UPDATE on public.events
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.events
