SET lock_timeout = '2s';
BEGIN;
ALTER TABLE ord ADD COLUMN c int;
ALTER TABLE ord ALTER COLUMN b TYPE bigint;
COMMIT;
