-- Users' tables with the columns of their primary key, in its order, and what they are partitioned by.
SELECT format('%s.%s', n.nspname, c.relname) AS name,
       ARRAY(SELECT a.attname::text
               FROM pg_index i
              CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, position)
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
              WHERE i.indrelid = c.oid AND i.indisprimary
              ORDER BY k.position) AS columns,
       CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END AS partitioned_by
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1
