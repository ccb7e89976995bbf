-- Databases with our prefix, with the comment that may mark them as ours.
SELECT datname, shobj_description(oid, 'pg_database')
FROM pg_catalog.pg_database
WHERE starts_with(datname, 'bench_')
ORDER BY datname
