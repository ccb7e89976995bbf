-- CREATE, ALTER and DROP INDEX, REINDEX. https://www.postgresql.org/docs/15/sql-createindex.html

-- base: shop
-- case: create_index
CREATE INDEX child_amount_idx ON public.child (amount);
--= lock public.child ShareLock
--= lock public.child_amount_idx AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: create_unique_index
CREATE UNIQUE INDEX child_price_idx ON public.child (price);
--= lock public.child ShareLock
--= lock public.child_price_idx AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: create_unique_index_fails
CREATE UNIQUE INDEX loner_size_idx ON public.loner (size);
--= lock public.loner ShareLock
--= brief public.loner AccessShareLock
--= scan public.loner rows=25 passes=1
--= error 23505

-- case: create_partial_index
CREATE INDEX child_amount_idx ON public.child (amount) WHERE amount > 30;
--= lock public.child ShareLock
--= lock public.child_amount_idx AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: create_expression_index
CREATE INDEX child_lower_idx ON public.child (lower(note));
--= lock public.child ShareLock
--= lock public.child_lower_idx AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: create_brin_index
CREATE INDEX child_happened_idx ON public.child USING brin (happened);
--= lock public.child ShareLock
--= lock public.child_happened_idx AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: create_hash_index
CREATE INDEX child_note_hash ON public.child USING hash (note);
--= lock public.child ShareLock
--= lock public.child_note_hash AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: create_gin_index
CREATE INDEX loner_words_idx ON public.loner USING gin (to_tsvector('english', label));
--= lock public.loner ShareLock
--= lock public.loner_words_idx AccessExclusiveLock new
--= scan public.loner rows=25 passes=1
--= block public.loner INSERT, UPDATE, DELETE on public.loner

-- case: create_index_on_materialized_view
CREATE INDEX totals_total_idx ON public.totals (total);
--= lock public.totals ShareLock
--= lock public.totals_total_idx AccessExclusiveLock new
--= scan public.totals rows=20 passes=1

-- case: create_index_if_not_exists_present
-- Does nothing, and takes the lock all the same.
CREATE INDEX IF NOT EXISTS child_note_idx ON public.child (note);
--= lock public.child ShareLock
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: create_index_if_not_exists_absent
CREATE INDEX IF NOT EXISTS loner_label_idx ON public.loner (label);
--= lock public.loner ShareLock
--= lock public.loner_label_idx AccessExclusiveLock new
--= scan public.loner rows=25 passes=1
--= block public.loner INSERT, UPDATE, DELETE on public.loner

-- case: create_index_present
CREATE INDEX child_note_idx ON public.child (note);
--= lock public.child ShareLock
--= error 42P07

-- case: create_two_indexes
BEGIN;
CREATE INDEX child_amount_idx ON public.child (amount);
--= lock public.child ShareLock
--= lock public.child_amount_idx AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child INSERT, UPDATE, DELETE on public.child
CREATE INDEX child_price_idx ON public.child (price);
--= lock public.child_price_idx AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child INSERT, UPDATE, DELETE on public.child
COMMIT;

-- case: create_index_concurrently
CREATE INDEX CONCURRENTLY child_amount_idx ON public.child (amount);
--= plain
--= lock public.child ShareUpdateExclusiveLock
--= lock public.child_amount_idx RowExclusiveLock new
--= lock public.child_amount_idx AccessExclusiveLock new
--= scan public.child rows=120 passes=2

-- case: create_unique_index_concurrently_fails
CREATE UNIQUE INDEX CONCURRENTLY loner_size_idx ON public.loner (size);
--= plain
--= lock public.loner ShareUpdateExclusiveLock
--= lock public.loner_size_idx RowExclusiveLock new
--= lock public.loner_size_idx AccessExclusiveLock new
--= brief public.loner AccessShareLock
--= scan public.loner rows=25 passes=1
--= error 23505

-- case: create_index_concurrently_if_not_exists_present
CREATE INDEX CONCURRENTLY IF NOT EXISTS child_note_idx ON public.child (note);
--= plain
--= lock public.child ShareUpdateExclusiveLock

-- case: create_partial_index_concurrently
CREATE INDEX CONCURRENTLY loner_label_idx ON public.loner (label) WHERE size = 1;
--= plain
--= lock public.loner ShareUpdateExclusiveLock
--= lock public.loner_label_idx RowExclusiveLock new
--= lock public.loner_label_idx AccessExclusiveLock new
--= scan public.loner rows=50 passes=2

-- case: drop_index
DROP INDEX public.child_note_idx;
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: drop_index_of_constraint
DROP INDEX public.child_pkey;
--= lock public.child AccessExclusiveLock
--= lock public.child_pkey AccessExclusiveLock
--= error 2BP01

-- case: drop_index_if_exists_absent
DROP INDEX IF EXISTS public.nothing;

-- case: drop_two_indexes
DROP INDEX public.child_note_idx, public.child_parent_id_idx;
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_parent_id_idx AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: drop_index_concurrently
DROP INDEX CONCURRENTLY public.child_note_idx;
--= plain
--= lock public.child ShareUpdateExclusiveLock
--= lock public.child_note_idx ShareUpdateExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock

-- case: rename_index
ALTER INDEX public.child_note_idx RENAME TO child_remark_idx;
--= lock public.child_note_idx ShareUpdateExclusiveLock

-- case: rename_index_by_alter_table
ALTER TABLE public.child_note_idx RENAME TO child_remark_idx;
--= lock public.child_note_idx AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child_note_idx
--= block public.child_names SELECT on public.child_note_idx
--= block public.item INSERT on public.child_note_idx
--= block public.parent DELETE on public.child_note_idx

-- case: set_index_option
ALTER INDEX public.child_note_idx SET (fillfactor = 60);
--= lock public.child_note_idx ShareUpdateExclusiveLock

-- case: set_index_statistics
CREATE INDEX child_lower_idx ON public.child (lower(note));
--= lock public.child ShareLock
--= lock public.child_lower_idx AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child INSERT, UPDATE, DELETE on public.child
ALTER INDEX public.child_lower_idx ALTER COLUMN 1 SET STATISTICS 200;
--= lock public.child_lower_idx ShareUpdateExclusiveLock new

-- case: reindex_index
REINDEX INDEX public.child_note_idx;
--= lock public.child ShareLock
--= lock public.child_note_idx AccessExclusiveLock
--= rebuild public.child_note_idx
--= scan public.child rows=60 passes=1
--= block public.child SELECT, SELECT FOR UPDATE on public.child_note_idx
--= block public.child INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child_note_idx
--= block public.item INSERT on public.child_note_idx
--= block public.parent DELETE on public.child_note_idx

-- case: reindex_table
REINDEX TABLE public.child;
--= lock public.child ShareLock
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_parent_id_idx AccessExclusiveLock
--= lock public.child_pkey AccessExclusiveLock
--= rebuild public.child_note_idx
--= rebuild public.child_parent_id_idx
--= rebuild public.child_pkey
--= scan public.child rows=180 passes=3
--= block public.child SELECT, SELECT FOR UPDATE on public.child_pkey
--= block public.child INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child_pkey
--= block public.item INSERT on public.child_pkey
--= block public.parent DELETE on public.child_pkey

-- case: reindex_index_concurrently
REINDEX INDEX CONCURRENTLY public.child_note_idx;
--= plain
--= lock public.child ShareUpdateExclusiveLock
--= lock public.child_note_idx RowExclusiveLock
--= lock public.child_note_idx RowExclusiveLock new
--= lock public.child_note_idx ShareUpdateExclusiveLock
--= lock public.child_note_idx ShareUpdateExclusiveLock new
--= lock public.child_note_idx AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock new
--= rebuild public.child_note_idx
--= scan public.child rows=120 passes=2

-- case: reindex_table_concurrently
REINDEX TABLE CONCURRENTLY public.parent;
--= plain
--= lock public.parent ShareUpdateExclusiveLock
--= lock public.parent_pkey RowExclusiveLock
--= lock public.parent_pkey RowExclusiveLock new
--= lock public.parent_pkey ShareUpdateExclusiveLock
--= lock public.parent_pkey ShareUpdateExclusiveLock new
--= lock public.parent_pkey AccessExclusiveLock
--= lock public.parent_pkey AccessExclusiveLock new
--= rebuild public.parent_pkey
--= scan public.parent rows=40 passes=2

-- case: replace_index
DROP INDEX public.child_note_idx;
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child
CREATE INDEX child_note_idx ON public.child (note, amount);
--= lock public.child ShareLock
--= lock public.child_note_idx AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child INSERT, UPDATE, DELETE on public.child

-- case: replace_index_in_one_transaction
BEGIN;
DROP INDEX public.child_note_idx;
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child
CREATE INDEX child_note_idx ON public.child (note, amount);
--= lock public.child ShareLock
--= lock public.child_note_idx AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child
COMMIT;

-- base: wide
-- case: reindex_table_with_toast
REINDEX TABLE public.wide;
--= lock public.wide ShareLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_pkey AccessExclusiveLock
--= lock public.wide_seen_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessExclusiveLock
--= rebuild public.wide_number_idx
--= rebuild public.wide_pkey
--= rebuild public.wide_seen_idx
--= rebuild public.wide_word_idx
--= scan public.wide rows=160 passes=4
--= block public.wide SELECT, SELECT FOR UPDATE on public.wide_pkey
--= block public.wide INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide_pkey

-- case: reindex_primary_key
REINDEX INDEX public.wide_pkey;
--= lock public.wide ShareLock
--= lock public.wide_pkey AccessExclusiveLock
--= rebuild public.wide_pkey
--= scan public.wide rows=40 passes=1
--= block public.wide SELECT, SELECT FOR UPDATE on public.wide_pkey
--= block public.wide INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide_pkey

-- case: reindex_schema
REINDEX SCHEMA public;
--= plain
--= lock public.booking ShareLock
--= lock public.booking_pkey AccessExclusiveLock
--= lock public.booking_place_key AccessExclusiveLock
--= lock public.quick ShareLock
--= lock public.quick_id_idx AccessExclusiveLock
--= lock public.wide ShareLock
--= lock public.wide_number_idx AccessExclusiveLock
--= lock public.wide_pkey AccessExclusiveLock
--= lock public.wide_seen_idx AccessExclusiveLock
--= lock public.wide_word_idx AccessExclusiveLock
--= rebuild public.booking_pkey
--= rebuild public.booking_place_key
--= rebuild public.quick_id_idx
--= rebuild public.wide_number_idx
--= rebuild public.wide_pkey
--= rebuild public.wide_seen_idx
--= rebuild public.wide_word_idx
--= scan public.wide rows=160 passes=4
--= scan public.quick rows=30 passes=1
--= scan public.booking rows=30 passes=2

-- case: create_gist_index
CREATE INDEX booking_during_idx ON public.booking USING gist (during);
--= lock public.booking ShareLock
--= lock public.booking_during_idx AccessExclusiveLock new
--= scan public.booking rows=15 passes=1
--= block public.booking INSERT, UPDATE, DELETE on public.booking

-- case: create_covering_index
CREATE INDEX wide_covering_idx ON public.wide (number) INCLUDE (word);
--= lock public.wide ShareLock
--= lock public.wide_covering_idx AccessExclusiveLock new
--= scan public.wide rows=40 passes=1
--= block public.wide INSERT, UPDATE, DELETE on public.wide

-- case: set_gin_option
CREATE INDEX wide_body_idx ON public.wide USING gin (to_tsvector('english', word));
--= lock public.wide ShareLock
--= lock public.wide_body_idx AccessExclusiveLock new
--= scan public.wide rows=40 passes=1
--= block public.wide INSERT, UPDATE, DELETE on public.wide
ALTER INDEX public.wide_body_idx SET (fastupdate = off);
--= lock public.wide_body_idx AccessExclusiveLock new
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide_body_idx
--= block public.wide_plain SELECT on public.wide_body_idx

-- base: parts
-- case: create_index_on_partitioned
CREATE INDEX events_body_idx ON public.events (body);
--= lock public.events ShareLock
--= lock public.events_2024 ShareLock
--= lock public.events_2024_body_idx AccessExclusiveLock new
--= lock public.events_2025 ShareLock
--= lock public.events_2025_body_idx AccessExclusiveLock new
--= lock public.events_body_idx ShareUpdateExclusiveLock new
--= lock public.events_body_idx AccessExclusiveLock new
--= lock public.events_default ShareLock
--= lock public.events_default_body_idx AccessExclusiveLock new
--= scan public.events_2024 rows=11 passes=1
--= scan public.events_2025 rows=15 passes=1
--= scan public.events_default rows=2 passes=1
--= block public.events INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_default INSERT, UPDATE, DELETE on public.events_default

-- case: create_index_on_partitioned_only
CREATE INDEX events_body_idx ON ONLY public.events (body);
--= lock public.events ShareLock
--= lock public.events_body_idx AccessExclusiveLock new
--= block public.events INSERT, UPDATE, DELETE on public.events

-- case: create_index_concurrently_on_partitioned
CREATE INDEX CONCURRENTLY events_body_idx ON public.events (body);
--= plain
--= lock public.events ShareUpdateExclusiveLock
--= lock public.events_2024 ShareUpdateExclusiveLock
--= lock public.events_2025 ShareUpdateExclusiveLock
--= lock public.events_default ShareUpdateExclusiveLock
--= error 0A000

-- case: create_index_on_partition
CREATE INDEX events_2024_body_idx ON public.events_2024 (body);
--= lock public.events_2024 ShareLock
--= lock public.events_2024_body_idx AccessExclusiveLock new
--= scan public.events_2024 rows=11 passes=1
--= block public.events INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2024 INSERT, UPDATE, DELETE on public.events_2024

-- case: attach_index
CREATE INDEX regions_size_idx ON ONLY public.regions (size);
--= lock public.regions ShareLock
--= lock public.regions_size_idx AccessExclusiveLock new
--= block public.regions INSERT, UPDATE, DELETE on public.regions
CREATE INDEX CONCURRENTLY regions_north_size_idx ON public.regions_north (size);
--= plain
--= lock public.regions_north ShareUpdateExclusiveLock
--= lock public.regions_north_size_idx RowExclusiveLock new
--= lock public.regions_north_size_idx AccessExclusiveLock new
--= scan public.regions_north rows=20 passes=2
CREATE INDEX CONCURRENTLY regions_south_size_idx ON public.regions_south (size);
--= plain
--= lock public.regions_south ShareUpdateExclusiveLock
--= lock public.regions_south_size_idx RowExclusiveLock new
--= lock public.regions_south_size_idx AccessExclusiveLock new
--= scan public.regions_south rows=20 passes=2
ALTER INDEX public.regions_size_idx ATTACH PARTITION public.regions_north_size_idx;
--= lock public.regions AccessShareLock
--= lock public.regions_north AccessShareLock
--= lock public.regions_north_size_idx AccessExclusiveLock new
--= lock public.regions_size_idx ShareUpdateExclusiveLock new
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_north_size_idx
--= block public.regions_north SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_north_size_idx
ALTER INDEX public.regions_size_idx ATTACH PARTITION public.regions_south_size_idx;
--= lock public.regions AccessShareLock
--= lock public.regions_size_idx ShareUpdateExclusiveLock new
--= lock public.regions_south AccessShareLock
--= lock public.regions_south_size_idx AccessExclusiveLock new
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_south_size_idx
--= block public.regions_south SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_south_size_idx

-- case: drop_index_of_partitioned
DROP INDEX public.events_kind_idx;
--= lock public.events AccessExclusiveLock
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2024_kind_idx AccessExclusiveLock
--= lock public.events_2025 AccessExclusiveLock
--= lock public.events_2025_kind_idx AccessExclusiveLock
--= lock public.events_default AccessExclusiveLock
--= lock public.events_default_kind_idx AccessExclusiveLock
--= lock public.events_kind_idx AccessExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.events

-- case: drop_index_of_partition
DROP INDEX public.events_2024_kind_idx;
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2024_kind_idx AccessExclusiveLock
--= lock public.events_kind_idx AccessExclusiveLock
--= error 2BP01

-- case: drop_index_of_partitioned_concurrently
DROP INDEX CONCURRENTLY public.events_kind_idx;
--= plain
--= lock public.events ShareUpdateExclusiveLock
--= lock public.events_kind_idx ShareUpdateExclusiveLock
--= error 0A000

-- case: reindex_partitioned_table
REINDEX TABLE public.events;
--= plain
--= lock public.events ShareLock
--= lock public.events_2024 ShareLock
--= lock public.events_2024_kind_idx AccessExclusiveLock
--= lock public.events_2024_pkey AccessExclusiveLock
--= lock public.events_2025 ShareLock
--= lock public.events_2025_kind_idx AccessExclusiveLock
--= lock public.events_2025_pkey AccessExclusiveLock
--= lock public.events_default ShareLock
--= lock public.events_default_kind_idx AccessExclusiveLock
--= lock public.events_default_pkey AccessExclusiveLock
--= rebuild public.events_2024_kind_idx
--= rebuild public.events_2024_pkey
--= rebuild public.events_2025_kind_idx
--= rebuild public.events_2025_pkey
--= rebuild public.events_default_kind_idx
--= rebuild public.events_default_pkey
--= scan public.events_2024 rows=22 passes=2
--= scan public.events_2025 rows=30 passes=2
--= scan public.events_default rows=4 passes=2

-- case: reindex_partitioned_index
REINDEX INDEX public.events_kind_idx;
--= plain
--= lock public.events ShareLock
--= lock public.events_2024 ShareLock
--= lock public.events_2024_kind_idx ShareLock
--= lock public.events_2024_kind_idx AccessExclusiveLock
--= lock public.events_2025 ShareLock
--= lock public.events_2025_kind_idx ShareLock
--= lock public.events_2025_kind_idx AccessExclusiveLock
--= lock public.events_default ShareLock
--= lock public.events_default_kind_idx ShareLock
--= lock public.events_default_kind_idx AccessExclusiveLock
--= lock public.events_kind_idx AccessExclusiveLock
--= rebuild public.events_2024_kind_idx
--= rebuild public.events_2025_kind_idx
--= rebuild public.events_default_kind_idx
--= scan public.events_2024 rows=11 passes=1
--= scan public.events_2025 rows=15 passes=1
--= scan public.events_default rows=2 passes=1

-- case: create_index_on_inherited
CREATE INDEX base_label_idx ON public.base (label);
--= lock public.base ShareLock
--= lock public.base_label_idx AccessExclusiveLock new
--= scan public.base rows=10 passes=1
--= block public.base INSERT, UPDATE, DELETE on public.base

-- case: rename_index_of_partitioned
ALTER INDEX public.events_kind_idx RENAME TO events_by_kind;
--= lock public.events_kind_idx ShareUpdateExclusiveLock
