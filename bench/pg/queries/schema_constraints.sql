-- Constraints of tables and domains, from 18 on NOT NULL among them; whether they are validated.
SELECT format('constraint %s.%I', coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text), k.conname),
       concat_ws(E'\n',
           pg_get_constraintdef(k.oid),
           'validated ' || k.convalidated,
           'local ' || k.conislocal || ', inherited ' || k.coninhcount)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
WHERE k.contype <> 't'
  AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = k.conrelid AND d.deptype = 'e')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = k.contypid AND d.deptype = 'e')
