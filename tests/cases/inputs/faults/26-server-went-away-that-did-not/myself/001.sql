ALTER TABLE a ADD w text;
SELECT pg_terminate_backend(pg_backend_pid());
ALTER TABLE a ADD x text;
