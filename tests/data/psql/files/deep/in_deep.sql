SELECT 5 AS in_deep;
