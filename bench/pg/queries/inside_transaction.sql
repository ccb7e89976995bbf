-- Read on the migration's own connection, before its commit: files and scans that only its transaction can see.
-- The pg_stat_get_xact_ functions count what the open transaction has done so far.
-- https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relfilenode AS filenode,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_stat_get_xact_numscans(c.oid) ELSE 0 END AS scans,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_stat_get_xact_tuples_returned(c.oid) ELSE 0 END AS tuples
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid >= 16384
   AND c.relkind IN ('r', 'i', 'm', 't')
