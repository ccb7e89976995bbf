ALTER SYSTEM SET statement_timeout = '5ms';
SELECT pg_reload_conf();
