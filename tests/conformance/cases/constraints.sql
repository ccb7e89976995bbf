-- ALTER TABLE … ADD, VALIDATE, ALTER and DROP CONSTRAINT. https://www.postgresql.org/docs/15/sql-altertable.html

-- base: shop
-- case: add_check
ALTER TABLE public.child ADD CONSTRAINT child_price_check CHECK (price >= 0);
--= lock public.child AccessExclusiveLock
--= scan public.child rows=60 passes=1
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: add_check_not_valid
ALTER TABLE public.child ADD CONSTRAINT child_price_check CHECK (price >= 0) NOT VALID;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: add_check_fails
ALTER TABLE public.loner ADD CONSTRAINT loner_size_check CHECK (size > 1);
--= lock public.loner AccessExclusiveLock
--= scan public.loner rows=1 passes=1
--= error 23514

-- case: validate_check
ALTER TABLE public.loner ADD CONSTRAINT loner_size_check CHECK (size > 0) NOT VALID;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
ALTER TABLE public.loner VALIDATE CONSTRAINT loner_size_check;
--= lock public.loner ShareUpdateExclusiveLock
--= scan public.loner rows=25 passes=1

-- case: validate_valid_check
ALTER TABLE public.child VALIDATE CONSTRAINT child_amount_check;
--= lock public.child ShareUpdateExclusiveLock

-- case: add_check_and_validate_in_one_transaction
BEGIN;
ALTER TABLE public.child ADD CONSTRAINT child_price_check CHECK (price >= 0) NOT VALID;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child
ALTER TABLE public.child VALIDATE CONSTRAINT child_price_check;
--= lock public.child ShareUpdateExclusiveLock
--= scan public.child rows=60 passes=1
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child
COMMIT;

-- case: drop_check
ALTER TABLE public.child DROP CONSTRAINT child_amount_check;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: drop_constraint_if_exists_absent
ALTER TABLE public.child DROP CONSTRAINT IF EXISTS nothing;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: add_unique
ALTER TABLE public.child ADD CONSTRAINT child_price_key UNIQUE (price);
--= lock public.child ShareLock
--= lock public.child AccessExclusiveLock
--= lock public.child_price_key AccessExclusiveLock new
--= scan public.child rows=60 passes=1
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: add_unique_fails
ALTER TABLE public.loner ADD CONSTRAINT loner_size_key UNIQUE (size);
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= brief public.loner AccessShareLock
--= scan public.loner rows=25 passes=1
--= error 23505

-- case: add_primary_key
ALTER TABLE public.loner ADD PRIMARY KEY (id);
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= lock public.loner_pkey AccessExclusiveLock new
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_primary_key_on_nullable
ALTER TABLE public.loner ADD PRIMARY KEY (label);
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= lock public.loner_pkey AccessExclusiveLock new
--= scan public.loner rows=50 passes=2
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: unique_using_index
CREATE UNIQUE INDEX CONCURRENTLY loner_label_key ON public.loner (label);
--= plain
--= lock public.loner ShareUpdateExclusiveLock
--= lock public.loner_label_key RowExclusiveLock new
--= lock public.loner_label_key AccessExclusiveLock new
--= scan public.loner rows=50 passes=2
ALTER TABLE public.loner ADD CONSTRAINT loner_label_key UNIQUE USING INDEX loner_label_key;
--= lock public.loner AccessExclusiveLock
--= lock public.loner_label_key AccessShareLock new
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: primary_key_using_index_on_nullable
CREATE UNIQUE INDEX loner_label_idx ON public.loner (label);
--= lock public.loner ShareLock
--= lock public.loner_label_idx AccessExclusiveLock new
--= scan public.loner rows=25 passes=1
--= block public.loner INSERT, UPDATE, DELETE on public.loner
ALTER TABLE public.loner ADD CONSTRAINT loner_pkey PRIMARY KEY USING INDEX loner_label_idx;
--= lock public.loner AccessExclusiveLock
--= lock public.loner_label_idx AccessShareLock new
--= lock public.loner_label_idx ShareUpdateExclusiveLock new
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_foreign_key
ALTER TABLE public.loner ADD CONSTRAINT loner_parent_fkey FOREIGN KEY (size) REFERENCES public.parent (id);
--= lock public.loner AccessShareLock
--= lock public.loner ShareRowExclusiveLock
--= lock public.parent AccessShareLock
--= lock public.parent RowShareLock
--= lock public.parent ShareRowExclusiveLock
--= lock public.parent_pkey AccessShareLock
--= scan public.parent rows=20 passes=1
--= scan public.loner rows=25 passes=1
--= block public.loner INSERT, UPDATE, DELETE on public.loner
--= block public.parent INSERT, UPDATE, DELETE on public.parent

-- case: add_foreign_key_not_valid
ALTER TABLE public.loner ADD CONSTRAINT loner_parent_fkey FOREIGN KEY (size) REFERENCES public.parent (id) NOT VALID;
--= lock public.loner AccessShareLock
--= lock public.loner ShareRowExclusiveLock
--= lock public.parent AccessShareLock
--= lock public.parent ShareRowExclusiveLock
--= block public.loner INSERT, UPDATE, DELETE on public.loner
--= block public.parent INSERT, UPDATE, DELETE on public.parent
--= 18: lock public.parent_pkey AccessShareLock

-- case: add_foreign_key_fails
ALTER TABLE public.loner ADD CONSTRAINT loner_item_fkey FOREIGN KEY (id) REFERENCES public.parent (id);
--= lock public.loner AccessShareLock
--= lock public.loner ShareRowExclusiveLock
--= lock public.parent AccessShareLock
--= lock public.parent RowShareLock
--= lock public.parent ShareRowExclusiveLock
--= lock public.parent_pkey AccessShareLock
--= scan public.parent rows=20 passes=1
--= scan public.loner rows=21 passes=1
--= error 23503

-- case: add_foreign_key_to_itself
ALTER TABLE public.parent ADD COLUMN boss int CONSTRAINT parent_boss_fkey REFERENCES public.parent (id);
--= lock public.parent AccessShareLock
--= lock public.parent ShareRowExclusiveLock
--= lock public.parent AccessExclusiveLock
--= block public.child INSERT on public.parent
--= block public.child_names SELECT on public.parent
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent
--= 18: lock public.parent_pkey AccessShareLock

-- case: validate_foreign_key
ALTER TABLE public.loner ADD CONSTRAINT loner_parent_fkey FOREIGN KEY (size) REFERENCES public.parent (id) NOT VALID;
--= lock public.loner AccessShareLock
--= lock public.loner ShareRowExclusiveLock
--= lock public.parent AccessShareLock
--= lock public.parent ShareRowExclusiveLock
--= block public.loner INSERT, UPDATE, DELETE on public.loner
--= block public.parent INSERT, UPDATE, DELETE on public.parent
--= 18: lock public.parent_pkey AccessShareLock
ALTER TABLE public.loner VALIDATE CONSTRAINT loner_parent_fkey;
--= lock public.loner AccessShareLock
--= lock public.loner ShareUpdateExclusiveLock
--= lock public.parent AccessShareLock
--= lock public.parent RowShareLock
--= lock public.parent_pkey AccessShareLock
--= scan public.parent rows=20 passes=1
--= scan public.loner rows=25 passes=1

-- case: drop_foreign_key
-- ACCESS EXCLUSIVE on the parent as well.
ALTER TABLE public.child DROP CONSTRAINT child_parent_id_fkey;
--= lock public.child AccessExclusiveLock
--= lock public.parent AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent

-- case: drop_primary_key_referenced
ALTER TABLE public.parent DROP CONSTRAINT parent_pkey;
--= lock public.parent AccessExclusiveLock
--= lock public.parent_pkey AccessExclusiveLock
--= error 2BP01

-- case: drop_primary_key_cascade
ALTER TABLE public.parent DROP CONSTRAINT parent_pkey CASCADE;
--= lock public.child AccessExclusiveLock
--= lock public.parent AccessExclusiveLock
--= lock public.parent_pkey AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent

-- case: drop_primary_key
ALTER TABLE public.item DROP CONSTRAINT item_pkey;
--= lock public.item AccessExclusiveLock
--= lock public.item_pkey AccessExclusiveLock
--= block public.child DELETE on public.item
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item

-- case: alter_foreign_key_deferrable
ALTER TABLE public.child ALTER CONSTRAINT child_parent_id_fkey DEFERRABLE INITIALLY DEFERRED;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: rename_constraint
ALTER TABLE public.child RENAME CONSTRAINT child_amount_check TO child_amount_positive;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: rename_key_constraint
ALTER TABLE public.child RENAME CONSTRAINT child_pkey TO child_key;
--= lock public.child AccessExclusiveLock
--= lock public.child_pkey ShareUpdateExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: rename_foreign_key
ALTER TABLE public.child RENAME CONSTRAINT child_parent_id_fkey TO child_parent;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: swap_foreign_key
ALTER TABLE public.child
    DROP CONSTRAINT child_parent_id_fkey,
    ADD CONSTRAINT child_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES public.parent (id) ON DELETE CASCADE;
--= lock public.child AccessShareLock
--= lock public.child ShareRowExclusiveLock
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.parent AccessShareLock
--= lock public.parent RowShareLock
--= lock public.parent ShareRowExclusiveLock
--= lock public.parent AccessExclusiveLock
--= lock public.parent_pkey AccessShareLock
--= scan public.parent rows=20 passes=1
--= scan public.child rows=60 passes=1
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent

-- case: add_check_and_column
ALTER TABLE public.loner ADD COLUMN extra int DEFAULT 3, ADD CONSTRAINT loner_check CHECK (extra > size);
--= lock public.loner AccessExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- base: wide
-- case: add_exclusion
ALTER TABLE public.booking ADD CONSTRAINT booking_during_excl EXCLUDE USING gist (during WITH &&) WHERE (room > 14);
--= lock public.booking ShareLock
--= lock public.booking AccessExclusiveLock
--= lock public.booking_during_excl AccessExclusiveLock new
--= scan public.booking rows=30 passes=2
--= block public.booking SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.booking

-- case: add_exclusion_btree
ALTER TABLE public.booking ADD CONSTRAINT booking_room_excl EXCLUDE (room WITH =);
--= lock public.booking ShareLock
--= lock public.booking AccessExclusiveLock
--= lock public.booking_room_excl AccessExclusiveLock new
--= scan public.booking rows=30 passes=2
--= block public.booking SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.booking

-- case: drop_deferrable_unique
ALTER TABLE public.booking DROP CONSTRAINT booking_place_key;
--= lock public.booking AccessExclusiveLock
--= lock public.booking_place_key AccessExclusiveLock
--= block public.booking SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.booking

-- case: add_primary_key_using_index
ALTER TABLE public.quick ADD CONSTRAINT quick_pkey PRIMARY KEY USING INDEX quick_id_idx;
--= lock public.quick AccessExclusiveLock
--= lock public.quick_id_idx AccessShareLock
--= lock public.quick_id_idx ShareUpdateExclusiveLock
--= block public.quick SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.quick

-- case: add_foreign_key_to_unlogged_fails
ALTER TABLE public.booking ADD CONSTRAINT booking_room_fkey FOREIGN KEY (room) REFERENCES public.quick (id);
--= lock public.booking ShareRowExclusiveLock
--= lock public.quick ShareRowExclusiveLock
--= error 42P16

-- case: add_foreign_key_to_wide
ALTER TABLE public.booking ADD CONSTRAINT booking_room_fkey FOREIGN KEY (room) REFERENCES public.wide (id);
--= lock public.booking AccessShareLock
--= lock public.booking ShareRowExclusiveLock
--= lock public.booking_pkey AccessShareLock
--= lock public.booking_place_key AccessShareLock
--= lock public.wide AccessShareLock
--= lock public.wide RowShareLock
--= lock public.wide ShareRowExclusiveLock
--= lock public.wide_number_idx AccessShareLock
--= lock public.wide_pkey AccessShareLock
--= lock public.wide_seen_idx AccessShareLock
--= lock public.wide_word_idx AccessShareLock
--= scan public.wide rows=40 passes=1
--= scan public.booking rows=15 passes=1
--= block public.booking INSERT, UPDATE, DELETE on public.booking
--= block public.wide INSERT, UPDATE, DELETE on public.wide

-- base: parts
-- case: add_check_to_partitioned
ALTER TABLE public.events ADD CONSTRAINT events_check CHECK (id >= 0);
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

-- case: add_unique_to_partitioned
ALTER TABLE public.regions ADD CONSTRAINT regions_key UNIQUE (id, region);
--= lock public.regions ShareLock
--= lock public.regions AccessExclusiveLock
--= lock public.regions_key ShareUpdateExclusiveLock new
--= lock public.regions_key AccessExclusiveLock new
--= lock public.regions_north ShareLock
--= lock public.regions_north_id_region_key AccessExclusiveLock new
--= lock public.regions_south ShareLock
--= lock public.regions_south_id_region_key AccessExclusiveLock new
--= scan public.regions_north rows=10 passes=1
--= scan public.regions_south rows=10 passes=1
--= block public.regions SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions
--= 15: block public.regions_north INSERT, UPDATE, DELETE on public.regions_north
--= 15: block public.regions_south INSERT, UPDATE, DELETE on public.regions_south
--= 18: lock public.regions_north AccessExclusiveLock
--= 18: lock public.regions_south AccessExclusiveLock
--= 18: block public.regions_north SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_north
--= 18: block public.regions_south SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.regions_south

-- case: add_foreign_key_to_partitioned
ALTER TABLE public.stray ADD COLUMN happened date, ADD FOREIGN KEY (id, happened) REFERENCES public.events (id, happened);
--= lock public.events AccessShareLock
--= lock public.events RowShareLock
--= lock public.events ShareRowExclusiveLock
--= lock public.events_2024 AccessShareLock
--= lock public.events_2024 ShareRowExclusiveLock
--= lock public.events_2024_kind_idx AccessShareLock
--= lock public.events_2024_pkey AccessShareLock
--= lock public.events_2025 AccessShareLock
--= lock public.events_2025 ShareRowExclusiveLock
--= lock public.events_2025_kind_idx AccessShareLock
--= lock public.events_2025_pkey AccessShareLock
--= lock public.events_default AccessShareLock
--= lock public.events_default ShareRowExclusiveLock
--= lock public.events_default_kind_idx AccessShareLock
--= lock public.events_default_pkey AccessShareLock
--= lock public.stray AccessShareLock
--= lock public.stray ShareRowExclusiveLock
--= lock public.stray AccessExclusiveLock
--= scan public.stray rows=11 passes=1
--= block public.events INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_default INSERT, UPDATE, DELETE on public.events_default
--= block public.stray SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.stray
--= 18: lock public.events_kind_idx AccessShareLock
--= 18: lock public.events_pkey AccessShareLock

-- case: add_foreign_key_of_partitioned
ALTER TABLE public.regions ADD CONSTRAINT regions_size_fkey FOREIGN KEY (size) REFERENCES public.base (id) NOT VALID;
--= lock public.base ShareRowExclusiveLock
--= lock public.regions ShareRowExclusiveLock
--= 15: error 42809
--= 18: lock public.base AccessShareLock
--= 18: lock public.base_pkey AccessShareLock
--= 18: lock public.regions AccessShareLock
--= 18: lock public.regions_north ShareRowExclusiveLock
--= 18: lock public.regions_south ShareRowExclusiveLock
--= 18: block public.base INSERT, UPDATE, DELETE on public.base
--= 18: block public.regions INSERT, UPDATE, DELETE on public.regions
--= 18: block public.regions_north INSERT, UPDATE, DELETE on public.regions_north
--= 18: block public.regions_south INSERT, UPDATE, DELETE on public.regions_south

-- case: drop_foreign_key_of_partitioned
ALTER TABLE public.events DROP CONSTRAINT events_kind_fkey;
--= lock public.events AccessExclusiveLock
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2025 AccessExclusiveLock
--= lock public.events_default AccessExclusiveLock
--= lock public.kinds AccessExclusiveLock
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kinds
--= block public.recent SELECT on public.events

-- case: add_check_to_inherited
ALTER TABLE public.base ADD CONSTRAINT base_check CHECK (size > 0);
--= lock public.base AccessExclusiveLock
--= lock public.kid AccessExclusiveLock
--= scan public.base rows=10 passes=1
--= scan public.kid rows=12 passes=1
--= block public.base SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.base
--= block public.kid SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kid

-- case: add_check_no_inherit
ALTER TABLE public.base ADD CONSTRAINT base_check CHECK (size > 0) NO INHERIT;
--= lock public.base AccessExclusiveLock
--= scan public.base rows=10 passes=1
--= block public.base SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.base
--= 18: lock public.kid AccessExclusiveLock
--= 18: block public.kid SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kid

-- base: misc
-- case: add_foreign_key_across_schemas
ALTER TABLE public.audited ADD CONSTRAINT audited_first_fkey FOREIGN KEY (size) REFERENCES app.first (id) NOT VALID;
--= lock app.first AccessShareLock
--= lock app.first ShareRowExclusiveLock
--= lock public.audited AccessShareLock
--= lock public.audited ShareRowExclusiveLock
--= block app.first INSERT, UPDATE, DELETE on app.first
--= block public.audited INSERT, UPDATE, DELETE on public.audited
--= 18: lock app.first_pkey AccessShareLock

-- case: drop_foreign_key_across_schemas
ALTER TABLE public.user_of_app DROP CONSTRAINT user_first_id_fkey;
--= lock app.first AccessExclusiveLock
--= lock public.user_of_app AccessExclusiveLock
--= block app.first SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on app.first
--= block app.second INSERT on app.first
--= block public.user_of_app SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.user_of_app
