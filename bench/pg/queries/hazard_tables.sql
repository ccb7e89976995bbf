-- Tables of an application with the column that a bulk write may set to itself (one of no index where there is one), the
-- partitioned ones first, then the largest. A partition's root is its topmost table, every other table's is its own.
SELECT
    n.nspname,
    c.relname,
    c.relpages,
    CASE WHEN c.relkind = 'r' THEN (
        SELECT a.attname
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attgenerated = '' AND a.attidentity = ''
        ORDER BY
            EXISTS (
                SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey::smallint[])
            ),
            a.attnum
        LIMIT 1
    ) END AS free_column,
    rn.nspname || '.' || r.relname AS root
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class AS r ON r.oid = coalesce(pg_partition_root(c.oid), c.oid)
JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY c.relkind = 'p' DESC, c.relpages DESC, n.nspname, c.relname
