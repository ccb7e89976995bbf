-- What a command on one relation leads to: links (kind, oid, other), catalogs alone, as they are committed now.
--   child    oid is a partition or child of other
--   key      oid refers to other by a foreign key; "cascade": which may change rows of oid
--   reads    a view, rule, policy or default of oid names other, or a column has its row type
--   calls    oid runs code that may touch anything: a trigger, or a function that is not built in
WITH opaque AS (
    SELECT p.oid
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE l.lanname NOT IN ('internal', 'c')
       AND p.oid >= 16384
), owned AS (
    SELECT 'pg_catalog.pg_rewrite'::regclass AS classid, oid AS objid, ev_class AS relation FROM pg_catalog.pg_rewrite WHERE ev_class >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_policy'::regclass, oid, polrelid FROM pg_catalog.pg_policy
    UNION ALL
    SELECT 'pg_catalog.pg_attrdef'::regclass, oid, adrelid FROM pg_catalog.pg_attrdef
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::regclass, oid, conrelid FROM pg_catalog.pg_constraint WHERE conrelid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::regclass, k.oid, a.attrelid
      FROM pg_catalog.pg_constraint k
      JOIN pg_catalog.pg_attribute a ON a.atttypid = k.contypid AND a.attrelid >= 16384
     WHERE k.contypid <> 0
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, indexrelid, indrelid FROM pg_catalog.pg_index WHERE indrelid >= 16384
)
SELECT 'child' AS kind, inhrelid AS oid, inhparent AS other
  FROM pg_catalog.pg_inherits
UNION ALL
SELECT CASE WHEN confdeltype IN ('a', 'r') AND confupdtype IN ('a', 'r') THEN 'key' ELSE 'cascade' END, conrelid, confrelid
  FROM pg_catalog.pg_constraint
 WHERE contype = 'f'
UNION ALL
SELECT 'reads', o.relation, d.refobjid
  FROM owned o
  JOIN pg_catalog.pg_depend d ON d.classid = o.classid AND d.objid = o.objid AND d.refclassid = 'pg_catalog.pg_class'::regclass
 WHERE d.refobjid <> o.relation
   AND o.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_attrdef'::regclass)
UNION ALL
SELECT 'reads', d.refobjid, d.objid
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid
 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
UNION ALL
SELECT 'reads', a.attrelid, greatest(x.typrelid, b.typrelid, e.typrelid)
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type x ON x.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_type b ON b.oid = x.typbasetype AND x.typbasetype <> 0
  LEFT JOIN pg_catalog.pg_type e ON e.oid = coalesce(nullif(b.typelem, 0), nullif(x.typelem, 0))
 WHERE a.attrelid >= 16384
   AND greatest(x.typrelid, b.typrelid, e.typrelid) >= 16384
UNION ALL
SELECT 'calls', t.tgrelid, 0::oid
  FROM pg_catalog.pg_trigger t
  JOIN opaque p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal
UNION ALL
SELECT 'calls', o.relation, 0::oid
  FROM owned o
  JOIN pg_catalog.pg_depend d ON d.classid = o.classid AND d.objid = o.objid
  LEFT JOIN pg_catalog.pg_operator x ON d.refclassid = 'pg_catalog.pg_operator'::regclass AND x.oid = d.refobjid
  JOIN opaque p ON p.oid = CASE d.refclassid WHEN 'pg_catalog.pg_proc'::regclass THEN d.refobjid ELSE x.oprcode::oid END
