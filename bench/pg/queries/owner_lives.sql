-- Whether the advisory lock with this 64-bit key is held, in any database of the server.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory'
      AND objsubid = 1
      AND granted
      AND classid::bigint = %(high)s
      AND objid::bigint = %(low)s
)
