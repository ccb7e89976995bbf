BEGIN;
UPDATE deals SET stage = 'won' WHERE owner < 6;
SELECT pg_sleep(0.4);
COMMIT;
ALTER TABLE meetings ADD COLUMN place text;
