-- Names in a statement that say that locks may be gone at its end: routines with an exception block, which takes
-- back what its subtransaction has locked, and tables whose triggers run such a routine.
WITH hiding AS (
    SELECT p.oid, p.proname
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
       AND l.lanname NOT IN ('c', 'internal', 'sql')
       AND p.prosrc ~* '\mexcept'
)
SELECT proname::text FROM hiding
UNION
SELECT c.relname::text
  FROM pg_catalog.pg_trigger t
  JOIN hiding h ON h.oid = t.tgfoid
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
