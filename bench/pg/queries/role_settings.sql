-- Settings that a role finds when it logs in to a database, those of both before those of the role alone.
SELECT DISTINCT ON (name) name, value
FROM (
  SELECT split_part(entry, '=', 1) AS name, substr(entry, strpos(entry, '=') + 1) AS value, s.setdatabase
  FROM pg_catalog.pg_db_role_setting AS s
  JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
  LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
  CROSS JOIN LATERAL unnest(s.setconfig) AS entry
  WHERE r.rolname = %(role)s AND (s.setdatabase = 0 OR d.datname = %(database)s)
) AS setting
LEFT JOIN pg_catalog.pg_settings AS known USING (name)
WHERE name NOT IN ('role', 'session_authorization') AND coalesce(known.context, 'user') = 'user'
ORDER BY name, setdatabase DESC
