-- Tables of an application with the column that a bulk write may set, largest first.
SELECT
    n.nspname,
    c.relname,
    c.relpages,
    (
        SELECT a.attname
        FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attgenerated = '' AND a.attidentity = ''
            AND NOT EXISTS (
                SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey::smallint[])
            )
        ORDER BY a.attnum
        LIMIT 1
    ) AS free_column
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY c.relpages DESC, n.nspname, c.relname
