-- Sessions in a database: number, what it calls itself, role. Autovacuum has no role; the server ends it itself.
SELECT pid, coalesce(nullif(application_name, ''), backend_type, 'a session'), coalesce(usename::text, '')
FROM pg_catalog.pg_stat_activity
WHERE datname = %(database)s
  AND usesysid IS NOT NULL
  AND pid <> pg_backend_pid()
ORDER BY pid
