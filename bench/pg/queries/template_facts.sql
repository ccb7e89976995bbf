-- What decides whether a finished template may be kept for later runs.
SELECT pg_catalog.pg_database_size(pg_catalog.current_database()) AS bytes,
       EXISTS (SELECT FROM pg_catalog.pg_class
               WHERE relpersistence = 'u' AND relkind IN ('r', 'm', 'S')) AS unlogged,
       EXISTS (SELECT FROM pg_catalog.pg_tablespace
               WHERE spcname NOT IN ('pg_default', 'pg_global')) AS tablespaces
