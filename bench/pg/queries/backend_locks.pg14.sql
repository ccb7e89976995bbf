-- Relation locks of one backend. Touches pg_locks alone: nothing here can wait behind an ACCESS EXCLUSIVE lock.
-- Oids below 16384 belong to the system catalogs; SIReadLock rows block nobody.
SELECT l.relation AS oid,
       l.mode,
       l.granted,
       extract(epoch FROM clock_timestamp() - l.waitstart)::float8 AS waiting_s,
       l.virtualtransaction AS transaction
  FROM pg_catalog.pg_locks l
 WHERE l.pid = %(pid)s
   AND l.locktype = 'relation'
   AND l.relation >= 16384
   AND l.mode <> 'SIReadLock'
