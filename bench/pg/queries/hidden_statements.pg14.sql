-- What ran inside other statements of this database; constants in its text are $1, $2 and so on.
SELECT query AS text, sum(calls)::bigint AS calls, sum(total_exec_time) / 1000 AS duration_s, sum(rows)::bigint AS rows
  FROM pg_stat_statements(true)
 WHERE dbid = %(database_oid)s
   AND NOT toplevel
   AND query IS NOT NULL
 GROUP BY query
