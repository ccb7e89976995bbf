-- Comments on whatever lies in a schema of ours, and on the schemas.
SELECT format('comment on %s %s', o.type, o.identity), s.description
FROM pg_catalog.pg_description s
CROSS JOIN LATERAL pg_identify_object(s.classoid, s.objoid, s.objsubid) o
WHERE coalesce(o.schema, CASE WHEN o.type = 'schema' THEN o.identity
                              WHEN o.type NOT IN ('extension', 'language', 'cast', 'access method') THEN '' END)
          !~ '^(pg_.*|information_schema)$'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = s.classoid AND d.objid = s.objoid AND d.deptype = 'e')
  AND s.objoid >= 16384 OR (s.classoid = 'pg_catalog.pg_namespace'::regclass AND o.identity = 'public')
