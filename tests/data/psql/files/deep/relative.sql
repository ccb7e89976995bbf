\ir deeper/deepest.sql
\ir ../one_and_two.sql
SELECT 6 AS relative;
