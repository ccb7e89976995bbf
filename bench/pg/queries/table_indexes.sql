-- Valid indexes of users' tables: what their entries begin with, and by which operator classes.
SELECT format('%s.%s', tn.nspname, t.relname) AS "table",
       c.relname::text AS name,
       am.amname::text AS method,
       ARRAY(SELECT coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, k, true))
               FROM generate_series(1, i.indnkeyatts) AS k
               LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[k - 1] AND a.attnum > 0
              ORDER BY k) AS keys,
       ARRAY(SELECT o.opcname::text
               FROM generate_series(1, i.indnkeyatts) AS k
               JOIN pg_opclass o ON o.oid = i.indclass[k - 1]
              ORDER BY k) AS classes,
       i.indpred IS NOT NULL AS partial
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_am am ON am.oid = c.relam
 WHERE i.indisvalid
   AND tn.nspname NOT IN ('pg_catalog', 'information_schema') AND tn.nspname !~ '^pg_(toast|temp_|toast_temp_)'
 ORDER BY 1, 2
