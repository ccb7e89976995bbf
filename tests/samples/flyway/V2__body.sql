CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
  -- a comment; with a semicolon and 'quotes'
  RETURN n * 2;
END;
$body$;
INSERT INTO item (id, note) SELECT n, 'row ' || twice(n) FROM generate_series(1, 3) AS n;
