\i deep/in_deep.sql
\ir deep/relative.sql
SELECT 7 AS outer;
