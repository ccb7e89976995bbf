-- recorded from: python manage.py migrate
-- migration: shop.0004_divide_names

BEGIN;
DECLARE "_django_curs_140026291735424_sync_1" NO SCROLL CURSOR FOR SELECT "shop_customer"."id", "shop_customer"."full_name", "shop_customer"."last_name", "shop_customer"."vip" FROM "shop_customer" ORDER BY "shop_customer"."id" ASC;
FETCH FORWARD 2000 FROM "_django_curs_140026291735424_sync_1";
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 1;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 2;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 3;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 4;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 5;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 6;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 7;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 8;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 9;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 10;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 11;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 12;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 13;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 14;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 15;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 16;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 17;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 18;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 19;
UPDATE "shop_customer" SET "last_name" = 'O''Brien' WHERE "shop_customer"."id" = 20;
FETCH FORWARD 2000 FROM "_django_curs_140026291735424_sync_1";
CLOSE "_django_curs_140026291735424_sync_1";
SELECT pg_sleep(0.313) /* the command was away */;
INSERT INTO "django_migrations" ("app", "name", "applied") VALUES ('shop', '0004_divide_names', '2026-12-01 06:33:13.029499+00:00'::timestamptz) RETURNING "django_migrations"."id";
COMMIT;
