-- Triggers that somebody wrote; those of constraints and of partitions follow from what they belong to.
SELECT format('trigger %I on %I.%I', t.tgname, n.nspname, c.relname),
       concat_ws(E'\n', pg_get_triggerdef(t.oid), 'enabled ' || t.tgenabled::text)
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal
  AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
