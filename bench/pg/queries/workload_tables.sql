-- Ordinary and partitioned tables of applications that have a primary key of one column, largest first.
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       a.attname AS key,
       a.attidentity <> '' OR d.adbin IS NOT NULL AS key_is_made,
       NOT EXISTS (SELECT FROM pg_constraint f WHERE f.confrelid = c.oid AND f.contype = 'f') AS unreferenced,
       ARRAY(SELECT k.attname FROM pg_attribute k
              WHERE k.attrelid = c.oid AND k.attnum > 0 AND NOT k.attisdropped AND k.attgenerated = '' AND k.attidentity = ''
                AND k.attnum <> a.attnum ORDER BY k.attnum) AS others,
       (SELECT u.attname FROM pg_attribute u
         WHERE u.attrelid = c.oid AND u.attnum > 0 AND NOT u.attisdropped AND u.attgenerated = ''
           AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND u.attnum = ANY (x.indkey::int2[]))
           AND NOT EXISTS (SELECT FROM pg_partitioned_table p WHERE p.partrelid = c.oid AND u.attnum = ANY (p.partattrs::int2[]))
         ORDER BY u.attnum LIMIT 1) AS free
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
ORDER BY c.reltuples DESC, n.nspname, c.relname
LIMIT 12
