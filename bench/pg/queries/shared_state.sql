-- What all databases of a server share, without our own databases: kind, name and state of each thing.
SELECT 'role' AS kind, r.rolname::text AS name,
       (to_jsonb(r) - 'oid' - 'rolname' - 'rolpassword')::text
       || coalesce(shobj_description(r.oid, 'pg_authid'), '') AS state
FROM pg_catalog.pg_roles AS r
UNION ALL
SELECT 'member', format('%s of %s', pg_get_userbyid(m.member), pg_get_userbyid(m.roleid)),
       string_agg((to_jsonb(m) - 'oid' - 'member' - 'roleid')::text, ' ' ORDER BY m.grantor)
FROM pg_catalog.pg_auth_members AS m
GROUP BY m.member, m.roleid
UNION ALL
SELECT 'database', d.datname::text,
       (to_jsonb(d) - 'oid' - 'datname' - 'datfrozenxid' - 'datminmxid' - 'datlastsysoid')::text
       || coalesce(shobj_description(d.oid, 'pg_database'), '')
FROM pg_catalog.pg_database AS d
WHERE NOT starts_with(d.datname, 'bench_')
UNION ALL
SELECT 'tablespace', t.spcname::text,
       (to_jsonb(t) - 'oid' - 'spcname')::text || coalesce(shobj_description(t.oid, 'pg_tablespace'), '')
FROM pg_catalog.pg_tablespace AS t
UNION ALL
SELECT 'settings', format('of role %s in database %s', coalesce(pg_get_userbyid(nullif(s.setrole, 0)), 'all'),
                          coalesce(d.datname, 'all')),
       s.setconfig::text
FROM pg_catalog.pg_db_role_setting AS s
LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
WHERE d.datname IS NULL OR NOT starts_with(d.datname, 'bench_')
UNION ALL
SELECT 'replication slot', slot_name::text, slot_type || coalesce(plugin::text, '')
FROM pg_catalog.pg_replication_slots
WHERE NOT temporary AND (database IS NULL OR NOT starts_with(database, 'bench_'))
UNION ALL
SELECT 'replication origin', roname, ''
FROM pg_catalog.pg_replication_origin
UNION ALL
SELECT 'prepared transaction', gid, database::text
FROM pg_catalog.pg_prepared_xacts
WHERE starts_with(database, 'bench_')
UNION ALL
SELECT 'subscription', s.subname::text, format('%s %s %s', d.datname, pg_get_userbyid(s.subowner), s.subenabled)
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
WHERE NOT starts_with(d.datname, 'bench_')
