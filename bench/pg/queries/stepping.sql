-- What a backend holds and waits for: locks, and a commit that waits for a standby, with its transaction in
-- place of the mode. Touches shared memory alone.
SELECT l.locktype,
       coalesce(l.relation, 0)::oid AS oid,
       l.mode,
       l.granted,
       (SELECT h.pid
          FROM pg_catalog.pg_locks h
         WHERE h.granted AND NOT l.granted
           AND l.locktype = 'virtualxid' AND h.locktype = 'virtualxid' AND h.virtualxid = l.virtualxid) AS holder
  FROM pg_catalog.pg_locks l
 WHERE l.pid = %(pid)s
   AND (l.locktype = 'relation' OR NOT l.granted)
   AND l.mode <> 'SIReadLock'
UNION ALL
SELECT 'commit',
       0,
       coalesce((SELECT own.virtualtransaction
                   FROM pg_catalog.pg_locks own
                  WHERE own.pid = %(pid)s AND own.locktype = 'virtualxid' AND own.granted
                  LIMIT 1), ''),
       false,
       NULL
  FROM pg_catalog.pg_stat_get_activity(%(pid)s)
 WHERE wait_event = 'SyncRep'
