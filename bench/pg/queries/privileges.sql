-- What the current role may do on this server, as one row of booleans.
SELECT rolsuper AS superuser,
       rolsuper OR rolcreatedb AS create_database,
       rolsuper OR rolcreaterole AS create_role,
       rolsuper AS checkpoint,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS read_all_stats,
       -- Defined only where the library is loaded; readable by everybody, unlike shared_preload_libraries.
       current_setting('pg_stat_statements.max', true) IS NOT NULL AS statements_preloaded
FROM pg_catalog.pg_roles
WHERE rolname = current_user
