-- The locks on tables of users that this session holds.
SELECT n.nspname || '.' || c.relname, l.mode
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE l.pid = pg_backend_pid()
   AND l.locktype = 'relation'
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
   AND c.relkind IN ('r', 'p', 'm', 'f', 'v', 'S')
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
