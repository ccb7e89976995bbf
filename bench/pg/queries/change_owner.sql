-- Statements that give a role whatever the current role owns here, extensions and their members apart.
WITH mine AS (
  SELECT 1 AS place, 'SCHEMA' AS kind, quote_ident(nspname) AS name, 'pg_catalog.pg_namespace'::regclass AS class, oid
  FROM pg_catalog.pg_namespace
  WHERE (nspowner = current_user::regrole OR nspname = 'public') AND nspname !~ '^pg_'
    AND nspname <> 'information_schema'
  UNION ALL
  SELECT 2, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                           WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
         format('%%I.%%I', n.nspname, c.relname), 'pg_catalog.pg_class'::regclass, c.oid
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relowner = current_user::regrole AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    -- The sequence of a serial or identity column goes with its table.
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i') AND c.relkind = 'S')
  UNION ALL
  SELECT 3, CASE p.prokind WHEN 'a' THEN 'AGGREGATE' ELSE 'ROUTINE' END,
         format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
         'pg_catalog.pg_proc'::regclass, p.oid
  FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
  WHERE p.proowner = current_user::regrole AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION ALL
  SELECT 4, CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, format('%%I.%%I', n.nspname, t.typname),
         'pg_catalog.pg_type'::regclass, t.oid
  FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
  WHERE t.typowner = current_user::regrole AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND (t.typtype IN ('d', 'e', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
)
SELECT format('ALTER %%s %%s OWNER TO %%I', kind, name, %(role)s::text)
FROM mine
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = mine.class AND d.objid = mine.oid
                  AND d.deptype = 'e')
ORDER BY place, name
