-- A digest of the objects of each schema, without the schema's own name, by which schemas are compared.
SELECT n.nspname, md5(coalesce(string_agg(o.said, E'\n' ORDER BY o.said), ''))
  FROM pg_catalog.pg_namespace n
  LEFT JOIN (
        SELECT c.relnamespace, format('%s %s.%s %s %s', c.relkind, c.relname, a.attname,
                                      replace(pg_catalog.format_type(a.atttypid, a.atttypmod),
                                              quote_ident(s.nspname) || '.', ''), a.attnotnull)
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
          JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'c')
        UNION ALL
        SELECT c.relnamespace, format('index %s %s %s', c.relname, i.indisvalid, i.indkey)
          FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        UNION ALL
        SELECT s.connamespace, format('constraint %s %s %s', s.conname, s.contype, s.convalidated)
          FROM pg_catalog.pg_constraint s
        UNION ALL
        SELECT p.pronamespace, format('function %s %s', p.proname, p.prosrc)
          FROM pg_catalog.pg_proc p
        UNION ALL
        SELECT t.typnamespace, format('label %s %s', t.typname, e.enumlabel)
          FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid
       ) o (relnamespace, said) ON o.relnamespace = n.oid
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 GROUP BY n.nspname
