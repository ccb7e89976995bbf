-- What hangs on columns of one table, and what stands in the way of having another column take their place.
WITH chosen AS (
    SELECT c.oid AS table_oid, c.relnamespace, c.relforcerowsecurity, a.*
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
     WHERE c.oid = %(table)s::oid AND a.attname = ANY (%(columns)s::text[]) AND NOT a.attisdropped
)
SELECT attname::text AS "column", 'not null' AS kind, (to_jsonb(k) ->> 'conname') AS name, '' AS definition,
       NULL::text AS "table", NULL::text AS comment,
       (pg_identify_object('pg_catalog.pg_constraint'::regclass, k.oid, 0)).identity AS identity
  FROM chosen
  LEFT JOIN pg_catalog.pg_constraint k ON k.contype = 'n' AND k.conrelid = table_oid AND k.conkey = ARRAY[attnum]
 WHERE attnotnull
UNION ALL
SELECT attname::text, 'default', NULL, pg_get_expr(d.adbin, d.adrelid), NULL, NULL, NULL
  FROM chosen JOIN pg_catalog.pg_attrdef d ON d.adrelid = table_oid AND d.adnum = attnum
 WHERE attgenerated = ''
UNION ALL
SELECT attname::text, CASE d.deptype WHEN 'i' THEN 'identity' ELSE 'sequence' END,
       format('%%I.%%I', n.nspname, s.relname),
       CASE WHEN d.deptype = 'i'
            THEN format('%%s AS IDENTITY (SEQUENCE NAME %%I.%%I START WITH %%s INCREMENT BY %%s MINVALUE %%s MAXVALUE %%s CACHE %%s%%s)',
                        CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, n.nspname, s.relname,
                        q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
                        CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END)
            ELSE '' END,
       NULL, NULL, (pg_identify_object(d.classid, d.objid, 0)).identity
  FROM chosen
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = table_oid AND d.refobjsubid = attnum
                  AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
  JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
  JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
  JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
UNION ALL
SELECT DISTINCT attname::text, 'index', format('%%I.%%I', n.nspname, i.relname), pg_get_indexdef(i.oid), NULL,
       obj_description(i.oid, 'pg_class'), (pg_identify_object(d.classid, d.objid, 0)).identity
  FROM chosen
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = table_oid AND d.refobjsubid = attnum
                  AND d.classid = 'pg_catalog.pg_class'::regclass
  JOIN pg_catalog.pg_class i ON i.oid = d.objid AND i.relkind = 'i'
  JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
UNION ALL
SELECT attname::text,
       CASE WHEN k.conrelid = table_oid THEN 'constraint' ELSE 'referring constraint' END,
       quote_ident(k.conname), pg_get_constraintdef(k.oid), format('%%I.%%I', n.nspname, t.relname),
       obj_description(k.oid, 'pg_constraint'), (pg_identify_object('pg_catalog.pg_constraint'::regclass, k.oid, 0)).identity
  FROM chosen
  JOIN pg_catalog.pg_constraint k ON (k.conrelid = table_oid
                           AND (attnum = ANY (k.conkey)
                                OR (k.contype IN ('p', 'u') AND attnum = ANY (SELECT unnest(x.indkey::int2[]) FROM pg_catalog.pg_index x WHERE x.indexrelid = k.conindid))))
                       OR (k.contype = 'f' AND k.confrelid = table_oid AND attnum = ANY (k.confkey))
  JOIN pg_catalog.pg_class t ON t.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
 WHERE k.contype <> 'n'
UNION ALL
SELECT DISTINCT attname::text, 'statistics', format('%%I.%%I', n.nspname, x.stxname), pg_get_statisticsobjdef(x.oid),
       NULL, obj_description(x.oid, 'pg_statistic_ext'), (pg_identify_object(d.classid, d.objid, 0)).identity
  FROM chosen
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = table_oid AND d.refobjsubid = attnum
                  AND d.classid = 'pg_catalog.pg_statistic_ext'::regclass
  JOIN pg_catalog.pg_statistic_ext x ON x.oid = d.objid
  JOIN pg_catalog.pg_namespace n ON n.oid = x.stxnamespace
UNION ALL
SELECT attname::text, 'comment', NULL, col_description(table_oid, attnum), NULL, NULL, NULL
  FROM chosen WHERE col_description(table_oid, attnum) IS NOT NULL
UNION ALL
SELECT attname::text, 'grant', CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
       g.privilege_type, NULL, CASE WHEN g.is_grantable THEN 'WITH GRANT OPTION' END, NULL
  FROM chosen CROSS JOIN LATERAL aclexplode(attacl) g
UNION ALL
SELECT attname::text, 'setting', NULL, s.setting, NULL, NULL, NULL
  FROM chosen
 CROSS JOIN LATERAL (VALUES ('SET STATISTICS ' || nullif(attstattarget, -1)),
                            ('SET COMPRESSION ' || CASE attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END),
                            ('SET (' || array_to_string(attoptions, ', ') || ')')) s (setting)
 WHERE s.setting IS NOT NULL
UNION ALL
SELECT attname::text, 'obstacle', NULL, o.words, NULL, NULL, NULL
  FROM chosen
 CROSS JOIN LATERAL (
    SELECT 'it is a generated column' WHERE attgenerated <> ''
    UNION ALL SELECT 'the table has partitions or children, or is one'
     WHERE EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE table_oid IN (h.inhparent, h.inhrelid))
    UNION ALL SELECT 'row security is forced on the owner, whose backfill it would hide rows from' WHERE relforcerowsecurity
    UNION ALL SELECT 'its trigger ' || quote_ident(g.tgname) || ' would fire for every row of the backfill'
      FROM pg_catalog.pg_trigger g
     WHERE g.tgrelid = table_oid AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') AND g.tgtype & 16 <> 0
       AND g.tgattr::text = ''
    UNION ALL SELECT 'its rule ' || quote_ident(r.rulename) || ' would act on every row of the backfill'
      FROM pg_catalog.pg_rewrite r WHERE r.ev_class = table_oid
    UNION ALL SELECT 'its index ' || quote_ident(x.indexrelid::regclass::text) || ' orders the table (CLUSTER), is its '
                     'replica identity or lies in a tablespace of its own'
      FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
     WHERE x.indrelid = table_oid AND attnum = ANY (x.indkey::int2[])
       AND (x.indisclustered OR x.indisreplident OR i.reltablespace <> 0)
    UNION ALL SELECT 'its exclusion constraint ' || quote_ident(k.conname) || ' cannot be built beside writes'
      FROM pg_catalog.pg_constraint k WHERE k.conrelid = table_oid AND k.contype = 'x' AND attnum = ANY (k.conkey)
    UNION ALL SELECT 'a publication names its columns'
     WHERE EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = table_oid
                      AND d.refobjsubid = attnum AND d.classid = 'pg_catalog.pg_publication_rel'::regclass)
    UNION ALL SELECT 'its sequence has a comment or grants of its own'
      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
     WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = table_oid AND d.refobjsubid = attnum AND d.deptype = 'i'
       AND (s.relacl IS NOT NULL OR obj_description(s.oid, 'pg_class') IS NOT NULL)
 ) o (words)
