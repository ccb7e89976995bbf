SELECT 4 AS marked;
SELECT 'a
b';
