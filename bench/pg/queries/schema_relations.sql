-- Tables, views, materialised views, foreign tables: what holds for the whole relation, its columns' order included.
SELECT format('%s %I.%I', CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                                         WHEN 'f' THEN 'foreign table' ELSE 'table' END, n.nspname, c.relname),
       concat_ws(E'\n',
           'owner ' || pg_get_userbyid(c.relowner),
           'persistence ' || c.relpersistence::text,
           'kind ' || c.relkind::text,
           'access method ' || am.amname,
           'options ' || (SELECT string_agg(item, ', ' ORDER BY item COLLATE "C") FROM unnest(c.reloptions) item),
           'toast options ' || (SELECT string_agg(item, ', ' ORDER BY item COLLATE "C")
                                FROM pg_catalog.pg_class t, unnest(t.reloptions) item WHERE t.oid = c.reltoastrelid),
           'row security ' || c.relrowsecurity || ', forced ' || c.relforcerowsecurity,
           'replica identity ' || c.relreplident::text,
           'populated ' || CASE c.relkind WHEN 'm' THEN c.relispopulated END,
           'partition key ' || CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
           'bound ' || pg_get_expr(c.relpartbound, c.oid),
           'parents ' || (SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
                          FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid),
           'tablespace ' || ts.spcname,
           'columns ' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                          FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
           'acl ' || (SELECT string_agg(item::text, ', ' ORDER BY item::text COLLATE "C") FROM unnest(coalesce(c.relacl, acldefault('r', c.relowner))) item),
           CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
