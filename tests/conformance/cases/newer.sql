-- Forms that came after PostgreSQL 15, where they are syntax errors.

-- base: shop
-- case: not_null_not_valid
ALTER TABLE public.loner ADD CONSTRAINT loner_label_present NOT NULL label NOT VALID;
--= 15: error 42601
--= 18: lock public.loner AccessExclusiveLock
--= 18: block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner
ALTER TABLE public.loner VALIDATE CONSTRAINT loner_label_present;
--= 18: lock public.loner ShareUpdateExclusiveLock
--= 18: scan public.loner rows=25 passes=1

-- case: named_not_null
ALTER TABLE public.loner ADD CONSTRAINT loner_label_present NOT NULL label;
--= 15: error 42601
--= 18: lock public.loner AccessExclusiveLock
--= 18: scan public.loner rows=25 passes=1
--= 18: block public.loner SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.loner

-- case: virtual_generated_column
ALTER TABLE public.child ADD COLUMN doubled int GENERATED ALWAYS AS (amount * 2) VIRTUAL;
--= 15: error 42601
--= 18: lock public.child AccessExclusiveLock
--= 18: block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= 18: block public.child_names SELECT on public.child
--= 18: block public.item INSERT on public.child
--= 18: block public.parent DELETE on public.child

-- case: check_not_enforced
ALTER TABLE public.child ADD CONSTRAINT child_price_check CHECK (price >= 0) NOT ENFORCED;
--= 15: error 42601
--= 18: lock public.child AccessExclusiveLock
--= 18: block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= 18: block public.child_names SELECT on public.child
--= 18: block public.item INSERT on public.child
--= 18: block public.parent DELETE on public.child

-- case: foreign_key_not_enforced
ALTER TABLE public.loner ADD CONSTRAINT loner_parent_fkey FOREIGN KEY (size) REFERENCES public.parent (id) NOT ENFORCED;
--= 15: error 42601
--= 18: lock public.loner ShareRowExclusiveLock
--= 18: lock public.parent ShareRowExclusiveLock
--= 18: lock public.parent_pkey AccessShareLock
--= 18: block public.loner INSERT, UPDATE, DELETE on public.loner
--= 18: block public.parent INSERT, UPDATE, DELETE on public.parent

-- case: set_statistics_default
ALTER TABLE public.child ALTER COLUMN note SET STATISTICS DEFAULT;
--= 15: error 42601
--= 18: lock public.child ShareUpdateExclusiveLock

-- case: set_expression
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
ALTER TABLE public.child ALTER COLUMN doubled SET EXPRESSION AS (amount * 3);
--= 15: error 42601
--= 18: lock public.child ShareLock
--= 18: lock public.child AccessExclusiveLock
--= 18: lock public.child_note_idx AccessExclusiveLock
--= 18: lock public.child_parent_id_idx AccessExclusiveLock
--= 18: lock public.child_pkey AccessExclusiveLock
--= 18: rewrite public.child
--= 18: rebuild public.child_note_idx
--= 18: rebuild public.child_parent_id_idx
--= 18: rebuild public.child_pkey
--= 18: scan public.child rows=240 passes=4
--= 18: block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= 18: block public.child_names SELECT on public.child
--= 18: block public.item INSERT on public.child
--= 18: block public.parent DELETE on public.child

-- case: drop_expression
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
ALTER TABLE public.child ALTER COLUMN doubled DROP EXPRESSION;
--= lock public.child AccessExclusiveLock
--= block public.child SELECT, SELECT FOR UPDATE, INSERT, UPDATE, DELETE on public.child
--= block public.child_names SELECT on public.child
--= block public.item INSERT on public.child
--= block public.parent DELETE on public.child

-- case: set_storage_at_creation
CREATE TABLE public.fresh (id int, body text STORAGE EXTERNAL);
--= 15: error 42601
--= 18: lock public.fresh AccessExclusiveLock new

-- case: reindex_schema_anew
REINDEX (CONCURRENTLY FALSE) TABLE public.loner;
--= lock public.loner ShareLock
--= block public.loner INSERT, UPDATE, DELETE on public.loner

-- case: analyze_only
ANALYZE ONLY public.child;
--= 15: error 42601
--= 18: lock public.child ShareUpdateExclusiveLock
--= 18: lock public.child_note_idx AccessShareLock
--= 18: lock public.child_parent_id_idx AccessShareLock
--= 18: lock public.child_pkey AccessShareLock

-- base: parts
-- case: vacuum_only_partitioned
VACUUM ONLY public.regions;
--= 15: error 42601
--= 18: plain
--= 18: brief public.regions AccessShareLock
--= 18: brief public.regions ShareUpdateExclusiveLock

-- case: merge_returning
MERGE INTO public.stray s USING public.base b ON s.id = b.id
    WHEN NOT MATCHED BY SOURCE THEN DELETE
    WHEN MATCHED THEN UPDATE SET label = b.label RETURNING s.id;
--= 15: error 42601
--= 18: lock public.base AccessShareLock
--= 18: lock public.base_pkey AccessShareLock
--= 18: lock public.kid AccessShareLock
--= 18: lock public.stray RowExclusiveLock
--= 18: scan public.base rows=10 passes=1
--= 18: scan public.kid rows=12 passes=1
--= 18: scan public.stray rows=11 passes=1
--= 18: block public.stray SELECT FOR UPDATE, UPDATE, DELETE on transactionid
