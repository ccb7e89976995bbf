-- Users' functions that can be called: what they take, whose rights they have, and their definition.
SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS identity,
       n.nspname::text AS schema,
       p.proname::text AS name,
       ARRAY(SELECT format_type(t.type, NULL)
               FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t(type, position)
              WHERE t.position <= p.pronargs - p.pronargdefaults
              ORDER BY t.position) AS arguments,
       p.prosecdef AS definer,
       EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%') AS fixed_path,
       l.lanname::text AS language,
       pg_get_functiondef(p.oid) AS definition
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.prokind = 'f' AND p.provariadic = 0
   AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
   AND l.lanname IN ('sql', 'plpgsql')
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 1
