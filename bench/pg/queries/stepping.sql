-- What a backend holds and waits for: locks, and a commit that waits for a standby. Touches shared memory alone.
SELECT l.locktype,
       coalesce(l.relation, 0)::oid AS oid,
       l.mode,
       l.granted,
       (SELECT h.pid
          FROM pg_locks h
         WHERE h.granted AND NOT l.granted
           AND l.locktype = 'virtualxid' AND h.locktype = 'virtualxid' AND h.virtualxid = l.virtualxid) AS holder
  FROM pg_locks l
 WHERE l.pid = %(pid)s
   AND (l.locktype = 'relation' OR NOT l.granted)
   AND l.mode <> 'SIReadLock'
UNION ALL
SELECT 'commit', 0, '', false, NULL
  FROM pg_stat_get_activity(%(pid)s)
 WHERE wait_event = 'SyncRep'
