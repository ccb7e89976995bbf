-- What keeps the server from dropping a database: prepared transactions, subscriptions, logical slots in use.
SELECT 'transaction' AS kind, gid::text AS thing
FROM pg_catalog.pg_prepared_xacts
WHERE database = %(database)s
UNION ALL
SELECT 'subscription', s.subname::text
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
WHERE d.datname = %(database)s
UNION ALL
SELECT 'slot', slot_name::text
FROM pg_catalog.pg_replication_slots
WHERE database = %(database)s AND NOT active
