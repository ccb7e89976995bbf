-- Row security policies: command, roles and both expressions.
SELECT format('policy %I on %I.%I', p.polname, n.nspname, c.relname),
       concat_ws(E'\n',
           'permissive ' || p.polpermissive,
           'command ' || p.polcmd::text,
           'roles ' || (SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE pg_get_userbyid(role) END, ', '
                                          ORDER BY pg_get_userbyid(role)::text COLLATE "C")
                        FROM unnest(p.polroles) role),
           'using ' || pg_get_expr(p.polqual, p.polrelid),
           'with check ' || pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_catalog.pg_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_(toast|temp_|toast_temp_)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
