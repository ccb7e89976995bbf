-- Objects of users by their oids, each with the table that it belongs to and the columns that it is about.
-- Those of partitions, too: a table that is attached keeps what it had.
-- key: columns in order, of an index over all rows and of a constraint that has one. owner: none for a superuser, who
-- stands here for whoever deploys. privileges: those of others than the owner. traits: what else a new one may lack.
WITH schemas AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_(toast|temp_|toast_temp_)' AND nspname NOT IN ('pg_catalog', 'information_schema')
), relations AS (
    SELECT c.oid, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.relowner, c.relacl, c.reloptions,
           n.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_class c JOIN schemas n ON n.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), owners AS (
    SELECT oid, rolname::text AS name FROM pg_catalog.pg_roles WHERE NOT rolsuper
)
SELECT 'pg_class' AS catalog, r.oid::bigint AS oid, 0 AS sub,
       CASE r.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                      WHEN 'f' THEN 'foreign table' WHEN 'i' THEN 'index' WHEN 'I' THEN 'partitioned index'
                      ELSE 'table' END AS kind,
       r.name,
       coalesce(x.indrelid,
                CASE WHEN r.relkind = 'S' THEN (SELECT o.refobjid FROM pg_catalog.pg_depend o
                    WHERE o.classid = 'pg_catalog.pg_class'::regclass AND o.objid = r.oid AND o.deptype IN ('a', 'i')
                      AND o.refclassid = 'pg_catalog.pg_class'::regclass) END,
                CASE WHEN r.relispartition THEN (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.oid) END,
                0)::bigint AS table_oid,
       coalesce((SELECT array_agg(a.attname::text) FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey::int2[])), '{}') AS columns,
       r.relkind IN ('r', 'p') AND r.relrowsecurity AS secured,
       coalesce(x.indisvalid AND x.indisready, true) AS valid,
       CASE WHEN x.indpred IS NULL THEN
           coalesce((SELECT array_agg(coalesce(a.attname::text, '') ORDER BY k.place)
                     FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
                     LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
                     WHERE k.place <= x.indnkeyatts), '{}')
       ELSE '{}' END AS key,
       (SELECT o.name FROM owners o WHERE o.oid = r.relowner) AS owner,
       CASE WHEN x.indrelid IS NULL THEN ARRAY(
           SELECT g.privilege_type || ' to ' || coalesce(w.rolname, 'PUBLIC')
           FROM pg_catalog.aclexplode(coalesce(r.relacl, pg_catalog.acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner))) g
           LEFT JOIN pg_catalog.pg_roles w ON w.oid = g.grantee WHERE g.grantee <> r.relowner ORDER BY 1)
       ELSE '{}' END AS privileges,
       array_remove(ARRAY[
           CASE WHEN r.relkind IN ('r', 'p') AND r.relrowsecurity THEN 'row security' END,
           CASE WHEN r.relkind IN ('r', 'p') AND r.relforcerowsecurity THEN 'forced row security' END], NULL)
       || CASE WHEN r.relkind = 'v' THEN coalesce(r.reloptions, '{}') ELSE '{}' END AS traits,
       NULL AS definition
FROM relations r
LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = r.oid
WHERE r.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
   OR (r.relkind IN ('i', 'I') AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend k WHERE k.classid = 'pg_catalog.pg_class'::regclass
           AND k.objid = r.oid AND k.refclassid = 'pg_catalog.pg_constraint'::regclass AND k.deptype = 'i'))
UNION ALL
SELECT 'pg_attribute', r.oid::bigint, a.attnum, 'column', r.name || '.' || a.attname, r.oid::bigint,
       ARRAY[a.attname::text], false, true, '{}', NULL,
       ARRAY(SELECT g.privilege_type || ' to ' || coalesce(w.rolname, 'PUBLIC') FROM pg_catalog.aclexplode(a.attacl) g
             LEFT JOIN pg_catalog.pg_roles w ON w.oid = g.grantee ORDER BY 1),
       array_remove(ARRAY[CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                          CASE WHEN a.attidentity <> '' THEN 'identity' END,
                          CASE WHEN a.attgenerated <> '' THEN 'generated' END], NULL),
       pg_catalog.format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_attribute a JOIN relations r ON r.oid = a.attrelid
WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'pg_attrdef', d.oid::bigint, 0, 'default', r.name || '.' || a.attname, r.oid::bigint,
       ARRAY[a.attname::text], false, true, '{}', NULL, '{}', '{}', NULL
FROM pg_catalog.pg_attrdef d
JOIN relations r ON r.oid = d.adrelid
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE a.attgenerated = '' AND r.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'pg_constraint', k.oid::bigint, 0, CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END,
       k.conname::text, k.conrelid::bigint,
       coalesce((SELECT array_agg(a.attname::text) FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)), '{}'), false, true,
       CASE WHEN k.contype IN ('p', 'u', 'f') THEN
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS c (attnum, place)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.attnum ORDER BY c.place)
       ELSE '{}' END,
       NULL, '{}', '{}', pg_catalog.pg_get_constraintdef(k.oid)
FROM pg_catalog.pg_constraint k JOIN relations r ON r.oid = k.conrelid
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND (k.conparentid = 0 OR r.relispartition)
UNION ALL
SELECT 'pg_policy', p.oid::bigint, 0, 'policy', p.polname::text, r.oid::bigint, '{}', false, true, '{}', NULL, '{}', '{}', NULL
FROM pg_catalog.pg_policy p JOIN relations r ON r.oid = p.polrelid
UNION ALL
SELECT 'pg_trigger', t.oid::bigint, 0, 'trigger', t.tgname::text, r.oid::bigint, '{}', false, true, '{}', NULL, '{}', '{}', NULL
FROM pg_catalog.pg_trigger t JOIN relations r ON r.oid = t.tgrelid
WHERE NOT t.tgisinternal
UNION ALL
SELECT 'pg_rewrite', w.oid::bigint, 0, 'rule', w.rulename::text, r.oid::bigint, '{}', false, true, '{}', NULL, '{}', '{}', NULL
FROM pg_catalog.pg_rewrite w JOIN relations r ON r.oid = w.ev_class
WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'pg_proc', p.oid::bigint, 0, CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
       format('%s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), 0, '{}', false, true, '{}',
       (SELECT o.name FROM owners o WHERE o.oid = p.proowner),
       ARRAY(SELECT g.privilege_type || ' to ' || coalesce(w.rolname, 'PUBLIC')
             FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) g
             LEFT JOIN pg_catalog.pg_roles w ON w.oid = g.grantee WHERE g.grantee <> p.proowner ORDER BY 1),
       CASE WHEN p.prosecdef THEN ARRAY['SECURITY DEFINER'] ELSE '{}' END
       || ARRAY(SELECT 'SET ' || setting FROM unnest(p.proconfig) AS setting),
       pg_catalog.pg_get_function_result(p.oid)
FROM pg_catalog.pg_proc p JOIN schemas n ON n.oid = p.pronamespace
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
UNION ALL
SELECT 'pg_type', t.oid::bigint, 0, CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, n.nspname || '.' || t.typname,
       0, '{}', false, true, '{}', NULL, '{}',
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder), NULL
FROM pg_catalog.pg_type t
JOIN schemas n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE (t.typtype IN ('d', 'e', 'r') OR c.relkind = 'c')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
