-- What bench forecast --like needs to know of production. It reads the catalog alone, no row of a table, writes
-- nothing, and takes about a second at the most, of which a tenth is for a query that says how fast the machine is.
-- Any role may run it:  psql -XAtq -f probe.sql "$PRODUCTION" > probe.json
BEGIN TRANSACTION READ ONLY;
SET LOCAL statement_timeout = '30s';
SET LOCAL search_path = pg_catalog;
WITH tables AS (
  -- A partitioned table counts as one. Never analyzed: what the statistics of accesses say.
  SELECT
    coalesce(pg_partition_root(c.oid), c.oid::regclass) AS root,
    sum(CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint ELSE pg_stat_get_live_tuples(c.oid) END) AS rows,
    sum(pg_total_relation_size(c.oid)) AS bytes
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'm')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND n.nspname NOT LIKE 'pg\_temp\_%'
  GROUP BY 1
),
named AS (
  SELECT n.nspname || '.' || c.relname AS name, t.rows, t.bytes
  FROM tables AS t
  JOIN pg_catalog.pg_class AS c ON c.oid = t.root
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
),
calibration AS MATERIALIZED (
  -- Each step needs what the one before returns, so that none is worked out early, and the number of its try,
  -- so that none is taken from the cache of another (Memoize, since 14).
  SELECT extract(epoch FROM done.at - begun.at)::float8 AS seconds
  FROM generate_series(1, 9) AS try (number)
  CROSS JOIN LATERAL (SELECT clock_timestamp() AS at WHERE try.number > 0 OFFSET 0) AS begun
  CROSS JOIN LATERAL (
    SELECT sum(i % 7) AS total
    FROM generate_series(1, CASE WHEN begun.at IS NULL THEN 0 ELSE 100000 END) AS g (i)
    OFFSET 0
  ) AS worked
  CROSS JOIN LATERAL (SELECT clock_timestamp() AS at WHERE worked.total + try.number > 0 OFFSET 0) AS done
)
SELECT json_build_object(
  'probe', 1,
  'read_at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'version_num', current_setting('server_version_num')::int,
  -- The server does not tell its processors: write their number here if you know it.
  'cores', NULL,
  'calibration_s', (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM calibration),
  'settings', (
    SELECT json_object_agg(name, current_setting(name) ORDER BY name)
    FROM pg_catalog.pg_settings
    WHERE name IN (
      'effective_cache_size', 'hash_mem_multiplier', 'jit', 'maintenance_work_mem', 'max_parallel_maintenance_workers',
      'max_parallel_workers_per_gather', 'max_wal_size', 'random_page_cost', 'shared_buffers', 'work_mem'
    )
  ),
  'tables', (
    SELECT coalesce(json_object_agg(name, json_build_object('rows', rows, 'bytes', bytes) ORDER BY name), '{}')
    FROM named
  )
);
COMMIT;
