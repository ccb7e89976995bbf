-- Every lock that one backend holds, of whatever kind. Touches pg_locks alone: it waits behind no lock.
-- SIReadLock rows block nobody. A row taken by the fast path has no place in the shared lock table.
SELECT l.locktype,
       coalesce(l.relation, 0)::oid AS oid,
       l.mode,
       l.fastpath,
       CASE WHEN l.locktype <> 'advisory' THEN NULL
            WHEN l.objsubid = 1 THEN ((l.classid::bigint << 32) | l.objid::bigint)::text
            ELSE format('%%s, %%s', l.classid, l.objid) END AS key
  FROM pg_catalog.pg_locks l
 WHERE l.pid = %(pid)s
   AND l.granted
   AND l.mode <> 'SIReadLock'
