-- Read on the migration's own connection: files, scans and row changes that only it can see before its commit.
-- The _xact_ functions count what the backend has not handed over to the shared statistics yet: the open
-- transaction, and earlier ones since the last flush. https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relfilenode AS filenode,
       pg_stat_get_xact_numscans(c.oid) AS scans,
       pg_stat_get_xact_tuples_returned(c.oid) AS tuples,
       pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
       pg_stat_get_xact_tuples_updated(c.oid) AS updated,
       pg_stat_get_xact_tuples_deleted(c.oid) AS deleted
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY (%(oids)s::oid[])
   AND c.relkind IN ('r', 'i', 'm', 't')
