-- What sessions wait for, and whether for the migration. Touches pg_locks alone.
SELECT l.pid,
       l.locktype,
       coalesce(l.relation, (SELECT t.relation FROM pg_catalog.pg_locks t
                              WHERE t.pid = l.pid AND t.locktype = 'tuple' AND t.granted LIMIT 1), 0)::oid AS oid,
       l.mode,
       %(migration)s = ANY (pg_blocking_pids(l.pid)) AS by_migration
  FROM pg_catalog.pg_locks l
 WHERE NOT l.granted
   AND l.pid = ANY (%(pids)s)
