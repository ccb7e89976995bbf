-- Privileges on one database that were given or taken there: grantee (NULL: everybody), privilege, grant option.
SELECT r.rolname, acl.privilege_type, acl.is_grantable
FROM pg_catalog.pg_database AS d
CROSS JOIN LATERAL aclexplode(d.datacl) AS acl
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = acl.grantee
WHERE d.datname = %(database)s AND acl.grantee <> d.datdba
ORDER BY 1, 2
