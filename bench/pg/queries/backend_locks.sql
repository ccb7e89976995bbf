-- Relation locks of one backend. Touches pg_locks alone: nothing here can wait behind an ACCESS EXCLUSIVE lock.
-- Before 14 there is no waitstart. Oids below 16384 belong to the system catalogs; SIReadLock rows block nobody.
SELECT l.relation AS oid,
       l.mode,
       l.granted,
       NULL::float8 AS waiting_s,
       l.virtualtransaction AS transaction
  FROM pg_catalog.pg_locks l
 WHERE l.pid = %(pid)s
   AND l.locktype = 'relation'
   AND l.relation >= 16384
   AND l.mode <> 'SIReadLock'
