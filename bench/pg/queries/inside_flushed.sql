-- The same as inside_transaction.sql for all relations, from the shared statistics: for statements that make
-- transactions of their own.
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relfilenode AS filenode,
       pg_stat_get_numscans(c.oid) AS scans,
       pg_stat_get_tuples_returned(c.oid) AS tuples,
       pg_stat_get_tuples_inserted(c.oid) AS inserted,
       pg_stat_get_tuples_updated(c.oid) AS updated,
       pg_stat_get_tuples_deleted(c.oid) AS deleted
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid >= 16384
   AND c.relkind IN ('r', 'i', 'm', 't')
