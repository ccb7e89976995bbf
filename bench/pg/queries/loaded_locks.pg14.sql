-- Requests for locks that are not granted, of every session; and the strong table locks that the migration holds.
SELECT pid, locktype, coalesce(relation, 0), mode, granted, extract(epoch FROM waitstart)::float8,
       CASE WHEN NOT granted THEN coalesce(transactionid::text, virtualxid, '') ELSE '' END
FROM pg_catalog.pg_locks
WHERE NOT granted
   OR (pid = $1::integer AND locktype = 'relation' AND mode <> ALL ('{AccessShareLock,RowShareLock,RowExclusiveLock,SIReadLock}'))
