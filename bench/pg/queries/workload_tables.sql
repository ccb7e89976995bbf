-- Ordinary and partitioned tables of applications, those of ``touched`` and then the largest first, with the columns by which a row is found: those of the
-- primary key, else of a unique index, else of any index that reads by value; none where there is no such index. The roles
-- are those that the table is granted to: neither its owner nor one that policies do not hold for.
SELECT n.nspname AS schema,
       c.relname AS name,
       coalesce(i.columns, '{}') AS key,
       coalesce(i.found_by_it = 1, FALSE) AS one_row,
       EXISTS (SELECT FROM pg_catalog.pg_attribute k LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = k.attrelid AND d.adnum = k.attnum
                WHERE k.attrelid = c.oid AND k.attname = ANY (i.columns) AND (k.attidentity <> '' OR d.adbin IS NOT NULL)) AS key_is_made,
       NOT EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.confrelid = c.oid AND f.contype = 'f') AS unreferenced,
       ARRAY(SELECT k.attname FROM pg_catalog.pg_attribute k LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = k.attrelid AND d.adnum = k.attnum
              WHERE k.attrelid = c.oid AND k.attnum > 0 AND NOT k.attisdropped AND k.attgenerated = '' AND k.attidentity = ''
                AND NOT coalesce(i.found_by_it = 1 AND k.attname = ANY (i.columns) AND d.adbin IS NOT NULL, FALSE)
              ORDER BY k.attnum) AS others,
       ARRAY(SELECT k.attname FROM pg_catalog.pg_attribute k
              WHERE k.attrelid = c.oid AND k.attnum > 0 AND NOT k.attisdropped AND k.attgenerated = '' AND k.attidentity = ''
                AND NOT k.atthasdef
              ORDER BY k.attnum) AS without_default,
       (SELECT u.attname FROM pg_catalog.pg_attribute u
         WHERE u.attrelid = c.oid AND u.attnum > 0 AND NOT u.attisdropped AND u.attgenerated = '' AND u.attidentity = ''
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = c.oid AND u.attnum = ANY (x.indkey::int2[]))
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = c.oid AND u.attnum = ANY (p.partattrs::int2[]))
         ORDER BY u.attnum LIMIT 1) AS free,
       ARRAY(SELECT r.rolname FROM aclexplode(c.relacl) AS g JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee
              WHERE g.grantee <> c.relowner AND NOT r.rolsuper AND NOT r.rolbypassrls AND r.rolname !~ '^pg_'
                AND g.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
              GROUP BY r.rolname HAVING bool_or(g.privilege_type = 'SELECT') ORDER BY count(*) DESC, r.rolname LIMIT 3) AS roles
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT CASE WHEN x.indisprimary OR x.indisunique THEN 1 ELSE 2 END AS found_by_it,
         ARRAY(SELECT a.attname FROM generate_series(0, x.indnkeyatts - 1) AS k JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = x.indkey[k]
                ORDER BY k) AS columns
  FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS xc ON xc.oid = x.indexrelid JOIN pg_catalog.pg_am AS am ON am.oid = xc.relam
  WHERE x.indrelid = c.oid AND x.indisvalid AND x.indexprs IS NULL AND x.indpred IS NULL AND am.amname = 'btree'
  ORDER BY x.indisprimary DESC, x.indisunique DESC, x.indnkeyatts, xc.relname
  LIMIT 1) AS i ON TRUE
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
ORDER BY n.nspname || '.' || c.relname = ANY (%(touched)s) DESC, c.reltuples DESC, n.nspname, c.relname
LIMIT 12
