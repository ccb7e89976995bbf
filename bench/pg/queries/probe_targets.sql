-- Relations as they are named now.
SELECT c.oid, n.nspname AS schema, c.relname AS name
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY (%(oids)s::oid[])
   AND (c.relkind <> 'm' OR c.relispopulated)
