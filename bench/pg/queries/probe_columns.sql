-- The columns of tables, and what a new row must have in each of them.
SELECT a.attrelid AS oid,
       a.attname AS name,
       format_type(a.atttypid, a.atttypmod) AS type,
       coalesce(nullif(b.typcategory, ''), t.typcategory)::text AS category,
       (SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = coalesce(b.oid, t.oid) ORDER BY e.enumsortorder LIMIT 1) AS label,
       a.attnotnull OR t.typnotnull AS not_null,
       a.atthasdef OR a.attidentity <> '' OR (t.typdefault IS NOT NULL) AS has_default,
       a.attgenerated <> '' AS generated,
       a.attidentity = 'a' AS identity_always,
       a.attidentity <> '' OR EXISTS (SELECT FROM pg_catalog.pg_attrdef n WHERE n.adrelid = a.attrelid AND n.adnum = a.attnum
                  AND pg_get_expr(n.adbin, n.adrelid) LIKE 'nextval(%%') AS numbered,
       EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = a.attrelid AND (i.indisunique OR i.indisexclusion)
                  AND a.attnum = ANY (i.indkey::int2[])) AS in_key,
       EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.conrelid = a.attrelid AND f.contype = 'f'
                  AND a.attnum = ANY (f.conkey)) AS references_other,
       EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid IN (a.attrelid, h.inhparent)
                  AND a.attname IN (SELECT k.attname FROM pg_catalog.pg_attribute k
                                     WHERE k.attrelid = p.partrelid AND k.attnum = ANY (p.partattrs::int2[]))) AS in_partition_key,
       ARRAY(SELECT pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k
              WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)) AS checks
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype AND t.typtype = 'd'
  LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = a.attrelid AND c.relispartition
 WHERE a.attrelid = ANY (%(oids)s::oid[])
   AND a.attnum > 0
   AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
