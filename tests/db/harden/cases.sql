-- Statements that hurt, or do not, each on a schema S of its own: its objects, then what is deployed.
--
--     -- case: NAME, what becomes of it[: words of the reason for which it stays]
--
-- rewritten: otherwise; limited: only how long it waits for its locks is said; refused: stays, with its reason;
-- kept: stays. [T], [P] and [C] stand for the tables at the top.

-- table: T
CREATE TABLE S.t (id int PRIMARY KEY, a int, b text, c int, at timestamptz DEFAULT '2024-01-01');
INSERT INTO S.t SELECT i, i, 'b' || i, i % 100, '2024-01-01' FROM generate_series(1, 3000) i;

-- table: P
CREATE TABLE S.p (id int NOT NULL, at date NOT NULL, n int) PARTITION BY RANGE (at);
CREATE TABLE S.p1 PARTITION OF S.p FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE S.p2 PARTITION OF S.p FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO S.p SELECT i, '2023-01-01'::date + i % 700, i FROM generate_series(1, 3000) i;

-- table: C
CREATE TABLE S.r (id int PRIMARY KEY);
INSERT INTO S.r SELECT i FROM generate_series(0, 3000) i;

-- case: ix_plain, rewritten
[T]
-- deploy
CREATE INDEX ix_plain ON S.t (a);

-- case: ix_quoted, rewritten
CREATE TABLE S."My Table" (id int PRIMARY KEY, "Col;a" int);
INSERT INTO S."My Table" SELECT i,i FROM generate_series(1,3000) i;
-- deploy
CREATE INDEX "My ""Index" ON S."My Table" ("Col;a");

-- case: ix_expr, rewritten
[T]
-- deploy
CREATE INDEX ix_expr ON S.t (lower(b)) WHERE a > 5;

-- case: ix_unnamed, rewritten
[T]
-- deploy
CREATE INDEX ON S.t (a, c);

-- case: ix_ifnot, rewritten
[T]
-- deploy
CREATE INDEX IF NOT EXISTS ix_ifnot ON S.t (a);

-- case: ix_ifnot_there, refused: no longer than 2s
[T]
CREATE INDEX ix_there ON S.t (a);
-- deploy
CREATE INDEX IF NOT EXISTS ix_there ON S.t (a);

-- case: ix_part, rewritten
[P]
-- deploy
CREATE INDEX ix_part ON S.p (n);

-- case: ix_part_unique, rewritten
[P]
-- deploy
CREATE UNIQUE INDEX ix_part_unique ON S.p (id, at);

-- case: ix_two_line, rewritten
[T]
-- deploy
CREATE INDEX ix_l1 ON S.t (a); CREATE INDEX ix_l2 ON S.t (b);

-- case: ix_include, rewritten
[T]
-- deploy
CREATE UNIQUE INDEX ix_inc ON S.t USING btree (a DESC NULLS LAST) INCLUDE (b) WITH (fillfactor = 70);

-- case: ix_comment, rewritten
[T]
-- deploy
CREATE INDEX ix_cm ON S.t (a); COMMENT ON INDEX S.ix_cm IS 'it''s; here';

-- case: ix_gin, rewritten
[T]
-- deploy
CREATE INDEX ix_gin ON S.t USING gin (to_tsvector('english', b));

-- case: ix_mat, kept
[T]
CREATE MATERIALIZED VIEW S.m AS SELECT id, a FROM S.t;
-- deploy
CREATE INDEX ix_mat ON S.m (a);

-- case: dix, rewritten
[T]
CREATE INDEX i1 ON S.t (a);
-- deploy
DROP INDEX S.i1;

-- case: dix_two, rewritten
[T]
CREATE INDEX i1 ON S.t (a);
CREATE INDEX i2 ON S.t (b);
-- deploy
DROP INDEX IF EXISTS S.i1, S.i2;

-- case: dix_part, refused: no concurrent form
[P]
CREATE INDEX pi ON S.p (n);
-- deploy
DROP INDEX S.pi;

-- case: reindex, rewritten
[T]
CREATE INDEX i1 ON S.t (a);
-- deploy
REINDEX INDEX S.i1;

-- case: reindex_t, rewritten
[T]
-- deploy
REINDEX TABLE S.t;

-- case: cluster, refused: pg_repack
[T]
-- deploy
CLUSTER S.t USING t_pkey;

-- case: vacuum_full, refused: pg_repack
[T]
-- deploy
VACUUM FULL S.t;

-- case: uq, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD CONSTRAINT u1 UNIQUE (a);

-- case: uq_unnamed, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD UNIQUE (a, b);

-- case: uq_deferr, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD CONSTRAINT u1 UNIQUE (a) DEFERRABLE INITIALLY DEFERRED;

-- case: uq_multi, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD CONSTRAINT u1 UNIQUE (a), ADD COLUMN z int, ADD CONSTRAINT ck CHECK (c >= 0);

-- case: uq_part, rewritten
[P]
-- deploy
ALTER TABLE S.p ADD CONSTRAINT pu UNIQUE (id, at);

-- case: uq_include, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD CONSTRAINT u1 UNIQUE (a) INCLUDE (b);

-- case: uq_nulls, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD CONSTRAINT u1 UNIQUE NULLS NOT DISTINCT (a);

-- case: pk, rewritten
CREATE TABLE S.h (a int NOT NULL, b int);
INSERT INTO S.h SELECT i,i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.h ADD PRIMARY KEY (a);

-- case: pk_nullable2, rewritten
CREATE TABLE S.h (a int, b int);
INSERT INTO S.h SELECT i,i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE ONLY S.h ADD CONSTRAINT hpk PRIMARY KEY (a, b);

-- case: pk_replace, rewritten
CREATE TABLE S.t (id int CONSTRAINT old PRIMARY KEY, a int, b text, c int, at timestamptz DEFAULT '2024-01-01');
INSERT INTO S.t SELECT i, i, 'b' || i, i % 100, '2024-01-01' FROM generate_series(1, 3000) i;
-- deploy
ALTER TABLE S.t DROP CONSTRAINT old, ADD PRIMARY KEY (a);

-- case: fk, rewritten
[T]
[C]
-- deploy
ALTER TABLE S.t ADD CONSTRAINT f1 FOREIGN KEY (c) REFERENCES S.r (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;

-- case: fk_col, limited
[T]
[C]
-- deploy
ALTER TABLE S.t ADD COLUMN rid int REFERENCES S.r (id);

-- case: fk_two, rewritten
[T]
[C]
-- deploy
ALTER TABLE S.t ADD FOREIGN KEY (a) REFERENCES S.r, ADD FOREIGN KEY (c) REFERENCES S.r;

-- case: fk_self, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD CONSTRAINT self FOREIGN KEY (a) REFERENCES S.t ON UPDATE SET NULL;

-- case: fk_part, rewritten
[P]
[C]
-- deploy
ALTER TABLE S.p ADD CONSTRAINT pf FOREIGN KEY (n) REFERENCES S.r (id);

-- case: fk_composite, rewritten
[T]
CREATE TABLE S.q (x int, y int, PRIMARY KEY (x, y));
INSERT INTO S.q SELECT i, i % 100 FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.t ADD FOREIGN KEY (a, c) REFERENCES S.q MATCH FULL;

-- case: ck, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD CHECK (a > 0);

-- case: ck_part, rewritten
[P]
-- deploy
ALTER TABLE S.p ADD CONSTRAINT pc CHECK (n > 0);

-- case: ck_noinherit, rewritten
CREATE TABLE S.par (a int);
INSERT INTO S.par SELECT i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.par ADD CONSTRAINT pc CHECK (a > 0) NO INHERIT;

-- case: domain, rewritten
CREATE DOMAIN S.d AS int;
CREATE TABLE S.dt (id int PRIMARY KEY, v S.d);
INSERT INTO S.dt SELECT i,i FROM generate_series(1,3000) i;
-- deploy
ALTER DOMAIN S.d ADD CONSTRAINT dpos CHECK (VALUE > 0);

-- case: domain_nn, refused: no safe form
CREATE DOMAIN S.d AS int;
CREATE TABLE S.dt (id int PRIMARY KEY, v S.d);
INSERT INTO S.dt SELECT i,i FROM generate_series(1,3000) i;
-- deploy
ALTER DOMAIN S.d SET NOT NULL;

-- case: nn, rewritten
[T]
-- deploy
ALTER TABLE S.t ALTER COLUMN a SET NOT NULL;

-- case: nn_two, rewritten
[T]
-- deploy
ALTER TABLE S.t ALTER a SET NOT NULL, ALTER b SET NOT NULL, ALTER c SET DEFAULT 5;

-- case: nn_part, rewritten
[P]
-- deploy
ALTER TABLE S.p ALTER n SET NOT NULL;

-- case: nn_quoted, rewritten
CREATE TABLE S."T" (id int PRIMARY KEY, "A b" int);
INSERT INTO S."T" SELECT i,i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S."T" ALTER COLUMN "A b" SET NOT NULL;

-- case: add_rand, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD COLUMN z uuid NOT NULL DEFAULT gen_random_uuid();

-- case: add_clock, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD COLUMN z timestamptz DEFAULT clock_timestamp();

-- case: add_now, limited
[T]
-- deploy
ALTER TABLE S.t ADD COLUMN z timestamptz DEFAULT now();

-- case: add_gen, refused: no safe form
[T]
-- deploy
ALTER TABLE S.t ADD COLUMN z int GENERATED ALWAYS AS (a * 2) STORED;

-- case: add_ident, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD COLUMN z int GENERATED ALWAYS AS IDENTITY;

-- case: add_serial, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD COLUMN z serial;

-- case: add_rand_unique, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD COLUMN z uuid DEFAULT gen_random_uuid() UNIQUE;

-- case: add_check, rewritten
[T]
-- deploy
ALTER TABLE S.t ADD COLUMN z int DEFAULT 3 CHECK (z > 0);

-- case: add_domain, refused: no safe form
CREATE DOMAIN S.d AS int CHECK (VALUE > 0);
[T]
-- deploy
ALTER TABLE S.t ADD COLUMN z S.d DEFAULT 4;

-- case: ty_int, rewritten
[T]
-- deploy
ALTER TABLE S.t ALTER a TYPE bigint;

-- case: ty_using, rewritten
[T]
-- deploy
ALTER TABLE S.t ALTER b TYPE varchar(5) USING left(b, 5);

-- case: ty_varchar, rewritten
[T]
-- deploy
ALTER TABLE S.t ALTER b TYPE varchar(20);

-- case: ty_view, rewritten
[T]
CREATE VIEW S.v AS SELECT id FROM S.t;
-- deploy
ALTER TABLE S.t ALTER a TYPE bigint;

-- case: ty_pk, rewritten
[T]
-- deploy
ALTER TABLE S.t ALTER id TYPE bigint;

-- case: ty_serial, rewritten
CREATE TABLE S.t (id serial PRIMARY KEY, a int);
INSERT INTO S.t (a) SELECT i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.t ALTER id TYPE bigint;

-- case: ty_fkref, rewritten
[T]
CREATE TABLE S.k (id int PRIMARY KEY, tid int REFERENCES S.t);
INSERT INTO S.k SELECT i,i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.t ALTER id TYPE bigint;

-- case: ty_all, rewritten
[T]
ALTER TABLE S.t ALTER a SET NOT NULL, ALTER a SET DEFAULT 7, ADD CONSTRAINT posa CHECK (a > 0), ALTER a SET STATISTICS 77;
CREATE INDEX ai ON S.t (a) WHERE a > 3;
COMMENT ON COLUMN S.t.a IS 'told';
GRANT SELECT (a) ON S.t TO PUBLIC;
-- deploy
ALTER TABLE S.t ALTER a TYPE bigint;

-- case: ty_part, refused: has partitions or children
[P]
-- deploy
ALTER TABLE S.p ALTER n TYPE bigint;

-- case: ty_gencol, rewritten
[T]
ALTER TABLE S.t ADD g int GENERATED ALWAYS AS (c + 1) STORED;
-- deploy
ALTER TABLE S.t ALTER a TYPE bigint;

-- case: up, rewritten
[T]
-- deploy
UPDATE S.t SET c = c + 1;

-- case: up_where, rewritten
[T]
-- deploy
UPDATE S.t SET b = upper(b) WHERE a > 10 AND b IS NOT NULL;

-- case: up_key, refused: batches
[T]
-- deploy
UPDATE S.t SET id = id + 10000;

-- case: up_from, rewritten
[T]
[C]
-- deploy
UPDATE S.t SET c = r.id FROM S.r AS r WHERE r.id = S.t.a;

-- case: up_sub, rewritten
[T]
[C]
-- deploy
UPDATE S.t AS x SET c = (SELECT max(r.id) FROM S.r r WHERE r.id <= x.a);

-- case: up_nokey, refused: batches
CREATE TABLE S.h (a int, b int);
INSERT INTO S.h SELECT i,i FROM generate_series(1,3000) i;
-- deploy
UPDATE S.h SET b = b + 1;

-- case: up_composite, rewritten
CREATE TABLE S.h (x int, y text, v int, PRIMARY KEY (x, y));
INSERT INTO S.h SELECT i % 50, 'y' || i, i FROM generate_series(1,3000) i;
-- deploy
UPDATE S.h SET v = v * 2;

-- case: up_uuidkey, rewritten
CREATE TABLE S.h (k uuid PRIMARY KEY, v int);
INSERT INTO S.h SELECT md5(i::text)::uuid, i FROM generate_series(1,3000) i;
-- deploy
UPDATE S.h SET v = v * 2;

-- case: up_now, rewritten
[T]
-- deploy
UPDATE S.t SET at = now();

-- case: up_rand, rewritten
[T]
-- deploy
UPDATE S.t SET c = (random() * 10)::int;

-- case: up_returning, refused: batches
[T]
-- deploy
UPDATE S.t SET c = 3 RETURNING id;

-- case: up_cte, refused: batches
[T]
-- deploy
WITH old AS (SELECT id FROM S.t WHERE a < 2500) UPDATE S.t SET c = 0 FROM old WHERE old.id = S.t.id;

-- case: up_stmttrig, refused: once for the whole statement
[T]
CREATE TABLE S.log (n int);CREATE FUNCTION S.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO S.log SELECT count(*) FROM nt; RETURN NULL; END$$;CREATE TRIGGER tr AFTER UPDATE ON S.t REFERENCING NEW TABLE AS nt FOR EACH STATEMENT EXECUTE FUNCTION S.f();
-- deploy
UPDATE S.t SET c = 1;

-- case: up_part, refused: batches
[P]
-- deploy
UPDATE S.p SET n = n + 1;

-- case: up_seq, refused: batches
[T]
CREATE SEQUENCE S.q;
-- deploy
UPDATE S.t SET c = nextval('S.q');

-- case: up_rowtrig, rewritten
[T]
CREATE FUNCTION S.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.a := NEW.a + 1; RETURN NEW; END$$;CREATE TRIGGER tr BEFORE UPDATE ON S.t FOR EACH ROW EXECUTE FUNCTION S.f();
-- deploy
UPDATE S.t SET c = 1;

-- case: up_dup, rewritten
[T]
CREATE UNIQUE INDEX cu ON S.t (a);
-- deploy
UPDATE S.t SET a = a + 5000;

-- case: del, rewritten
[T]
-- deploy
DELETE FROM S.t WHERE a > 10;

-- case: del_using, rewritten
[T]
[C]
-- deploy
DELETE FROM S.t USING S.r WHERE r.id = t.a AND r.id > 50;

-- case: del_all, rewritten
[T]
-- deploy
DELETE FROM S.t;

-- case: ins_select, kept
[T]
CREATE TABLE S.o (id int PRIMARY KEY, a int);
-- deploy
INSERT INTO S.o SELECT id, a FROM S.t;

-- case: tx_two, rewritten
[T]
[C]
-- deploy
BEGIN; ALTER TABLE S.t ADD COLUMN z int; ALTER TABLE S.r ADD COLUMN z int; UPDATE S.t SET z = a; COMMIT;

-- case: tx_rename_view, limited
[T]
-- deploy
BEGIN; ALTER TABLE S.t RENAME TO t2; CREATE VIEW S.t AS SELECT * FROM S.t2; COMMIT;

-- case: tx_index, rewritten
[T]
-- deploy
BEGIN; CREATE INDEX ti ON S.t (a); ALTER TABLE S.t ADD z int; COMMIT;

-- case: attach, rewritten
[P]
CREATE TABLE S.p3 (id int NOT NULL, at date NOT NULL, n int);
INSERT INTO S.p3 SELECT i, '2025-03-01', i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.p ATTACH PARTITION S.p3 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');

-- case: attach_default, rewritten
[P]
CREATE TABLE S.pd PARTITION OF S.p DEFAULT;
INSERT INTO S.p SELECT i, '2030-01-01', i FROM generate_series(1,3000) i;
CREATE TABLE S.p3 (id int NOT NULL, at date NOT NULL, n int);
INSERT INTO S.p3 SELECT i, '2025-03-01', i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.p ATTACH PARTITION S.p3 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');

-- case: attach_list, rewritten
CREATE TABLE S.p (k text, n int) PARTITION BY LIST (k);
CREATE TABLE S.p3 (k text, n int);
INSERT INTO S.p3 SELECT CASE WHEN i % 2 = 0 THEN 'x' END, i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.p ATTACH PARTITION S.p3 FOR VALUES IN ('x', NULL);

-- case: attach_hash, refused: CHECK of the bounds
CREATE TABLE S.p (k int, n int) PARTITION BY HASH (k);
CREATE TABLE S.p3 (k int, n int);
INSERT INTO S.p3 SELECT i, i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.p ATTACH PARTITION S.p3 FOR VALUES WITH (MODULUS 1, REMAINDER 0);

-- case: detach, limited
[P]
-- deploy
ALTER TABLE S.p DETACH PARTITION S.p1;

-- case: detach_default, limited
[P]
CREATE TABLE S.pd PARTITION OF S.p DEFAULT;
-- deploy
ALTER TABLE S.p DETACH PARTITION S.p1;

-- case: refresh, rewritten
[T]
CREATE MATERIALIZED VIEW S.m AS SELECT id, a FROM S.t;
CREATE UNIQUE INDEX mu ON S.m (id);
-- deploy
REFRESH MATERIALIZED VIEW S.m;

-- case: refresh_nokey, refused: no longer than 2s
[T]
CREATE MATERIALIZED VIEW S.m AS SELECT id, a FROM S.t;
-- deploy
REFRESH MATERIALIZED VIEW S.m;

-- case: refresh_unpop, refused: is not populated
[T]
CREATE MATERIALIZED VIEW S.m AS SELECT id, a FROM S.t WITH NO DATA;
CREATE UNIQUE INDEX mu ON S.m (id);
-- deploy
REFRESH MATERIALIZED VIEW S.m;

-- case: enum, rewritten
CREATE TYPE S.e AS ENUM ('a');
CREATE TABLE S.et (id int PRIMARY KEY, v S.e);
INSERT INTO S.et SELECT i,'a' FROM generate_series(1,3000) i;
-- deploy
ALTER TYPE S.e ADD VALUE 'b'; UPDATE S.et SET v = 'b';

-- case: rename_col, limited
[T]
-- deploy
ALTER TABLE S.t RENAME a TO z;

-- case: drop_col, limited
[T]
-- deploy
ALTER TABLE S.t DROP COLUMN a;

-- case: ser_ident, limited
CREATE TABLE S.t (id serial PRIMARY KEY, a int);
INSERT INTO S.t (a) SELECT i FROM generate_series(1,3000) i;
-- deploy
BEGIN; ALTER TABLE S.t ALTER id DROP DEFAULT; DROP SEQUENCE S.t_id_seq; ALTER TABLE S.t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY; SELECT setval(pg_get_serial_sequence('S.t', 'id'), (SELECT max(id) FROM S.t)); COMMIT;

-- case: trunc, limited
[T]
-- deploy
TRUNCATE S.t;

-- case: drop_t, limited
[T]
-- deploy
DROP TABLE S.t;

-- case: set_logged, refused: no safe form
CREATE UNLOGGED TABLE S.u (id int PRIMARY KEY);
INSERT INTO S.u SELECT i FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.u SET LOGGED;

-- case: do_dyn, refused: batches
[T]
-- deploy
DO $$ BEGIN EXECUTE 'UPDATE S.t SET c = 1'; END $$;

-- case: excl, refused: no safe form
CREATE TABLE S.t (id int PRIMARY KEY, r int4range);
INSERT INTO S.t SELECT i, int4range(i, i + 1) FROM generate_series(1,3000) i;
-- deploy
ALTER TABLE S.t ADD EXCLUDE USING gist (r WITH &&);

-- case: safe_ix, kept
[T]
-- deploy
CREATE INDEX CONCURRENTLY sx ON S.t (a);

-- case: safe_ck, kept
[T]
-- deploy
SET lock_timeout = '2s';
ALTER TABLE S.t ADD CONSTRAINT k CHECK (a > 0) NOT VALID;

-- case: safe_val, kept
[T]
ALTER TABLE S.t ADD CONSTRAINT k CHECK (a > 0) NOT VALID;
-- deploy
ALTER TABLE S.t VALIDATE CONSTRAINT k;

-- case: safe_new, kept
-- deploy
CREATE TABLE S.n (id int PRIMARY KEY, a int);
INSERT INTO S.n VALUES (1, 2);
CREATE INDEX nn ON S.n (a);
ALTER TABLE S.n ADD CHECK (a > 0);
