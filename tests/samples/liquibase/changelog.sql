--liquibase formatted sql

--changeset ann:1
CREATE TABLE item (id int PRIMARY KEY, note text NOT NULL DEFAULT 'a;b');
--rollback DROP TABLE item;

--changeset ann:2 splitStatements:false
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
  -- a comment; with a semicolon and 'quotes'
  RETURN n * 2;
END;
$body$;
INSERT INTO item (id, note) SELECT n, 'row ' || twice(n) FROM generate_series(1, 3) AS n;

--changeset ann:3 runInTransaction:false
CREATE INDEX CONCURRENTLY item_note ON item (note);
--rollback DROP INDEX item_note;

--changeset ann:3b
COMMENT ON TABLE item IS '${owner}';

--changeset ann:4
INSERT INTO item VALUES (4, 'four');
INSERT INTO item VALUES (4, 'again');
