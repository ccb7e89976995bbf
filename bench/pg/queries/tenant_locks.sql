-- Entries of the shared lock table that the sessions of a deploy over many schemas hold together.
SELECT count(*)
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_stat_activity a USING (pid)
 WHERE a.datname = current_database()
   AND a.application_name = 'pgrehearse tenants'
   AND NOT l.fastpath
