-- Settings of one database, for everybody (role NULL) or for one role in it, as name and value.
SELECT r.rolname, split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
FROM pg_catalog.pg_db_role_setting AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
CROSS JOIN LATERAL unnest(s.setconfig) AS entry
WHERE d.datname = %(database)s AND (s.setrole = 0 OR r.rolname IS NOT NULL)
ORDER BY 1, 2
