-- Foreign keys with the columns that refer, which a change of the parent looks for.
SELECT con.conname AS name,
       n.nspname || '.' || t.relname AS "table",
       ARRAY(SELECT quote_ident(a.attname)
               FROM unnest(con.conkey) WITH ORDINALITY AS k(attnum, position)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.attnum
              ORDER BY k.position) AS columns
  FROM pg_catalog.pg_constraint con
  JOIN pg_catalog.pg_class t ON t.oid = con.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
 WHERE con.contype = 'f' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
 ORDER BY 2, 1
