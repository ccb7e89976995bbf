-- What the planner knows of tables' sizes.
SELECT oid, relpages, reltuples, relallvisible
  FROM pg_catalog.pg_class
 WHERE oid = ANY (%(oids)s::oid[])
