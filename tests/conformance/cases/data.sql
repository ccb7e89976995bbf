-- Rows changed and locked, blocks of code, functions and procedures, transactions.

-- base: shop
-- case: insert
INSERT INTO public.child (id, parent_id, amount) VALUES (500, 3, 5);
--= lock public.child RowExclusiveLock
--= lock public.parent RowShareLock
--= lock public.parent_pkey RowShareLock
--= brief public.child_note_idx RowExclusiveLock
--= brief public.child_parent_id_idx RowExclusiveLock
--= brief public.child_pkey RowExclusiveLock
--= scan public.parent rows=3 passes=1
--= block public.parent SELECT FOR UPDATE, DELETE on transactionid

-- case: update_some
UPDATE public.child SET note = 'changed' WHERE id <= 10;
--= lock public.child RowExclusiveLock
--= lock public.child_note_idx RowExclusiveLock
--= lock public.child_parent_id_idx RowExclusiveLock
--= lock public.child_pkey RowExclusiveLock
--= scan public.child rows=60 passes=1
--= block public.child SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: update_all
UPDATE public.loner SET size = size + 1;
--= lock public.loner RowExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: update_key_of_parent
UPDATE public.parent SET code = upper(code) WHERE id = 4;
--= lock public.parent RowExclusiveLock
--= lock public.parent_pkey RowExclusiveLock
--= scan public.parent rows=20 passes=1
--= block public.parent SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: update_from
UPDATE public.item i SET label = c.note FROM public.child c WHERE c.id = i.child_id;
--= lock public.child AccessShareLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.item RowExclusiveLock
--= lock public.item_pkey RowExclusiveLock
--= scan public.child rows=60 passes=1
--= scan public.item rows=30 passes=1
--= block public.child DELETE on transactionid
--= block public.item SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: delete_some
DELETE FROM public.item WHERE id > 20;
--= lock public.item RowExclusiveLock
--= lock public.item_pkey RowExclusiveLock
--= scan public.item rows=30 passes=1
--= block public.child DELETE on transactionid
--= block public.item SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: delete_cascades
DELETE FROM public.child WHERE id = 7;
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

-- case: delete_fails
DELETE FROM public.parent WHERE id = 3;
--= lock public.child RowShareLock
--= lock public.child_note_idx RowShareLock
--= lock public.child_parent_id_idx RowShareLock
--= lock public.child_pkey RowShareLock
--= lock public.parent RowShareLock
--= lock public.parent RowExclusiveLock
--= lock public.parent_pkey RowShareLock
--= lock public.parent_pkey RowExclusiveLock
--= scan public.parent rows=39 passes=2
--= scan public.child rows=2 passes=1
--= error 23503

-- case: merge
MERGE INTO public.loner l USING public.parent p ON l.id = p.id
    WHEN MATCHED THEN UPDATE SET label = p.name
    WHEN NOT MATCHED THEN INSERT (label) VALUES (p.name);
--= lock public.loner RowExclusiveLock
--= lock public.parent AccessShareLock
--= lock public.parent_pkey AccessShareLock
--= scan public.parent rows=20 passes=1
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: select
SELECT count(*) FROM public.child;
--= lock public.child AccessShareLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= scan public.child rows=60 passes=1

-- case: select_for_update
SELECT id FROM public.child WHERE id = 5 FOR UPDATE;
--= lock public.child RowShareLock
--= lock public.child_note_idx RowShareLock
--= lock public.child_parent_id_idx RowShareLock
--= lock public.child_pkey RowShareLock
--= scan public.child rows=60 passes=1
--= block public.child SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: select_for_share
SELECT id FROM public.parent FOR SHARE;
--= lock public.parent RowShareLock
--= lock public.parent_pkey RowShareLock
--= scan public.parent rows=20 passes=1
--= block public.parent SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: select_for_key_share
SELECT id FROM public.parent FOR KEY SHARE;
--= lock public.parent RowShareLock
--= lock public.parent_pkey RowShareLock
--= scan public.parent rows=20 passes=1
--= block public.parent SELECT FOR UPDATE, DELETE on transactionid

-- case: insert_on_conflict
INSERT INTO public.parent (id, name) VALUES (2, 'two') ON CONFLICT (id) DO UPDATE SET name = excluded.name;
--= lock public.parent RowExclusiveLock
--= lock public.parent_pkey RowExclusiveLock
--= block public.parent SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: copy_out
COPY public.child TO '/dev/null';
--= lock public.child AccessShareLock
--= scan public.child rows=60 passes=1

-- case: insert_through_view_source
INSERT INTO public.loner (label) SELECT name FROM public.child_names;
--= lock public.child AccessShareLock
--= lock public.child_names AccessShareLock view
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.loner RowExclusiveLock
--= lock public.loner_id_seq RowExclusiveLock sequence
--= lock public.parent AccessShareLock
--= lock public.parent_pkey AccessShareLock
--= scan public.parent rows=20 passes=1
--= scan public.child rows=60 passes=1

-- case: backfill_with_loop
DO $$
DECLARE
    first int := 1;
BEGIN
    WHILE first <= 60 LOOP
        UPDATE public.child SET note = 'filled' WHERE id BETWEEN first AND first + 19;
        first := first + 20;
    END LOOP;
END $$;
--= lock public.child RowExclusiveLock
--= lock public.child_note_idx RowExclusiveLock
--= lock public.child_parent_id_idx RowExclusiveLock
--= lock public.child_pkey RowExclusiveLock
--= scan public.child rows=180 passes=3
--= block public.child SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: block_with_ddl
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM information_schema.columns
                    WHERE table_schema = 'public' AND table_name = 'loner' AND column_name = 'extra') THEN
        ALTER TABLE public.loner ADD COLUMN extra int;
    END IF;
    CREATE INDEX loner_label_idx ON public.loner (label);
END $$;
--= lock public.loner ShareLock
--= lock public.loner AccessExclusiveLock
--= lock public.loner_label_idx AccessExclusiveLock new
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: block_with_dynamic_ddl
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['parent', 'item'] LOOP
        EXECUTE format('ALTER TABLE public.%I ADD COLUMN extra int', name);
    END LOOP;
END $$;
--= lock public.item AccessExclusiveLock
--= lock public.parent AccessExclusiveLock
--= block public.child INSERT on public.parent
--= block public.child DELETE on public.item
--= block public.child_names SELECT on public.parent
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent

-- case: block_that_swallows_an_error
-- The lock goes with the rollback of the inner block.
DO $$
BEGIN
    BEGIN
        ALTER TABLE public.loner ADD COLUMN extra int;
        RAISE EXCEPTION 'no';
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
END $$;
--= undone public.loner AccessExclusiveLock

-- case: block_that_swallows_and_goes_on
DO $$
BEGIN
    BEGIN
        ALTER TABLE public.child ADD CONSTRAINT child_note_check CHECK (note = 'never');
    EXCEPTION WHEN check_violation THEN
        RAISE NOTICE 'kept as it is';
    END;
    ALTER TABLE public.loner ADD COLUMN extra int;
END $$;
--= lock public.loner AccessExclusiveLock
--= undone public.child AccessExclusiveLock
--= scan public.child rows=1 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: block_with_duplicate_type
DO $$
BEGIN
    CREATE TYPE public.status AS ENUM ('open', 'closed');
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;

-- case: block_with_commit
DO $$
BEGIN
    ALTER TABLE public.loner ADD COLUMN extra int;
    COMMIT;
    UPDATE public.item SET label = 'x' WHERE id = 1;
END $$;
--= plain
--= lock public.item RowExclusiveLock
--= lock public.item_pkey RowExclusiveLock
--= lock public.loner AccessExclusiveLock
--= brief public.item_pkey AccessShareLock
--= scan public.item rows=30 passes=1

-- case: transaction_of_two
BEGIN;
ALTER TABLE public.loner ADD COLUMN extra int;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
CREATE INDEX loner_label_idx ON public.loner (label);
--= lock public.loner ShareLock
--= lock public.loner_label_idx AccessExclusiveLock new
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
COMMIT;

-- case: transaction_over_two_tables
BEGIN;
ALTER TABLE public.item ADD COLUMN extra int;
--= lock public.item AccessExclusiveLock
--= block public.child DELETE on public.item
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
ALTER TABLE public.parent ADD COLUMN extra int;
--= lock public.parent AccessExclusiveLock
--= block public.child INSERT on public.parent
--= block public.child DELETE on public.item
--= block public.child_names SELECT on public.parent
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent
UPDATE public.loner SET size = 2 WHERE id = 1;
--= lock public.loner RowExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.child INSERT on public.parent
--= block public.child DELETE on public.item
--= block public.child_names SELECT on public.parent
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.loner SELECT FOR UPDATE, UPDATE, DELETE on transactionid
--= block public.parent SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.parent
COMMIT;

-- case: transaction_rolled_back
BEGIN;
ALTER TABLE public.loner ADD COLUMN extra int;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
ROLLBACK;

-- case: transaction_with_savepoint
BEGIN;
ALTER TABLE public.loner ADD COLUMN extra int;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
SAVEPOINT here;
ALTER TABLE public.item ADD COLUMN extra int;
--= lock public.item AccessExclusiveLock
--= block public.child DELETE on public.item
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
ROLLBACK TO SAVEPOINT here;
ALTER TABLE public.parent ALTER COLUMN code SET STATISTICS 100;
--= lock public.parent ShareUpdateExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
COMMIT;

-- case: statement_fails
ALTER TABLE public.child ALTER COLUMN nothing SET NOT NULL;
--= lock public.child AccessExclusiveLock
--= error 42703

-- case: syntax_error
ALTER TABLE public.child ADD COLUMNS nothing int;
--= error 42601

-- case: column_by_steps
ALTER TABLE public.loner ADD COLUMN extra int;
--= lock public.loner AccessExclusiveLock
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
UPDATE public.loner SET extra = size;
--= lock public.loner RowExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT FOR UPDATE, UPDATE, DELETE on transactionid
ALTER TABLE public.loner ALTER COLUMN extra SET NOT NULL;
--= lock public.loner AccessExclusiveLock
--= scan public.loner rows=25 passes=1
--= block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: foreign_key_by_steps
ALTER TABLE public.item ADD COLUMN parent_id int;
--= lock public.item AccessExclusiveLock
--= block public.child DELETE on public.item
--= block public.item SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.item
ALTER TABLE public.item ADD CONSTRAINT item_parent_fkey FOREIGN KEY (parent_id) REFERENCES public.parent NOT VALID;
--= lock public.item AccessShareLock
--= lock public.item ShareRowExclusiveLock
--= lock public.parent AccessShareLock
--= lock public.parent ShareRowExclusiveLock
--= block public.child DELETE on public.item
--= block public.item INSERT, UPDATE, DELETE on public.item
--= block public.parent INSERT, UPDATE, DELETE on public.parent
--= 18: lock public.parent_pkey AccessShareLock
UPDATE public.item i SET parent_id = c.parent_id FROM public.child c WHERE c.id = i.child_id;
--= lock public.child AccessShareLock
--= lock public.child_note_idx AccessShareLock
--= lock public.child_parent_id_idx AccessShareLock
--= lock public.child_pkey AccessShareLock
--= lock public.item RowExclusiveLock
--= lock public.item_pkey RowExclusiveLock
--= lock public.parent RowShareLock
--= lock public.parent_pkey RowShareLock
--= scan public.parent rows=275 passes=30
--= scan public.child rows=60 passes=1
--= scan public.item rows=30 passes=1
--= block public.child DELETE on transactionid
--= block public.item SELECT FOR UPDATE, UPDATE, DELETE on transactionid
--= block public.parent SELECT FOR UPDATE, DELETE on transactionid
ALTER TABLE public.item VALIDATE CONSTRAINT item_parent_fkey;
--= lock public.item AccessShareLock
--= lock public.item ShareUpdateExclusiveLock
--= lock public.item_pkey AccessShareLock
--= lock public.parent AccessShareLock
--= lock public.parent RowShareLock
--= lock public.parent_pkey AccessShareLock
--= scan public.parent rows=20 passes=1
--= scan public.item rows=30 passes=1

-- case: advisory_lock
SELECT pg_advisory_xact_lock(42);

-- base: misc
-- case: function_with_ddl
SELECT public.add_columns();
--= lock public.audited AccessExclusiveLock
--= lock public.homes ShareLock
--= lock public.homes_label_idx AccessExclusiveLock new
--= scan public.homes rows=14 passes=1
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited
--= block public.homes INSERT, UPDATE, DELETE on public.homes

-- case: procedure_without_commit
CALL public.one_step();
--= lock public.audited AccessExclusiveLock
--= block public.audited SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.audited

-- case: procedure_with_commits
CALL public.two_steps();
--= plain
--= lock public.audited AccessExclusiveLock
--= lock public.homes RowExclusiveLock
--= lock public.homes_pkey RowExclusiveLock
--= brief public.homes_pkey AccessShareLock
--= scan public.homes rows=14 passes=1

-- case: insert_fires_trigger
INSERT INTO public.audited VALUES (500, 'new', 1);
--= lock public.audited RowExclusiveLock
--= lock public.log RowExclusiveLock
--= lock public.log_id_seq RowExclusiveLock sequence
--= brief public.audited_pkey RowExclusiveLock

-- case: delete_by_rule
DELETE FROM public.ruled WHERE id = 2;
--= lock public.log RowExclusiveLock
--= lock public.log_id_seq RowExclusiveLock sequence
--= lock public.ruled AccessShareLock
--= lock public.ruled RowExclusiveLock
--= lock public.ruled_pkey RowExclusiveLock
--= scan public.ruled rows=14 passes=2
--= block public.ruled SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: update_through_view
UPDATE public.stock_view SET quantity = 5 WHERE id = 3;
--= lock public.stock RowExclusiveLock
--= lock public.stock_pkey RowExclusiveLock
--= lock public.stock_view RowExclusiveLock view
--= scan public.stock rows=18 passes=1
--= block public.stock SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- base: parts
-- case: insert_into_partitioned
INSERT INTO public.events VALUES (500, '2025-03-03', 2, 'new');
--= lock public.events RowExclusiveLock
--= lock public.events_2025 RowExclusiveLock
--= lock public.kinds RowShareLock
--= lock public.kinds_pkey RowShareLock
--= brief public.events_2025_kind_idx RowExclusiveLock
--= brief public.events_2025_pkey RowExclusiveLock
--= scan public.kinds rows=2 passes=1
--= block public.kinds SELECT FOR UPDATE, DELETE on transactionid

-- case: update_partitioned
UPDATE public.events SET body = 'changed' WHERE happened < '2025-01-01' AND happened >= '2024-01-01';
--= lock public.events AccessShareLock
--= lock public.events RowExclusiveLock
--= lock public.events_2024 RowExclusiveLock
--= lock public.events_2024_kind_idx RowExclusiveLock
--= lock public.events_2024_pkey RowExclusiveLock
--= scan public.events_2024 rows=11 passes=1
--= block public.events SELECT FOR UPDATE, UPDATE, DELETE on transactionid
--= block public.events_2024 SELECT FOR UPDATE, UPDATE, DELETE on transactionid
--= 18: lock public.events_kind_idx RowExclusiveLock
--= 18: lock public.events_pkey RowExclusiveLock

-- case: update_moves_row
UPDATE public.regions SET region = 'south' WHERE id = 2;
--= lock public.regions AccessShareLock
--= lock public.regions RowExclusiveLock
--= lock public.regions_north RowExclusiveLock
--= lock public.regions_south RowExclusiveLock
--= scan public.regions_north rows=10 passes=1
--= scan public.regions_south rows=10 passes=1
--= block public.regions SELECT FOR UPDATE, UPDATE, DELETE on transactionid
--= block public.regions_north SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: delete_inherited
DELETE FROM public.base WHERE size > 15;
--= lock public.base RowExclusiveLock
--= lock public.base_pkey RowExclusiveLock
--= lock public.kid RowExclusiveLock
--= scan public.base rows=10 passes=1
--= scan public.kid rows=12 passes=1
--= block public.base SELECT FOR UPDATE, UPDATE, DELETE on transactionid
--= block public.kid SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: select_inherited
SELECT count(*) FROM public.base;
--= lock public.base AccessShareLock
--= lock public.base_pkey AccessShareLock
--= lock public.kid AccessShareLock
--= scan public.base rows=10 passes=1
--= scan public.kid rows=12 passes=1

-- case: update_only
UPDATE ONLY public.base SET label = 'changed';
--= lock public.base RowExclusiveLock
--= lock public.base_pkey RowExclusiveLock
--= scan public.base rows=10 passes=1
--= block public.base SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- base: wide
-- case: update_toasted
UPDATE public.wide SET body = body || '!' WHERE id <= 5;
--= lock public.wide RowExclusiveLock
--= lock public.wide_number_idx RowExclusiveLock
--= lock public.wide_pkey RowExclusiveLock
--= lock public.wide_seen_idx RowExclusiveLock
--= lock public.wide_word_idx RowExclusiveLock
--= scan public.wide rows=40 passes=1
--= block public.wide SELECT FOR UPDATE, UPDATE, DELETE on transactionid

-- case: insert_identity
INSERT INTO public.booking (room, place) VALUES (2000, 2000);
--= lock public.booking RowExclusiveLock
--= lock public.booking_id_seq RowExclusiveLock sequence
--= brief public.booking_pkey RowExclusiveLock
--= brief public.booking_place_key RowExclusiveLock

-- case: delete_wide
DELETE FROM public.wide WHERE number > 35;
--= lock public.wide RowExclusiveLock
--= lock public.wide_number_idx RowExclusiveLock
--= lock public.wide_pkey RowExclusiveLock
--= lock public.wide_seen_idx RowExclusiveLock
--= lock public.wide_word_idx RowExclusiveLock
--= scan public.wide rows=40 passes=1
--= block public.wide SELECT FOR UPDATE, UPDATE, DELETE on transactionid
