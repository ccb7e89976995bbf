SELECT 1 / (twice(2) = 4)::int;
