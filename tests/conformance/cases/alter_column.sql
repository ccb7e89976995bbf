-- ALTER TABLE … ALTER COLUMN. https://www.postgresql.org/docs/15/sql-altertable.html

-- base: shop
-- case: set_default
ALTER TABLE public.child ALTER COLUMN amount SET DEFAULT 7;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: drop_default
ALTER TABLE public.loner ALTER COLUMN size DROP DEFAULT;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: set_not_null
ALTER TABLE public.child ALTER COLUMN amount SET NOT NULL;
--= lock public.child AccessExclusiveLock
--= scan public.child rows=60 passes=1
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: set_not_null_fails
UPDATE public.loner SET label = NULL WHERE id = 3;
--= lock public.loner RowExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT FOR UPDATE, UPDATE, DELETE on transactionid
ALTER TABLE public.loner ALTER COLUMN label SET NOT NULL;
--= lock public.loner AccessExclusiveLock
--= scan public.loner rows=25 passes=1
--= error 23502

-- case: set_not_null_present
ALTER TABLE public.child ALTER COLUMN parent_id SET NOT NULL;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: set_not_null_by_new_check
ALTER TABLE public.loner ADD CONSTRAINT loner_label_present CHECK (label IS NOT NULL) NOT VALID;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
ALTER TABLE public.loner VALIDATE CONSTRAINT loner_label_present;
--= lock public.loner ShareUpdateExclusiveLock
--= scan public.loner rows=25 passes=1
ALTER TABLE public.loner ALTER COLUMN label SET NOT NULL;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
ALTER TABLE public.loner DROP CONSTRAINT loner_label_present;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: set_not_null_by_unproven_check
ALTER TABLE public.loner ADD CONSTRAINT loner_label_present CHECK (label IS NOT NULL) NOT VALID;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
ALTER TABLE public.loner ALTER COLUMN label SET NOT NULL;
--= lock public.loner AccessExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: drop_not_null
ALTER TABLE public.child ALTER COLUMN parent_id DROP NOT NULL;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child
--= 18: brief public.child_note_idx AccessShareLock
--= 18: brief public.child_parent_id_idx AccessShareLock
--= 18: brief public.child_pkey AccessShareLock

-- case: drop_not_null_of_key
ALTER TABLE public.child ALTER COLUMN id DROP NOT NULL;
--= lock public.child AccessExclusiveLock
--= error 42P16
--= 18: brief public.child_note_idx AccessShareLock
--= 18: brief public.child_parent_id_idx AccessShareLock
--= 18: brief public.child_pkey AccessShareLock

-- case: type_varchar_widened
ALTER TABLE public.child ALTER COLUMN note TYPE varchar(40);
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock new
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: type_varchar_narrowed
ALTER TABLE public.child ALTER COLUMN note TYPE varchar(15);
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock new
--= lock public.child_parent_id_idx AccessExclusiveLock
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

-- case: type_varchar_to_text
-- The index gets a new oid on the same file.
ALTER TABLE public.child ALTER COLUMN note TYPE text;
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock new
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: type_same
ALTER TABLE public.child ALTER COLUMN note TYPE varchar(20);
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock new
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: type_numeric_widened
ALTER TABLE public.child ALTER COLUMN price TYPE numeric(14, 2);
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: type_numeric_scaled
ALTER TABLE public.child ALTER COLUMN price TYPE numeric(12, 3);
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_parent_id_idx AccessExclusiveLock
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

-- case: type_numeric_unbounded
ALTER TABLE public.child ALTER COLUMN price TYPE numeric;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: type_timestamptz_under_utc
SET timezone = 'UTC';
ALTER TABLE public.child ALTER COLUMN happened TYPE timestamptz;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: type_timestamptz_under_zone
SET timezone = 'Europe/Berlin';
ALTER TABLE public.child ALTER COLUMN happened TYPE timestamptz;
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_parent_id_idx AccessExclusiveLock
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

-- case: type_under_materialized_view
ALTER TABLE public.child ALTER COLUMN amount TYPE bigint;
--= lock public.child AccessExclusiveLock
--= brief public.child AccessShareLock
--= error 0A000

-- case: type_of_referenced_key
ALTER TABLE public.child ALTER COLUMN id TYPE bigint;
--= lock public.child AccessExclusiveLock
--= error 0A000

-- case: type_of_foreign_key
-- The constraint is made again: a check of the parent, under its lock.
ALTER TABLE public.item ALTER COLUMN child_id TYPE bigint;
--= lock public.child AccessShareLock
--= lock public.child RowShareLock
--= lock public.child ShareRowExclusiveLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.item AccessShareLock
--= lock public.item ShareLock
--= lock public.item ShareRowExclusiveLock
--= lock public.item AccessExclusiveLock
--= lock public.item_pkey AccessShareLock
--= lock public.item_pkey AccessExclusiveLock
--= rewrite public.item
--= rebuild public.item_pkey
--= scan public.child rows=60 passes=1
--= scan public.item rows=90 passes=3
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.parent DELETE on public.child

-- case: type_int_to_bigint_alone
ALTER TABLE public.loner ALTER COLUMN size TYPE bigint;
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= rewrite public.loner
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: type_using
ALTER TABLE public.loner ALTER COLUMN label TYPE int USING length(label);
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= rewrite public.loner
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: type_using_same
ALTER TABLE public.loner ALTER COLUMN label TYPE text USING lower(label);
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= rewrite public.loner
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: type_fails
ALTER TABLE public.loner ALTER COLUMN label TYPE int USING label::int;
--= lock public.loner AccessExclusiveLock
--= scan public.loner rows=1 passes=1
--= error 22P02

-- case: type_of_two_columns
ALTER TABLE public.loner ALTER COLUMN size TYPE bigint, ALTER COLUMN label TYPE varchar(50);
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= rewrite public.loner
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: set_statistics
ALTER TABLE public.child ALTER COLUMN note SET STATISTICS 500;
--= lock public.child ShareUpdateExclusiveLock

-- case: set_column_options
ALTER TABLE public.child ALTER COLUMN note SET (n_distinct = 10);
--= lock public.child ShareUpdateExclusiveLock

-- case: set_storage
ALTER TABLE public.child ALTER COLUMN note SET STORAGE EXTERNAL;
--= lock public.child AccessExclusiveLock
--= brief public.child_note_idx AccessExclusiveLock
--= brief public.child_parent_id_idx AccessExclusiveLock
--= brief public.child_pkey AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: set_compression
ALTER TABLE public.child ALTER COLUMN note SET COMPRESSION pglz;
--= lock public.child AccessExclusiveLock
--= brief public.child_note_idx AccessExclusiveLock
--= brief public.child_parent_id_idx AccessExclusiveLock
--= brief public.child_pkey AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: add_identity
ALTER TABLE public.child ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY;
--= lock public.child AccessShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_id_seq RowExclusiveLock new sequence
--= lock public.child_id_seq ShareRowExclusiveLock new sequence
--= lock public.child_id_seq AccessExclusiveLock new sequence
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- base: wide
-- case: type_int_to_bigint_with_indexes
-- One pass to rewrite, one for each index.
ALTER TABLE public.wide ALTER COLUMN number TYPE bigint;
--= lock public.wide ShareLock
--= lock public.wide AccessExclusiveLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_number_idx AccessExclusiveLock new
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

-- case: type_of_key_with_indexes
ALTER TABLE public.wide ALTER COLUMN id TYPE bigint;
--= lock public.wide ShareLock
--= lock public.wide AccessExclusiveLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_pkey AccessExclusiveLock
--= lock public.wide_pkey AccessExclusiveLock new
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

-- case: type_of_indexed_varchar_widened
ALTER TABLE public.wide ALTER COLUMN word TYPE varchar(60);
--= lock public.wide ShareLock
--= lock public.wide AccessExclusiveLock
--= lock public.wide_word_idx AccessShareLock
--= lock public.wide_word_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessExclusiveLock new
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide

-- case: type_of_indexed_varchar_to_text
ALTER TABLE public.wide ALTER COLUMN word TYPE text;
--= lock public.wide ShareLock
--= lock public.wide AccessExclusiveLock
--= lock public.wide_word_idx AccessShareLock
--= lock public.wide_word_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessExclusiveLock new
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide

-- case: type_of_column_of_view
ALTER TABLE public.wide ALTER COLUMN plain TYPE bigint;
--= lock public.wide AccessExclusiveLock
--= error 0A000

-- case: type_of_partially_indexed_under_utc
ALTER TABLE public.wide ALTER COLUMN seen TYPE timestamptz;
--= lock public.wide ShareLock
--= lock public.wide AccessExclusiveLock
--= lock public.wide_seen_idx AccessExclusiveLock
--= lock public.wide_seen_idx AccessExclusiveLock new
--= rebuild public.wide_seen_idx
--= scan public.wide rows=40 passes=1
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide

-- case: set_not_null_with_proving_check
ALTER TABLE public.wide ALTER COLUMN maybe SET NOT NULL;
--= lock public.wide AccessExclusiveLock
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide

-- case: set_not_null_without_check
ALTER TABLE public.wide ALTER COLUMN plain SET NOT NULL;
--= lock public.wide AccessExclusiveLock
--= scan public.wide rows=40 passes=1
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide

-- case: set_two_not_null
ALTER TABLE public.wide ALTER COLUMN plain SET NOT NULL, ALTER COLUMN amount SET NOT NULL;
--= lock public.wide AccessExclusiveLock
--= scan public.wide rows=40 passes=1
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide

-- case: drop_identity
ALTER TABLE public.booking ALTER COLUMN id DROP IDENTITY;
--= lock public.booking AccessExclusiveLock
--= lock public.booking_id_seq AccessExclusiveLock sequence
--= block public.booking SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.booking

-- case: set_identity
ALTER TABLE public.booking ALTER COLUMN id SET GENERATED BY DEFAULT SET START WITH 500;
--= lock public.booking AccessExclusiveLock
--= lock public.booking_id_seq RowExclusiveLock sequence
--= lock public.booking_id_seq ShareRowExclusiveLock sequence
--= block public.booking SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.booking

-- case: restart_identity
ALTER TABLE public.booking ALTER COLUMN id RESTART WITH 700;
--= lock public.booking AccessExclusiveLock
--= lock public.booking_id_seq RowExclusiveLock sequence
--= lock public.booking_id_seq ShareRowExclusiveLock sequence
--= block public.booking SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.booking

-- case: drop_expression_absent
ALTER TABLE public.quick ALTER COLUMN size DROP EXPRESSION IF EXISTS;
--= lock public.quick AccessExclusiveLock
--= block public.quick SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.quick

-- base: misc
-- case: type_to_constrained_domain
ALTER TABLE public.audited ALTER COLUMN size TYPE public.positive;
--= lock public.audited ShareUpdateExclusiveLock
--= lock public.audited ShareLock
--= lock public.audited AccessExclusiveLock
--= lock public.audited_pkey AccessExclusiveLock
--= rewrite public.audited
--= rebuild public.audited_pkey
--= scan public.audited rows=32 passes=2
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: type_to_free_domain
ALTER TABLE public.audited ALTER COLUMN size TYPE public.anything;
--= lock public.audited ShareUpdateExclusiveLock
--= lock public.audited AccessExclusiveLock
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: type_of_column_with_statistics
ALTER TABLE public.audited ALTER COLUMN size TYPE bigint;
--= lock public.audited ShareUpdateExclusiveLock
--= lock public.audited ShareLock
--= lock public.audited AccessExclusiveLock
--= lock public.audited_pkey AccessExclusiveLock
--= rewrite public.audited
--= rebuild public.audited_pkey
--= scan public.audited rows=32 passes=2
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: type_of_composite_attribute
ALTER TYPE public.address ALTER ATTRIBUTE number TYPE bigint CASCADE;
--= lock public.address AccessExclusiveLock type
--= lock public.homes AccessShareLock
--= brief public.address AccessShareLock type
--= error 0A000

-- case: set_default_of_audited
ALTER TABLE public.audited ALTER COLUMN size SET DEFAULT 3;
--= lock public.audited AccessExclusiveLock
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- base: parts
-- case: set_not_null_of_partitioned
ALTER TABLE public.events ALTER COLUMN body SET NOT NULL;
--= lock public.events AccessExclusiveLock
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2025 AccessExclusiveLock
--= lock public.events_default AccessExclusiveLock
--= scan public.events_2024 rows=11 passes=1
--= scan public.events_2025 rows=15 passes=1
--= scan public.events_default rows=2 passes=1
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.events

-- case: type_of_partitioned
ALTER TABLE public.regions ALTER COLUMN size TYPE bigint;
--= lock public.regions AccessExclusiveLock
--= lock public.regions_north ShareLock
--= lock public.regions_north AccessExclusiveLock
--= lock public.regions_south ShareLock
--= lock public.regions_south AccessExclusiveLock
--= rewrite public.regions_north
--= rewrite public.regions_south
--= scan public.regions_north rows=10 passes=1
--= scan public.regions_south rows=10 passes=1
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions
--= block public.regions_north SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_north
--= block public.regions_south SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_south

-- case: set_default_of_partitioned
ALTER TABLE public.events ALTER COLUMN body SET DEFAULT 'none';
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

-- case: set_default_of_partitioned_only
ALTER TABLE ONLY public.events ALTER COLUMN body SET DEFAULT 'none';
--= lock public.events AccessExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 INSERT, UPDATE on public.events
--= block public.events_2025 INSERT, UPDATE on public.events
--= block public.events_default INSERT, UPDATE on public.events
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.events

-- case: set_statistics_of_inherited
ALTER TABLE public.base ALTER COLUMN label SET STATISTICS 300;
--= lock public.base ShareUpdateExclusiveLock
--= lock public.kid ShareUpdateExclusiveLock
