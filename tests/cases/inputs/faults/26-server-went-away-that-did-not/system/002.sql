ALTER TABLE a ADD w text;
ALTER SYSTEM RESET statement_timeout;
SELECT pg_reload_conf();
