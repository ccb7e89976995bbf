-- Tables that VACUUM can clean now: not those of which an open transaction has changed an entry in pg_class, their own or
-- that of an index or TOAST table, as VACUUM would wait for it; nor those that are locked. Touches catalogs alone.
WITH snapshot AS (
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest
), parts AS (
    SELECT oid AS table_oid, oid FROM pg_catalog.pg_class WHERE oid = ANY (%(oids)s::oid[])
    UNION ALL
    SELECT indrelid, indexrelid FROM pg_catalog.pg_index WHERE indrelid = ANY (%(oids)s::oid[])
    UNION ALL
    SELECT c.oid, c.reltoastrelid FROM pg_catalog.pg_class c WHERE c.oid = ANY (%(oids)s::oid[]) AND c.reltoastrelid <> 0
    UNION ALL
    SELECT c.oid, i.indexrelid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_index i ON i.indrelid = c.reltoastrelid WHERE c.oid = ANY (%(oids)s::oid[])
)
SELECT c.oid, n.nspname AS schema, c.relname AS name
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY (%(oids)s::oid[])
   AND c.relkind = 'r'
   AND NOT EXISTS (
        SELECT
          FROM pg_catalog.pg_locks l
         WHERE l.relation = c.oid
           AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
           AND l.mode <> ALL ('{AccessShareLock,RowShareLock,RowExclusiveLock,SIReadLock}'))
   AND NOT EXISTS (
        SELECT
          FROM parts p
          JOIN pg_catalog.pg_class e ON e.oid = p.oid
         CROSS JOIN snapshot
         WHERE p.table_oid = c.oid
           AND CASE WHEN e.xmax::text::bigint BETWEEN 3 AND newest %% 4294967296
                    THEN pg_xact_status((newest - newest %% 4294967296 + e.xmax::text::bigint)::text::xid8) = 'in progress'
                    ELSE false END)
