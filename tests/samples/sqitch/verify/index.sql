SELECT 1 / count(*) FROM pg_index WHERE indexrelid = 'item_note'::regclass AND indisvalid;
