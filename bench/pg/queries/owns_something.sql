-- Whether a role owns a relation, function or schema of this database.
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_shdepend AS d
  JOIN pg_catalog.pg_roles AS r ON r.oid = d.refobjid
  WHERE d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.deptype = 'o' AND r.rolname = %(role)s
)
