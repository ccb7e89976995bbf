-- What all statements of this database have cost so far. The view without texts reads shared memory alone.
SELECT coalesce(sum(wal_bytes), 0)::bigint AS wal_bytes,
       coalesce(sum(wal_records), 0)::bigint AS wal_records,
       coalesce(sum(wal_fpi), 0)::bigint AS wal_fpi,
       coalesce(sum(shared_blks_hit + local_blks_hit), 0)::bigint AS blocks_hit,
       coalesce(sum(shared_blks_read + local_blks_read), 0)::bigint AS blocks_read,
       coalesce(sum(shared_blks_dirtied + local_blks_dirtied), 0)::bigint AS blocks_dirtied,
       coalesce(sum(temp_blks_written), 0)::bigint * current_setting('block_size')::bigint AS temp_bytes
  FROM pg_stat_statements(false)
 WHERE dbid = %(database_oid)s
