-- Settings of this database, default privileges, and statistics objects.
SELECT format('setting for role %s', coalesce(quote_ident(pg_get_userbyid(nullif(s.setrole, 0))), 'any')),
       (SELECT string_agg(item, E'\n' ORDER BY item COLLATE "C") FROM unnest(s.setconfig) item)
FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE d.datname = current_database()
UNION ALL
SELECT format('default privileges of %s on %s in %s', pg_get_userbyid(a.defaclrole), a.defaclobjtype,
              coalesce(nullif(a.defaclnamespace, 0)::regnamespace::text, 'any schema')),
       (SELECT string_agg(item::text, ', ' ORDER BY item::text COLLATE "C") FROM unnest(a.defaclacl) item)
FROM pg_catalog.pg_default_acl a
UNION ALL
SELECT format('statistics %I.%I', n.nspname, x.stxname), pg_get_statisticsobjdef(x.oid)
FROM pg_catalog.pg_statistic_ext x
JOIN pg_catalog.pg_namespace n ON n.oid = x.stxnamespace
WHERE n.nspname !~ '^pg_(toast|temp_|toast_temp_)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
