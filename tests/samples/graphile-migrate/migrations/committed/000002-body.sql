--! Previous: sha1:151344bd1edae7cfbb7c405eafe035872221d43d
--! Hash: sha1:24c6c07e557e8bfc307242ad619844db63b208a7
--! Message: body

CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
  -- a comment; with a semicolon and 'quotes'
  RETURN n * 2;
END;
$body$;
INSERT INTO item (id, note) SELECT n, 'row ' || twice(n) FROM generate_series(1, 3) AS n;
