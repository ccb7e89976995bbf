-- Sequences: parameters and the column that owns them, not where they stand.
SELECT format('sequence %I.%I', n.nspname, c.relname),
       concat_ws(E'\n',
           format('type %s, start %s, increment %s, min %s, max %s, cache %s, cycle %s', format_type(s.seqtypid, NULL),
                  s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle),
           'persistence ' || c.relpersistence::text,
           'owned by ' || (SELECT format('%s.%I', o.refobjid::regclass, a.attname)
                           FROM pg_catalog.pg_depend o
                           JOIN pg_catalog.pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
                           WHERE o.classid = 'pg_catalog.pg_class'::regclass AND o.objid = c.oid
                             AND o.refclassid = 'pg_catalog.pg_class'::regclass AND o.deptype IN ('a', 'i')),
           'owner ' || pg_get_userbyid(c.relowner),
           'acl ' || (SELECT string_agg(item::text, ', ' ORDER BY item::text COLLATE "C") FROM unnest(coalesce(c.relacl, acldefault('s', c.relowner))) item))
FROM pg_catalog.pg_sequence s
JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_(toast|temp_|toast_temp_)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
