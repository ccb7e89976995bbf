-- Schemas: owner and privileges.
SELECT format('schema %I', n.nspname),
       concat_ws(E'\n', 'owner ' || pg_get_userbyid(n.nspowner),
                 'acl ' || (SELECT string_agg(item::text, ', ' ORDER BY item::text COLLATE "C") FROM unnest(coalesce(n.nspacl, acldefault('n', n.nspowner))) item))
FROM pg_catalog.pg_namespace n
WHERE n.nspname !~ '^pg_(toast|temp_|toast_temp_)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
