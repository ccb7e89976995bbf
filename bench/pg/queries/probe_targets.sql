-- Relations as they are named now, and the partitioned tables that they belong to, through all levels.
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       CASE WHEN c.relispartition
            THEN ARRAY(SELECT a.relid::oid FROM pg_catalog.pg_partition_ancestors(c.oid) a WHERE a.relid <> c.oid)
            ELSE '{}' END AS ancestors
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY (%(oids)s::oid[])
   AND (c.relkind <> 'm' OR c.relispopulated)
