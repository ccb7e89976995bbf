SELECT 8 AS deepest;
