-- Users' tables, and materialized views that nobody can read yet, with the columns of their primary key, in its order, what they are partitioned by, and what an
-- UPDATE of all their rows would set off. by_statement: triggers that fire once for an UPDATE or DELETE.
SELECT format('%s.%s', n.nspname, c.relname) AS name,
       ARRAY(SELECT a.attname::text
               FROM pg_catalog.pg_index i
              CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, position)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
              WHERE i.indrelid = c.oid AND i.indisprimary
              ORDER BY k.position) AS columns,
       CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END AS partitioned_by,
       ARRAY(SELECT format('%s.%s', pn.nspname, p.relname)
               FROM pg_catalog.pg_inherits h
               JOIN pg_catalog.pg_class p ON p.oid = h.inhrelid
               JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
              WHERE h.inhparent = c.oid AND c.relkind = 'p'
              ORDER BY 1) AS partitions,
       (SELECT format('%s.%s', pn.nspname, p.relname)
          FROM pg_catalog.pg_partitioned_table pt
          JOIN pg_catalog.pg_class p ON p.oid = pt.partdefid
          JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
         WHERE pt.partrelid = c.oid) AS default_partition,
       ARRAY(SELECT 'its trigger ' || quote_ident(g.tgname) || ' would fire for the rows of the backfill'
               FROM pg_catalog.pg_trigger g
              WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') AND g.tgtype & 16 <> 0
                AND g.tgattr::text = ''
              UNION ALL
             SELECT 'its rule ' || quote_ident(r.rulename) || ' would act on the rows of the backfill'
               FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid
              UNION ALL
             SELECT 'row security is forced on its owner, from whom it may hide rows' WHERE c.relforcerowsecurity) AS effects,
       c.relrowsecurity AND c.relforcerowsecurity AS forced,
       ARRAY(SELECT quote_ident(g.tgname)
               FROM pg_catalog.pg_trigger g
              WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')
                AND g.tgtype & 1 = 0 AND g.tgtype & (8 | 16) <> 0
              ORDER BY 1) AS by_statement,
       c.relispopulated AS populated
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE (c.relkind IN ('r', 'p') OR c.relkind = 'm' AND NOT c.relispopulated)
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1
