-- Who keeps these sessions waiting, ahead of them in the queue included.
SELECT pid, pg_blocking_pids(pid) FROM unnest($1::integer[]) AS waiting(pid)
