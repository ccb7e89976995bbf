-- What the statement's backend (first) and those of the gates hold and wait for. Touches pg_locks alone.
SELECT l.pid,
       l.locktype,
       coalesce(l.relation, 0)::oid AS oid,
       l.mode,
       l.granted,
       (SELECT h.pid
          FROM pg_locks h
         WHERE h.granted AND NOT l.granted
           AND l.locktype = 'virtualxid' AND h.locktype = 'virtualxid' AND h.virtualxid = l.virtualxid) AS holder
  FROM pg_locks l
 WHERE l.pid = ANY (%(pids)s)
   AND (l.locktype IN ('relation', 'virtualxid') OR NOT l.granted)
   AND l.mode <> 'SIReadLock'
