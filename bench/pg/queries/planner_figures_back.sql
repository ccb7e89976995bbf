-- Puts back what the planner knew of tables' sizes. A row that a migration has changed is left alone: to wait for
-- its transaction would be to wait for ourselves.
UPDATE pg_class c
   SET relpages = f.relpages, reltuples = f.reltuples, relallvisible = f.relallvisible
  FROM unnest(%(oids)s::oid[], %(pages)s::int4[], %(tuples)s::float4[], %(visible)s::int4[])
       AS f(oid, relpages, reltuples, relallvisible)
 WHERE c.oid = f.oid
   AND c.oid IN (SELECT oid FROM pg_catalog.pg_class WHERE oid = ANY (%(oids)s::oid[]) FOR UPDATE SKIP LOCKED)
   AND (c.relpages, c.reltuples, c.relallvisible) IS DISTINCT FROM (f.relpages, f.reltuples, f.relallvisible)
