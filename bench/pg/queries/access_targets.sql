-- Users' tables and views, whether row security is on, and the first column that refers to a user.
SELECT format('%%I.%%I', n.nspname, c.relname) AS relation,
       n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind IN ('r', 'p') AS is_table,
       c.relrowsecurity AS row_security,
       CASE WHEN c.relkind = 'v' THEN rtrim(pg_get_viewdef(c.oid), '; ') END AS definition,
       (SELECT a.attname::text
          FROM pg_catalog.pg_constraint f
          JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
         WHERE f.conrelid = c.oid AND f.contype = 'f' AND cardinality(f.conkey) = 1
           AND f.confrelid IN (SELECT u.oid FROM pg_catalog.pg_class u WHERE u.oid = to_regclass(%(users)s) OR u.oid = ANY (
               SELECT p.conrelid FROM pg_catalog.pg_constraint p JOIN pg_catalog.pg_index i ON i.indrelid = p.conrelid AND i.indisprimary
                WHERE p.contype = 'f' AND p.confrelid = to_regclass(%(users)s) AND p.conkey = string_to_array(i.indkey::text, ' ')::smallint[]))
         ORDER BY a.attnum LIMIT 1) AS owner_column,
       ARRAY(SELECT format('%%I = (SELECT t.%%I)', k.attname, a.attname) || E'\t' || f.confrelid::regclass::text
               FROM pg_catalog.pg_constraint f
               JOIN pg_catalog.pg_class p ON p.oid = f.confrelid AND p.relrowsecurity
               JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
               JOIN pg_catalog.pg_attribute k ON k.attrelid = f.confrelid AND k.attnum = f.confkey[1]
              WHERE f.conrelid = c.oid AND f.contype = 'f' AND cardinality(f.conkey) = 1
              ORDER BY f.conname) AS protected_parents
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1
