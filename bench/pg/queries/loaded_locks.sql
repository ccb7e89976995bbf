-- Before 14 nothing says when a wait began.
SELECT pid, locktype, coalesce(relation, 0), mode, granted, NULL::float8,
       CASE WHEN NOT granted THEN coalesce(transactionid::text, virtualxid, '') ELSE '' END
FROM pg_catalog.pg_locks
WHERE NOT granted
   OR (pid = $1::integer AND locktype = 'relation' AND mode <> ALL ('{AccessShareLock,RowShareLock,RowExclusiveLock,SIReadLock}'))
