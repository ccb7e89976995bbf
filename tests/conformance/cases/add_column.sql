-- ALTER TABLE … ADD COLUMN and DROP COLUMN. https://www.postgresql.org/docs/15/sql-altertable.html

-- base: shop
-- case: add_column
ALTER TABLE public.child ADD COLUMN extra int;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: add_column_on_parent
ALTER TABLE public.parent ADD COLUMN extra text;
--= lock public.parent AccessExclusiveLock
--= block public.child INSERT on public.parent
--= block public.child_names SELECT on public.parent
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent

-- case: add_column_constant_default
ALTER TABLE public.loner ADD COLUMN extra int NOT NULL DEFAULT 5;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_column_now_default
-- now() is stable: evaluated once.
ALTER TABLE public.loner ADD COLUMN seen timestamptz NOT NULL DEFAULT now();
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_column_clock_default
-- clock_timestamp() is volatile.
ALTER TABLE public.loner ADD COLUMN seen timestamptz DEFAULT clock_timestamp();
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= rewrite public.loner
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_column_random_default
ALTER TABLE public.child ADD COLUMN extra double precision DEFAULT random();
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

-- case: add_column_uuid_default
ALTER TABLE public.item ADD COLUMN key uuid DEFAULT gen_random_uuid();
--= lock public.item ShareLock
--= lock public.item AccessExclusiveLock
--= lock public.item_pkey AccessExclusiveLock
--= rewrite public.item
--= rebuild public.item_pkey
--= scan public.item rows=60 passes=2
--= block public.child DELETE on public.item
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item

-- case: add_column_serial
ALTER TABLE public.loner ADD COLUMN number serial;
--= lock public.loner AccessShareLock
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= lock public.loner_number_seq RowExclusiveLock new sequence
--= lock public.loner_number_seq ShareRowExclusiveLock new sequence
--= lock public.loner_number_seq AccessExclusiveLock new sequence
--= rewrite public.loner
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_column_identity
ALTER TABLE public.item ADD COLUMN number int GENERATED ALWAYS AS IDENTITY;
--= lock public.item AccessShareLock
--= lock public.item ShareLock
--= lock public.item AccessExclusiveLock
--= lock public.item_number_seq RowExclusiveLock new sequence
--= lock public.item_number_seq ShareRowExclusiveLock new sequence
--= lock public.item_number_seq AccessExclusiveLock new sequence
--= lock public.item_pkey AccessExclusiveLock
--= rewrite public.item
--= rebuild public.item_pkey
--= scan public.item rows=60 passes=2
--= block public.child DELETE on public.item
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item

-- case: add_column_generated
ALTER TABLE public.child ADD COLUMN doubled int GENERATED ALWAYS AS (amount * 2) STORED;
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

-- case: add_column_not_null_without_default
ALTER TABLE public.loner ADD COLUMN extra int NOT NULL;
--= lock public.loner AccessExclusiveLock
--= scan public.loner rows=1 passes=1
--= error 23502

-- case: add_column_with_check
ALTER TABLE public.loner ADD COLUMN extra int CHECK (extra > 0);
--= lock public.loner AccessExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_column_with_check_and_default
ALTER TABLE public.loner ADD COLUMN extra int DEFAULT 3 CHECK (extra > 0);
--= lock public.loner AccessExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_column_unique
ALTER TABLE public.loner ADD COLUMN extra int UNIQUE;
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= lock public.loner_extra_key AccessExclusiveLock new
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_column_primary_key
ALTER TABLE public.loner ADD COLUMN key serial PRIMARY KEY;
--= lock public.loner AccessShareLock
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= lock public.loner_key_seq RowExclusiveLock new sequence
--= lock public.loner_key_seq ShareRowExclusiveLock new sequence
--= lock public.loner_key_seq AccessExclusiveLock new sequence
--= lock public.loner_pkey AccessExclusiveLock new
--= rewrite public.loner
--= scan public.loner rows=50 passes=2
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_column_references
ALTER TABLE public.loner ADD COLUMN parent_id int REFERENCES public.parent (id);
--= lock public.loner AccessShareLock
--= lock public.loner ShareRowExclusiveLock
--= lock public.loner AccessExclusiveLock
--= lock public.parent AccessShareLock
--= lock public.parent ShareRowExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
--= block public.parent INSERT, UPDATE, DELETE on public.parent
--= 18: lock public.parent_pkey AccessShareLock

-- case: add_column_references_with_default
ALTER TABLE public.loner ADD COLUMN parent_id int DEFAULT 1 REFERENCES public.parent (id);
--= lock public.loner AccessShareLock
--= lock public.loner ShareRowExclusiveLock
--= lock public.loner AccessExclusiveLock
--= lock public.parent AccessShareLock
--= lock public.parent RowShareLock
--= lock public.parent ShareRowExclusiveLock
--= lock public.parent_pkey AccessShareLock
--= scan public.parent rows=20 passes=1
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
--= block public.parent INSERT, UPDATE, DELETE on public.parent

-- case: add_column_if_not_exists_present
-- Does nothing, and takes the lock all the same.
ALTER TABLE public.child ADD COLUMN IF NOT EXISTS note text;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: add_column_if_not_exists_absent
ALTER TABLE public.loner ADD COLUMN IF NOT EXISTS extra text;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: add_column_present
ALTER TABLE public.child ADD COLUMN note text;
--= lock public.child AccessExclusiveLock
--= error 42701

-- case: alter_table_if_exists_absent
ALTER TABLE IF EXISTS public.nothing ADD COLUMN extra int;

-- case: add_two_columns_and_a_rewrite
ALTER TABLE public.loner ADD COLUMN a int, ADD COLUMN b uuid DEFAULT gen_random_uuid(), DROP COLUMN label;
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= rewrite public.loner
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: drop_column
ALTER TABLE public.loner DROP COLUMN label;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: drop_column_with_index
ALTER TABLE public.child DROP COLUMN note;
--= lock public.child AccessExclusiveLock
--= lock public.child_note_idx AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: drop_column_with_foreign_key
-- The triggers of the constraint stand on the parent, too.
ALTER TABLE public.item DROP COLUMN child_id;
--= lock public.child AccessExclusiveLock
--= lock public.item AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.parent DELETE on public.child

-- case: drop_column_with_view
ALTER TABLE public.parent DROP COLUMN name;
--= lock public.child_names AccessExclusiveLock view
--= lock public.parent AccessExclusiveLock
--= error 2BP01

-- case: drop_column_with_view_cascade
ALTER TABLE public.parent DROP COLUMN name CASCADE;
--= lock public.child_names AccessExclusiveLock view
--= lock public.parent AccessExclusiveLock
--= block public.child INSERT on public.parent
--= block public.child_names SELECT on public.child_names
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent

-- case: drop_column_of_key_cascade
ALTER TABLE public.child DROP COLUMN id CASCADE;
--= lock public.child AccessExclusiveLock
--= lock public.child_names AccessExclusiveLock view
--= lock public.child_pkey AccessExclusiveLock
--= lock public.item AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child_names
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.parent DELETE on public.child

-- case: drop_column_with_sequence
ALTER TABLE public.loner DROP COLUMN id;
--= lock public.loner AccessExclusiveLock
--= lock public.loner_id_seq AccessExclusiveLock sequence
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: drop_column_if_exists_absent
ALTER TABLE public.loner DROP COLUMN IF EXISTS nothing;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- base: misc
-- case: add_column_inlined_function_default
-- A volatile SQL function that is inlined to a constant.
ALTER TABLE public.audited ADD COLUMN extra int DEFAULT public.volatile_sql();
--= lock public.audited AccessExclusiveLock
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: add_column_volatile_plpgsql_default
ALTER TABLE public.audited ADD COLUMN extra int DEFAULT public.volatile_plpgsql();
--= lock public.audited ShareLock
--= lock public.audited AccessExclusiveLock
--= lock public.audited_pkey AccessExclusiveLock
--= rewrite public.audited
--= rebuild public.audited_pkey
--= scan public.audited rows=32 passes=2
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: add_column_stable_plpgsql_default
ALTER TABLE public.audited ADD COLUMN extra int DEFAULT public.stable_plpgsql();
--= lock public.audited AccessExclusiveLock
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: add_column_undeclared_default
-- A function is volatile unless it says otherwise.
ALTER TABLE public.audited ADD COLUMN extra int DEFAULT public.undeclared();
--= lock public.audited ShareLock
--= lock public.audited AccessExclusiveLock
--= lock public.audited_pkey AccessExclusiveLock
--= rewrite public.audited
--= rebuild public.audited_pkey
--= scan public.audited rows=32 passes=2
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: add_column_constrained_domain
ALTER TABLE public.homes ADD COLUMN extra public.positive;
--= lock public.homes ShareLock
--= lock public.homes AccessExclusiveLock
--= lock public.homes_pkey AccessExclusiveLock
--= brief public.address AccessShareLock type
--= rewrite public.homes
--= rebuild public.homes_pkey
--= scan public.homes rows=28 passes=2
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes

-- case: add_column_constrained_domain_default
ALTER TABLE public.homes ADD COLUMN extra public.positive DEFAULT 4;
--= lock public.homes ShareLock
--= lock public.homes AccessExclusiveLock
--= lock public.homes_pkey AccessExclusiveLock
--= brief public.address AccessShareLock type
--= rewrite public.homes
--= rebuild public.homes_pkey
--= scan public.homes rows=28 passes=2
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes

-- case: add_column_free_domain
ALTER TABLE public.homes ADD COLUMN extra public.anything;
--= lock public.homes AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes

-- case: add_column_enum
ALTER TABLE public.homes ADD COLUMN feeling public.mood NOT NULL DEFAULT 'sad';
--= lock public.homes AccessExclusiveLock
--= block public.homes SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.homes

-- case: add_column_under_row_security
ALTER TABLE public.secrets ADD COLUMN extra int;
--= lock public.secrets AccessExclusiveLock
--= block public.secrets SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.secrets

-- base: parts
-- case: add_column_to_partitioned
ALTER TABLE public.events ADD COLUMN extra int DEFAULT 1;
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

-- case: add_column_to_partitioned_rewrite
ALTER TABLE public.regions ADD COLUMN key uuid DEFAULT gen_random_uuid();
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

-- case: add_column_to_inherited
ALTER TABLE public.base ADD COLUMN more int;
--= lock public.base AccessExclusiveLock
--= lock public.kid AccessExclusiveLock
--= block public.base SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.base
--= block public.kid SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kid

-- case: add_column_to_heir
ALTER TABLE public.kid ADD COLUMN more int;
--= lock public.kid AccessExclusiveLock
--= block public.base SELECT, SELECT FOR UPDATE, UPDATE, DELETE on public.kid
--= block public.kid SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kid

-- case: drop_column_of_partitioned
ALTER TABLE public.events DROP COLUMN body CASCADE;
--= lock public.events AccessExclusiveLock
--= lock public.events_2024 AccessExclusiveLock
--= lock public.events_2025 AccessExclusiveLock
--= lock public.events_default AccessExclusiveLock
--= lock public.recent AccessExclusiveLock view
--= block public.events SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events
--= block public.events_2024 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2024
--= block public.events_2025 SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_2025
--= block public.events_default SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.events_default
--= block public.kinds DELETE on public.events
--= block public.recent SELECT on public.recent

-- case: drop_column_of_inherited
ALTER TABLE public.base DROP COLUMN label;
--= lock public.base AccessExclusiveLock
--= lock public.kid AccessExclusiveLock
--= block public.base SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.base
--= block public.kid SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.kid

-- base: wide
-- case: add_column_to_wide_rewrite
-- Three more indexes than the key, and values out of line.
ALTER TABLE public.wide ADD COLUMN key uuid DEFAULT gen_random_uuid();
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

-- case: drop_toasted_column
ALTER TABLE public.wide DROP COLUMN body;
--= lock public.wide AccessExclusiveLock
--= block public.wide SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.wide
--= block public.wide_plain SELECT on public.wide

-- case: drop_column_of_deferrable_constraint
ALTER TABLE public.booking DROP COLUMN place;
--= lock public.booking AccessExclusiveLock
--= lock public.booking_place_key AccessExclusiveLock
--= block public.booking SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.booking
