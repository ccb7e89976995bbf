-- Extensions: version and schema. Their members are left out everywhere, as they follow from these.
SELECT format('extension %I', e.extname),
       concat_ws(E'\n', 'version ' || e.extversion, 'schema ' || n.nspname, 'owner ' || pg_get_userbyid(e.extowner))
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
