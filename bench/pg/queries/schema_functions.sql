-- Functions, procedures, window functions and aggregates, with their settings, owner and privileges.
SELECT format('%s %I.%I(%s)', CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
              n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
       concat_ws(E'\n',
           CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
           (SELECT format('state %s %s, initial %L, final %s, combine %s', g.aggtransfn, g.aggtranstype::regtype,
                          g.agginitval, g.aggfinalfn, g.aggcombinefn)
            FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid),
           'owner ' || pg_get_userbyid(p.proowner),
           'acl ' || (SELECT string_agg(item::text, ', ' ORDER BY item::text COLLATE "C") FROM unnest(coalesce(p.proacl, acldefault('f', p.proowner))) item))
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_(toast|temp_|toast_temp_)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
