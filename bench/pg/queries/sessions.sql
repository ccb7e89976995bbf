-- Sessions in a database: number, what it calls itself, role.
SELECT pid, coalesce(nullif(application_name, ''), backend_type, 'a session'), coalesce(usename::text, '')
FROM pg_stat_activity
WHERE datname = %(database)s
  AND pid <> pg_backend_pid()
ORDER BY pid
