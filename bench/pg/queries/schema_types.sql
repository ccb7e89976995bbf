-- Enums with their labels, domains, ranges, composite and base types; not the row types of tables, nor array types.
SELECT format('type %I.%I', n.nspname, t.typname),
       concat_ws(E'\n',
           'kind ' || t.typtype::text,
           'labels ' || (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                         FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),
           'base ' || CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
           'subtype ' || (SELECT format('%s, operator class %s, collation %s', format_type(r.rngsubtype, NULL), o.opcname,
                                        nullif(r.rngcollation, 0)::regcollation)
                          FROM pg_catalog.pg_range r JOIN pg_catalog.pg_opclass o ON o.oid = r.rngsubopc WHERE r.rngtypid = t.oid),
           'attributes ' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                             FROM pg_catalog.pg_attribute a
                             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
           CASE WHEN t.typnotnull THEN 'not null' END,
           'default ' || t.typdefault,
           'collation ' || nullif(t.typcollation, 0)::regcollation,
           'owner ' || pg_get_userbyid(t.typowner),
           'acl ' || (SELECT string_agg(item::text, ', ' ORDER BY item::text COLLATE "C") FROM unnest(coalesce(t.typacl, acldefault('T', t.typowner))) item))
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE (t.typrelid = 0 OR c.relkind = 'c')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
  AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
