-- Read on the migration's own connection: files and scans that only it can see before its commit.
-- The _xact_ functions count what the backend has not handed over to the shared statistics yet: the open
-- transaction, and earlier ones since the last flush. https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relfilenode AS filenode,
       pg_stat_get_xact_numscans(c.oid) AS scans,
       pg_stat_get_xact_tuples_returned(c.oid) AS tuples,
       pg_stat_get_numscans(c.oid) AS scans_flushed,
       pg_stat_get_tuples_returned(c.oid) AS tuples_flushed
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid >= 16384
   AND c.relkind IN ('r', 'i', 'm', 't')
