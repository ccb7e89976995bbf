-- Indexes: definition, and whether they are valid and ready.
SELECT format('index %I.%I', n.nspname, c.relname),
       concat_ws(E'\n',
           pg_get_indexdef(x.indexrelid),
           'owner ' || pg_get_userbyid(c.relowner),
           'valid ' || x.indisvalid || ', ready ' || x.indisready || ', live ' || x.indislive,
           CASE WHEN x.indisclustered THEN 'clustered on' END,
           CASE WHEN x.indisreplident THEN 'replica identity' END,
           'parent ' || i.inhparent::regclass,
           'tablespace ' || ts.spcname)
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = x.indexrelid
LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
WHERE n.nspname !~ '^pg_(toast|temp_|toast_temp_)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = x.indrelid AND d.deptype = 'e')
