-- A checksum of each schema's objects: relations, columns, indexes that are valid, constraints, functions, types.
SELECT n.nspname::text, md5(string_agg(o.object, ',' ORDER BY o.object))
  FROM pg_catalog.pg_namespace n
  JOIN (
       SELECT relnamespace AS schema, concat_ws(' ', 'r', relname, relkind) AS object FROM pg_catalog.pg_class
       UNION ALL
       SELECT c.relnamespace, concat_ws(' ', 'a', c.relname, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef)
         FROM pg_catalog.pg_attribute a
         JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm')
       UNION ALL
       SELECT c.relnamespace, concat_ws(' ', 'i', c.relname, i.indisvalid)
         FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
       UNION ALL
       SELECT connamespace, concat_ws(' ', 'c', conname, contype, convalidated) FROM pg_catalog.pg_constraint
       UNION ALL
       SELECT pronamespace, concat_ws(' ', 'f', proname, md5(prosrc)) FROM pg_catalog.pg_proc
       ) AS o ON o.schema = n.oid
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 GROUP BY 1
